"""The whole chain on a small drawn world: each test goes on where the one before it ended."""

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from components.files import read_json, read_parquet
from components.models.bundle import load_bundle, read_digest
from components.models.predictor import Predictor
from components.promotion.registry import Registry, Version
from tests.end_to_end.place import Place

pytestmark = pytest.mark.end_to_end


def registry(place: Place) -> Registry:
    return Registry(f"sqlite:///{place.workspace.state / 'mlflow.db'}", "beholder")


def champion(place: Place) -> Version:
    found = registry(place).champion()
    assert found is not None
    return found


def test_first_retraining_promotes_what_beats_the_ladder(trained: Place) -> None:
    first = champion(trained)
    assert first.number == 1
    assert first.verdict is not None
    assert first.verdict.decision == "promote"
    shown = trained.run("status").stdout
    assert "champion  version 1, hybrid" in shown
    assert "biases" in shown
    assert "up to date" in shown
    assert trained.flow_states() == ["Promoted"]
    told = trained.run("ledger").stdout
    assert "verdict: version 1, promote" in told
    assert "moved: champion none → 1" in told


def test_every_version_can_be_traced_to_its_data(trained: Place) -> None:
    first = champion(trained)
    lineage = first.tags["beholder.lineage_id"]
    assert len(lineage) == 16
    assert first.tags["beholder.served"] == read_digest(trained.workspace.served_bundle)
    shown = trained.run("trace", lineage[:8]).stdout
    assert f"version 1, lineage {lineage}  champion" in shown
    assert "missing" not in shown


def test_champion_answers_through_mlflow(trained: Place) -> None:
    script = (
        "import sys, mlflow, pandas as pd\n"
        "mlflow.set_tracking_uri(sys.argv[1])\n"
        "frame = pd.read_parquet(sys.argv[2])[['user_id', 'item_id']].head(20)\n"
        "model = mlflow.pyfunc.load_model('models:/beholder@champion')\n"
        "pd.DataFrame({'rating': model.predict(frame)}).to_csv(sys.argv[3], index=False)\n"
    )
    out = trained.workspace.root.parent / "ratings.csv"
    test = trained.workspace.split / "test.parquet"
    store = f"sqlite:///{trained.workspace.state / 'mlflow.db'}"
    trained.execute(sys.executable, "-W", "ignore", "-c", script, store, str(test), str(out))
    rows = read_parquet(test).head(20)
    predictor = Predictor(load_bundle(trained.workspace.served_bundle))
    expected = predictor.predict(rows["user_id"].tolist(), rows["item_id"].tolist())
    np.testing.assert_allclose(pd.read_csv(out)["rating"], expected, atol=1e-5)


def test_dvc_alone_finds_everything_up_to_date(trained: Place) -> None:
    assert "up to date" in trained.execute("dvc", "repro").stdout
    assert "rmse" in trained.execute("dvc", "metrics", "show").stdout
    plots = trained.workspace.root.parent / "plots"
    trained.execute("dvc", "plots", "show", "--out", str(plots))
    assert (plots / "index.html").stat().st_size > 1000


def test_nothing_changed_makes_no_run_and_no_version(trained: Place) -> None:
    runs = trained.count_runs()
    said = trained.run("retrain").stderr
    assert "unchanged" in said
    assert trained.count_runs() == runs
    assert [version.number for version in registry(trained).versions()] == [1]
    assert trained.flow_states()[0] == "Unchanged"


def test_endpoint_answers_with_the_champion(trained: Place) -> None:
    trained.run("serve", "--background")
    url = f"http://127.0.0.1:{trained.ports()['endpoint']}"
    body = httpx.post(f"{url}/recommend", json={"user_id": "nobody", "k": 3}, timeout=30).json()
    assert body["model"]["version"] == "1"
    assert body["model"]["lineage_id"] == champion(trained).tags["beholder.lineage_id"]
    assert len(body["items"]) == 3
    assert "endpoint" in trained.run("status").stdout


def test_command_line_and_endpoint_recommend_the_same(trained: Place) -> None:
    user = read_parquet(trained.workspace.accepted / "ratings.parquet")["user_id"].iloc[0]
    url = f"http://127.0.0.1:{trained.ports()['endpoint']}"
    body = httpx.post(f"{url}/recommend", json={"user_id": user, "k": 5}, timeout=30).json()
    shown = trained.run("recommend", user, "-k", "5").stdout
    listed = [line.split()[2] for line in shown.splitlines()[2:]]
    assert listed == [item["item_id"] for item in body["items"]]


def test_all_users_are_scored_into_a_file(trained: Place) -> None:
    out = trained.workspace.root.parent / "lists.parquet"
    trained.run("recommend", "--all-users", "--out", str(out), "-k", "4")
    lists = read_parquet(out)
    ratings = read_parquet(trained.workspace.accepted / "ratings.parquet")
    assert set(lists["user_id"]) == set(ratings["user_id"])
    assert (lists.groupby("user_id").size() == 4).all()
    seen = set(zip(ratings["user_id"], ratings["item_id"], strict=True))
    assert not seen & set(zip(lists["user_id"], lists["item_id"], strict=True))


def test_worse_candidate_is_registered_and_refused(trained: Place) -> None:
    trained.set_params("train", family="mean")
    said = trained.run("retrain").stderr
    assert "rejected" in said
    worse = registry(trained).versions()[0]
    assert worse.number == 2
    assert worse.verdict is not None
    assert worse.verdict.decision == "reject"
    assert "worse" in worse.verdict.reasons[0]
    assert champion(trained).number == 1
    url = f"http://127.0.0.1:{trained.ports()['endpoint']}"
    assert httpx.get(f"{url}/model", timeout=30).json()["model"]["version"] == "1"
    trained.set_params("train", family="hybrid")


def test_bad_batch_is_refused_before_any_training_and_can_be_withdrawn(trained: Place) -> None:
    ratings = read_parquet(trained.workspace.accepted / "ratings.parquet").head(400)
    bad = trained.workspace.root.parent / "bad.csv"
    ratings.assign(rating=99.0, user_id="somebody-" + ratings["user_id"])[
        ["user_id", "item_id", "rating", "timestamp"]
    ].to_csv(bad, index=False)
    trained.run("ingest", "--ratings", str(bad))
    batch = read_json(trained.workspace.batch_list)["batches"][-1]["id"]
    versions = len(registry(trained).versions())
    said = trained.run("retrain", code=1).stderr
    assert "validate:" in said
    assert "99" in said
    assert trained.flow_states()[0] == "ValidationFailed"
    assert len(registry(trained).versions()) == versions
    assert not (trained.workspace.accepted).exists()
    trained.run("withdraw", batch)
    assert batch not in trained.workspace.batch_list.read_text()


def test_items_come_and_go_without_a_retraining_whatever_is_killed_meanwhile(
    trained: Place, draw: Callable[[int], bytes]
) -> None:
    def ask(path: str, **body: object) -> dict[str, Any]:
        answer = httpx.post(f"{url}{path}", json=body, timeout=30)
        return dict(answer.raise_for_status().json())

    url = f"http://127.0.0.1:{trained.ports()['endpoint']}"
    before = ask("/recommend", user_id="nobody", k=3)
    gone = before["items"][0]["item_id"]
    fresh = trained.workspace.root.parent / "fresh"
    (fresh / "images").mkdir(parents=True)
    (fresh / "images/new.png").write_bytes(draw(7))
    (fresh / "items.csv").write_text(
        "item_id,image,title,category,available\n"
        f"fresh-1,new.png,Fresh one,Fresh,true\n{gone},,,,false\n"
    )
    items, images = str(fresh / "items.csv"), str(fresh / "images")
    trained.run("ingest", "--items", items, "--images", images)
    assert "ingested items are not in it" in trained.run("status").stdout
    kill_refresh(trained)
    said = trained.run("catalogue", "refresh").stderr
    assert "1 new, 1 withdrawn" in said
    after = ask("/recommend", user_id="nobody", k=90)
    assert after["model"]["version"] == before["model"]["version"]
    assert (before["model"]["catalogue"], len(after["model"]["catalogue"])) == (None, 12)
    listed = [item["item_id"] for item in after["items"]]
    assert gone not in listed
    assert [item["item_id"] for item in before["items"][1:]] == listed[:2]
    found = ask("/recommend", category="Fresh", k=3)["items"]
    assert [item["item_id"] for item in found] == ["fresh-1"]
    assert len(ask("/similar", item_id="fresh-1", k=2)["items"]) == 2
    assert "answers already" in trained.run("deploy").stdout
    assert "+1 new, −1 withdrawn" in trained.run("status").stdout
    assert "from its image, since catalogue" in trained.run("trace", "item:fresh-1").stdout
    assert "refreshed: version" in trained.run("ledger", "-n", "2").stdout


def kill_refresh(place: Place) -> None:
    """Kill a refresh once it has kept what was accepted, and has told nobody of it yet."""
    current = place.workspace.catalogue / "current.json"
    before = current.read_bytes()
    with place.start("catalogue", "refresh") as refresh:
        deadline = time.monotonic() + 120
        while current.read_bytes() == before:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(refresh.pid, signal.SIGKILL)


def test_pool_is_offered_and_left_on_the_workspaces_own_server(trained: Place) -> None:
    said = trained.run("pool", "gpu").stderr
    assert f"PREFECT_API_URL=http://127.0.0.1:{trained.ports()['prefect']}/api" in said
    assert "work-pool create gpu --type process" in said
    assert trained.workspace.prefect_yaml.is_file()
    assert "no work pool runs anything" in trained.run("pool", "--leave").stderr
    assert not trained.workspace.prefect_yaml.exists()
    assert "has no deployments yet; run 'beholder up'" in trained.run("pool", code=1).stderr


def test_doctor_finds_nothing_wrong(trained: Place) -> None:
    shown = trained.run("doctor").stdout
    assert "✗" not in shown
    assert "champion" in shown


def test_down_ends_every_server(trained: Place) -> None:
    assert "endpoint, prefect" in trained.run("down").stdout
    assert "nothing was running" in trained.run("down").stdout

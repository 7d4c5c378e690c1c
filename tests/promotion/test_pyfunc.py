import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.errors import CorruptFileError
from components.files import read_json
from components.models.bundle import load_bundle
from components.models.predictor import Predictor
from components.promotion.gate import TrialFacts
from components.promotion.pyfunc import log_bundles
from components.promotion.registry import Registry
from components.promotion.store import Store

FRAME = pd.DataFrame(
    {"user_id": ["someone", "nobody", "u1"], "item_id": ["i0", "i5", "an unknown item"]}
)


def list_models(place) -> list:
    client = Store(place.uri).client
    experiment = client.get_experiment_by_name(place.model).experiment_id
    return list(client.search_logged_models([experiment]))


def test_champion_by_pyfunc_rates_as_the_served_bundle_does(
    place, two_bundles, open_run, monkeypatch: pytest.MonkeyPatch
):
    import mlflow

    registry = Registry(place.uri, place.model)
    logged = log_bundles(Store(place.uri), open_run(place), two_bundles, {})
    version = registry.register(logged, {})
    registry.mark_trial(version, TrialFacts(True, (), 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0))
    registry.promote(version, None)
    monkeypatch.setattr(sys, "path", list(sys.path))
    # MLflow's own `set_tracking_uri` would leave the variable to every later test.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", place.uri)
    model = mlflow.pyfunc.load_model(f"models:/{place.model}@champion")
    ratings = model.predict(FRAME)
    predictor = Predictor(load_bundle(two_bundles.served))
    expected = predictor.predict(FRAME["user_id"].tolist(), FRAME["item_id"].tolist())
    np.testing.assert_array_equal(ratings, expected)
    assert expected[0] == pytest.approx(3.25)


@pytest.mark.integration
def test_model_answers_where_beholder_is_not_installed(
    sqlite_place, two_bundles, open_run, tmp_path: Path
):
    logged = log_bundles(Store(sqlite_place.uri), open_run(sqlite_place), two_bundles, {})
    source = Path(__file__).parents[2]
    script = f"""
import importlib.util, sys, warnings
warnings.simplefilter("ignore")
sys.path[:] = [path for path in sys.path if path not in ("", {str(source)!r})]
import mlflow, pandas
model = mlflow.pyfunc.load_model({logged.location!r})
frame = pandas.DataFrame({{"user_id": ["nobody"], "item_id": ["i0"]}})
print(model.predict(frame)[0])
import components.models
assert components.models.__file__.startswith({logged.location!r}), components.models.__file__
assert importlib.util.find_spec("components.promotion") is None
"""
    child = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert child.returncode == 0, child.stderr
    assert float(child.stdout) == pytest.approx(3.25)


def test_logged_model_holds_no_pickle_and_no_path_of_the_bundles(
    sqlite_place, two_bundles, open_run
):
    logged = log_bundles(Store(sqlite_place.uri), open_run(sqlite_place), two_bundles, {})
    files = [path for path in Path(logged.location).rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {
        *("", ".py", ".yaml", ".json", ".txt", ".parquet", ".safetensors")
    }
    for path in files:
        assert path.read_bytes()[:1] != b"\x80"  # with which every pickle begins
    assert str(two_bundles.served.parent) not in (Path(logged.location) / "MLmodel").read_text()


def test_same_bundles_again_give_the_same_model(sqlite_place, two_bundles, open_run):
    store = Store(sqlite_place.uri)
    first = log_bundles(store, open_run(sqlite_place), two_bundles, {})
    assert log_bundles(store, open_run(sqlite_place), two_bundles, {}) == first
    assert len(list_models(sqlite_place)) == 1


def test_log_that_was_killed_while_it_uploaded_is_taken_up_again(
    sqlite_place, two_bundles, open_run, monkeypatch: pytest.MonkeyPatch
):
    from mlflow import MlflowClient

    class Killed(BaseException):
        pass

    def upload_half(self: MlflowClient, model_id: str, folder: str) -> None:
        shutil.rmtree(Path(folder) / "artifacts/served")
        upload(self, model_id, folder)
        raise Killed

    upload = MlflowClient.log_model_artifacts
    store, run = Store(sqlite_place.uri), open_run(sqlite_place)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_model_artifacts", upload_half)
        with pytest.raises(Killed):
            log_bundles(store, run, two_bundles, {})
    (half,) = list_models(sqlite_place)
    logged = log_bundles(store, run, two_bundles, {})
    assert logged.model_id == half.model_id
    assert len(list_models(sqlite_place)) == 1
    Registry(sqlite_place.uri, sqlite_place.model).register(logged, {})


def test_model_that_was_damaged_is_logged_again(sqlite_place, two_bundles, open_run):
    store, run = Store(sqlite_place.uri), open_run(sqlite_place)
    damaged = log_bundles(store, run, two_bundles, {})
    (Path(damaged.location) / "artifacts/evaluation/users.parquet").write_bytes(b"")
    sound = log_bundles(store, run, two_bundles, {})
    assert sound.model_id != damaged.model_id
    Registry(sqlite_place.uri, sqlite_place.model).register(sound, {})


def test_damaged_bundle_is_not_logged(sqlite_place, two_bundles, open_run):
    (two_bundles.served / "items.parquet").unlink()
    with pytest.raises(CorruptFileError, match=r"items\.parquet is missing"):
        log_bundles(Store(sqlite_place.uri), open_run(sqlite_place), two_bundles, {})
    assert list_models(sqlite_place) == []


def test_digest_covers_both_bundles(two_bundles, make_bundle):
    digest = two_bundles.verify()
    other = make_bundle("other/evaluation", 2.0)
    assert type(two_bundles)(other, two_bundles.served).verify() != digest
    assert read_json(two_bundles.served / "manifest.json")["family"] == "biases"


def test_model_is_an_output_of_its_run(sqlite_place, two_bundles, open_run):
    store, run = Store(sqlite_place.uri), open_run(sqlite_place)
    logged = log_bundles(store, run, two_bundles, {"beholder.lineage_id": "0123"})
    log_bundles(store, run, two_bundles, {})
    outputs = store.client.get_run(run).outputs.model_outputs
    assert [output.model_id for output in outputs] == [logged.model_id]
    assert store.client.get_logged_model(logged.model_id).tags["beholder.lineage_id"] == "0123"

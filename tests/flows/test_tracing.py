"""One version with all that a retraining logs, traced whole, and with one link gone at a time."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from components.answers.answered import Answered
from components.answers.log import AnswerLog
from components.batches import Batch, data_version, write_batches
from components.errors import ParameterError
from components.files import write_json
from components.models.bundle import load_bundle
from components.params import load_params
from components.paths import Workspace
from components.promotion.gate import Verdict
from components.settings import Settings
from flows import candidate
from flows.archive import Archive
from flows.lineage import Lineage
from flows.pipeline import STAGES
from flows.recipe import read_recipe
from flows.releases import open_registry
from flows.run_record import BATCH_MD5S, CODE_COMMIT_TAG, DEVICE_TAG
from flows.trace_chain import AnswerTrace, Descent, Missing, Trace
from flows.tracing import find_version, trace, trace_version
from flows.tracing_display import draw as draw_all
from flows.tracing_display import draw_descent, draw_trace
from flows.tracking import open_run, store_address
from tests.flows.conftest import PASSED, copy_workspace

BATCHES = tuple(Batch(sha[:16], sha, 12, 11, 20) for sha in ("a1" * 32, "b2" * 32))
MD5S = {batch.id: f"{batch.id}{batch.id}.dir" for batch in BATCHES}
SUMMARY = {
    "ratings": {"accepted": 20, "refused": 1, "reasons": {"rating out of range": 1}},
    "items": {"accepted": 12, "refused": 0, "reasons": {}},
    "images": {"accepted": 11, "refused": 0, "reasons": {}},
}
CODE = dict.fromkeys(STAGES, "c0de" * 16)


def lay_down(empty: Workspace, folder: Path, served_bundle: Path) -> Workspace:
    """Make a workspace with version 1, which learnt from both batches and is champion."""
    workspace = copy_workspace(empty, folder)
    write_batches(workspace, BATCHES)
    for bundle in (workspace.evaluation_bundle, workspace.served_bundle):
        shutil.copytree(served_bundle, bundle)
    lock = {"stages": {"split": {"outs": [{"path": "data/split", "md5": "5b117.dir"}]}}}
    workspace.lock.write_text(yaml.safe_dump(lock))
    workspace.code.write_text(yaml.safe_dump(CODE))
    write_json(workspace.validation_report / "summary.json", SUMMARY)
    run = open_run(store_address(workspace, Settings()), "tests", "run", {}, key="key")
    run.log_params(load_params(workspace.params))
    run.log_metrics({"static": {"rmse": 0.75}})
    run.log_results(workspace)
    run.log_json(MD5S, BATCH_MD5S)
    run.set_tags({CODE_COMMIT_TAG: "f" * 40, DEVICE_TAG: "cpu", "beholder.reason": "by hand"})
    lineage = Lineage(data_version(BATCHES), "p", CODE, "1" * 64, "e" * 64, "5e" * 32, "k", None)
    version = candidate.register(workspace, run, lineage)
    registry = open_registry(workspace)
    registry.mark_trial(version, PASSED)
    registry.mark(version, Verdict("promote", ("better: by far",)))
    registry.promote(version, None, reason="the gate passed it")
    return workspace


@pytest.fixture(scope="module")
def shared(
    empty_workspace: Workspace, served_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Workspace:
    """That workspace, for tests that only look."""
    return lay_down(empty_workspace, tmp_path_factory.mktemp("traced"), served_bundle)


@pytest.fixture
def archive(shared: Workspace, own_environment: None) -> Iterator[Archive]:
    with Archive(shared) as archive:
        yield archive


@pytest.fixture
def own(
    empty_workspace: Workspace, served_bundle: Path, tmp_path: Path, own_environment: None
) -> Iterator[Archive]:
    """Another one, which a test may take apart."""
    with Archive(lay_down(empty_workspace, tmp_path, served_bundle)) as archive:
        yield archive


def draw(found: Trace) -> str:
    return "\n".join(f"{name} {line}" for name, line in draw_trace(found))


def trace_it(archive: Archive, given: str) -> Trace:
    found = trace(archive, given)
    assert isinstance(found, Trace)
    return found


def test_every_id_of_a_version_leads_to_its_whole_chain(archive: Archive):
    version = archive.version(1)
    lineage = version.tags["beholder.lineage_id"]
    for given in ("1", "champion", lineage[:8], version.run_id, f"X-Lineage: {lineage}", "5e5e5e"):
        assert trace_it(archive, given).version == 1
    found = trace_it(archive, lineage)
    assert not isinstance(found.data.batches, Missing)
    assert [(batch.id, batch.md5) for batch in found.data.batches] == list(MD5S.items())
    assert all(batch.is_listed for batch in found.data.batches)
    assert found.data.outputs == {"data/split": "5b117.dir"}
    assert found.validation == SUMMARY
    assert found.artifacts == version.location
    assert [entry.kind for entry in found.decisions] == ["registered", "verdict", "moved"]
    content = json.loads(json.dumps(found.to_json()))
    assert content["run"]["device"] == "cpu"
    assert content["code"]["steps"] == CODE
    assert content["parameters"]["train.family"] == "hybrid"
    assert content["metrics"]["static/rmse"] == 0.75


def keep(archive: Archive, *answers: Answered) -> None:
    log = AnswerLog(f"sqlite:///{archive.workspace.answers}")
    log.begin(keep_days=1e5, max_gb=1)
    for answered in answers:
        log.submit(answered)
    log.close()


def make_answer(archive: Archive, **changed: object) -> Answered:
    lineage = archive.version(1).tags["beholder.lineage_id"]
    answer = Answered(
        *("order-7", 1_795_000_000.0, 0.004, "recommend", "1", lineage, "shop", "u7", "factors"),
        items=tuple(f"i{row}" for row in range(12)),
        ratings=tuple(5 - row / 10 for row in range(12)),
    )
    return answer._replace(**changed)  # type: ignore[arg-type]


def test_id_of_a_request_leads_to_its_answer_and_on_to_the_chain(own: Archive):
    keep(own, make_answer(own, catalogue="ca7a10"))
    for given in ("order-7", "X-Request-Id: order-7", "request:order-7"):
        found = trace(own, given)
        assert isinstance(found, AnswerTrace)
        assert isinstance(found.chain, Trace)
        assert found.chain.version == 1
    (answer,) = found.to_json()["answers"]
    assert (answer["time"], answer["user_id"]) == ("2026-11-18T11:06:40Z", "u7")
    told = {"time", *Answered._fields} - {"at", "request_id"}
    assert answer.keys() == told
    shown = "\n".join(f"{name} {line}" for name, line in draw_all(found))
    for words in (
        "request order-7",
        "2026-11-18 11:06:40 UTC  /recommend for user u7 in 4 ms, key shop",
        "catalogue ca7a10, path factors",
        "i0  [dim]5[/]",
        "and 2 more",
        "[bold]version 1[/]",
    ):
        assert words in shown
    content = json.loads(json.dumps(found.to_json()))
    assert content["answers"][0]["ratings"][1] == 4.9
    assert content["chain"]["version"] == 1


def test_id_that_two_requests_had_shows_both_and_a_lineage_that_is_gone_is_said(own: Archive):
    pairs = make_answer(
        own, users=("u1", "u2"), user_id=None, items=("i1", "i1"), ratings=(3.0, 2.0)
    )
    keep(own, pairs, make_answer(own, at=1_795_000_001.0, lineage_id="gone", items=(), ratings=()))
    found = trace(own, "order-7")
    assert isinstance(found, AnswerTrace)
    assert isinstance(found.chain, Missing)
    shown = "\n".join(f"{name} {line}" for name, line in draw_all(found))
    assert "gave this id to 2 requests" in shown
    assert "for 2 users" in shown
    assert "for user u2" in shown
    assert "no version of lineage gone" in shown


def test_request_that_nobody_knows_is_said_with_how_long_answers_are_kept(archive: Archive):
    with pytest.raises(ParameterError, match="'order-8' is kept; answers are kept for 30 days"):
        trace(archive, "X-Request-Id: order-8")


def test_person_sees_each_link_in_a_line(archive: Archive):
    shown = draw(trace_it(archive, "1"))
    for words in (
        "40 ratings, 24 items, 22 images in 2 batches",
        f"batch {BATCHES[0].id}  20 ratings, 12 items, 11 images  md5 {MD5S[BATCHES[0].id]}",
        "quarantined 1 ratings (rating out of range 1)",
        "on cpu, by hand",
        "commit ffffffffffff",
        "train.family hybrid",
        "RMSE 0.7500",
        "promote[/], trial passed",
        "moved: champion none → 1",
        "missing: not on this disk",
        "never deployed",
        "no endpoint of this workspace runs now",
    ):
        assert words in shown


def test_run_that_is_gone_takes_only_its_own_links_away(archive: Archive):
    lost = replace(archive.version(1), run_id="0" * 32)
    found = trace_version(archive, lost, "1", "version 1")
    assert isinstance(found.run, Missing)
    assert isinstance(found.parameters, Missing)
    assert isinstance(found.validation, Missing)
    assert not isinstance(found.data.batches, Missing)  # the workspace still has this data version
    assert not isinstance(found.verdict, Missing)
    assert "MLflow run 00000000000000000000000000000000 is gone" in draw(found)
    assert json.dumps(found.to_json())


def test_run_in_the_bin_is_shown_as_such(own: Archive):
    own.store.client.delete_run(own.version(1).run_id)
    found = trace_it(own, "1")
    assert not isinstance(found.run, Missing)
    assert found.run.is_deleted
    assert "(in MLflow's bin)" in draw(found)


def test_artifacts_that_somebody_took_away_are_missing_links(own: Archive):
    assert own.store.artifact_root is not None
    write_batches(own.workspace, BATCHES[:1])
    shutil.rmtree(own.store.artifact_root)
    found = trace_it(own, "1")
    assert isinstance(found.artifacts, Missing)
    assert isinstance(found.data.batches, Missing)
    assert isinstance(found.code.steps, Missing)
    assert not isinstance(found.run, Missing)
    assert draw(found).count("missing:") >= 4
    items = trace(own, "item:i0")
    assert isinstance(items, Descent)
    assert list(items.unknown) == [1]


def test_list_of_batches_that_is_another_one_is_not_believed(own: Archive, tmp_path: Path):
    assert own.store.artifact_root is not None
    (stored,) = own.store.artifact_root.rglob("inputs/batches.json")
    write_batches(Workspace(tmp_path / "other"), BATCHES[1:])
    shutil.copyfile(tmp_path / "other/data/batches.json", stored)
    write_batches(own.workspace, BATCHES[:1])
    assert isinstance(trace_it(own, "1").data.batches, Missing)


def test_batch_leads_to_the_versions_that_learnt_from_it(own: Archive):
    write_batches(own.workspace, BATCHES[:1])
    found = trace(own, BATCHES[1].id[:6])
    assert isinstance(found, Descent)
    assert [learner.version for learner in found.learners] == [1]
    assert found.learners[0].aliases == ("champion",)
    assert found.batch is not None
    assert not found.batch.is_listed
    shown = "\n".join(line for _, line in draw_descent(found))
    assert "withdrawn" in shown
    assert "version 1  lineage" in shown
    assert json.dumps(found.to_json())


def test_data_version_leads_to_its_versions(archive: Archive):
    found = trace(archive, data_version(BATCHES))
    assert isinstance(found, Descent)
    assert [learner.version for learner in found.learners] == [1]


def test_image_item_and_user_lead_to_the_versions_that_hold_them(
    archive: Archive, served_bundle: Path
):
    image = load_bundle(served_bundle).catalogue.items["images"].iloc[0][0]
    for given in ("i0", "item:i0", image, f"image:{image[:12]}", "user:u0"):
        found = trace(archive, given)
        assert isinstance(found, Descent)
        assert [learner.version for learner in found.learners] == [1]
    nobody = trace(archive, "user:nobody")
    assert isinstance(nobody, Descent)
    assert nobody.learners == ()
    assert "no version" in "\n".join(line for _, line in draw_descent(nobody))


def test_unknown_id_names_the_nearest(archive: Archive):
    with pytest.raises(ParameterError, match=r"no version or data is called 'champoin'; nearest"):
        trace(archive, "champoin")


def test_previous_version_that_there_is_none_of_is_said_plainly(archive: Archive):
    with pytest.raises(ParameterError, match=r"^no version was champion before.*'beholder ledger'"):
        trace(archive, "previous")


def test_version_is_asked_for_by_any_name_and_a_batch_is_none(archive: Archive):
    assert find_version(archive, "models:/beholder@champion").number == 1
    with pytest.raises(ParameterError, match="which is no version"):
        find_version(archive, BATCHES[0].id)


def test_recipe_is_all_that_was_recorded(archive: Archive):
    recipe = read_recipe(archive, archive.version(1))
    assert recipe.batches == BATCHES
    assert recipe.md5s == MD5S
    assert recipe.params == archive.workspace.params.read_bytes()
    assert recipe.code == CODE
    assert recipe.machine is None

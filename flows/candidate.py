"""What happens to a candidate after its files are made: each a plain function, safe to repeat."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from components.files import hash_file, hash_json, read_json, read_parquet
from components.packaging.trial import TrialReport, run_trial
from components.params import WATCHING, Params, load_params
from components.paths import Workspace
from components.promotion.artifacts import Bundles
from components.promotion.comparison import Comparison, compare
from components.promotion.gate import TrialFacts, Verdict, judge
from components.promotion.pyfunc import log_bundles
from components.promotion.registry import Version
from components.promotion.version import TRIAL_TAG
from components.settings import load_settings
from components.training.machine import recall_machine
from flows.comparing_record import attach_comparison
from flows.data_versions import read_batch_md5s, read_data_versions
from flows.lineage import Lineage, find_package_lock
from flows.pipeline import StageRun
from flows.releases import (
    COMPARISON_TAG,
    JUDGEMENT_TAG,
    LINEAGE_TAG,
    fetch_bundles,
    open_registry,
)
from flows.run_record import BATCH_MD5S, CODE_COMMIT_TAG, DEVICE_TAG, MACHINE
from flows.source_code import find_code_commit
from flows.tracking import TrackedRun, open_run, store_address

EXPERIMENT = "beholder"
JUDGED_BESIDE_TAG = "beholder.judged_beside"
TRIAL_REPORT_TAG = "beholder.trial_report"
COST_METRICS = "cost"


def workspace_bundles(workspace: Workspace) -> Bundles:
    """Return the bundles that the pipeline left in the workspace."""
    return Bundles(workspace.evaluation_bundle, workspace.served_bundle)


def find_finished(workspace: Workspace) -> Version | None:
    """Return the version of the workspace's bundles if all is decided about it, else None.

    It is if it is champion, if somebody went back from it or rejected it, or if it was turned down
    beside the very champion of now, by the very rules of now, and not by time alone. One that the
    gate passed so awaits its review, where one is required; else a run that was killed between the
    gate and the alias left one to decide about.
    """
    bundles = workspace_bundles(workspace)
    if not (bundles.evaluation.is_dir() and bundles.served.is_dir()):
        return None
    registry = open_registry(workspace)
    found, champion = registry.find(bundles.verify()), registry.champion()
    if found is None or found.verdict is None:
        return None
    if champion is not None and champion.number == found.number:
        return found
    position = registry.ledger.read().position
    if found.number in position.withdrawn or found.digest in position.rejected:
        return found
    params = load_params(workspace.params)
    if found.tags.get(JUDGED_BESIDE_TAG) != describe_judgement(champion, params):
        return None
    is_turned_down = found.verdict.decision != "promote"
    awaits = params.review.policy == "required" and found.tags.get(TRIAL_TAG) == "passed"
    return found if is_turned_down or awaits else None


def describe_judgement(champion: Version | None, params: Params) -> str:
    """Return beside which champion and by which rules a verdict is found."""
    name = "none" if champion is None else str(champion.number)
    rules = hash_json(params.model_dump(mode="json", include={"gate", "trial"}))
    return f"{name} by {rules[:8]}"


def track(
    workspace: Workspace, params: Params, reason: str, more: Mapping[str, str] | None = None
) -> TrackedRun:
    """Open this retraining's MLflow run, or go on with the one that a kill cut off.

    `more` are tags of its own: what triggered it.
    """
    key = hash_json(
        {
            "workspace": str(workspace.root),
            "data": hash_file(workspace.batch_list),
            "params": params.model_dump(mode="json", exclude=set(WATCHING)),
            "code": hash_file(workspace.code),
            "packages": hash_file(find_package_lock()),
        }
    )
    tags = {"beholder.reason": reason, "beholder.workspace": workspace.root.name}
    tags |= dict(more or {})
    name = f"{params.train.family} {key[:8]}"
    run = open_run(store_address(workspace, load_settings()), EXPERIMENT, name, tags, key=key)
    run.log_params(params)
    return run


def log_results(workspace: Workspace, run: TrackedRun, lineage: Lineage) -> None:
    """Log what the steps found out: metrics, data versions, tags, reports."""
    run.set_tags(lineage.to_tags())
    run.log_datasets(read_data_versions(workspace))
    run.log_metrics(read_json(workspace.evaluation_report / "metrics.json"))
    run.log_history_table(workspace.training_report / "history.csv")
    run.log_json(lineage.to_json(), "lineage.json")
    run.log_results(workspace)
    _log_origin(workspace, run, lineage)
    attach_comparison(workspace, run)


def log_cost(run: TrackedRun, done: StageRun) -> None:
    """Log what a stage cost, if it ran: one that was up to date cost nothing."""
    if not done.ran:
        return
    told = {} if done.cost is None else asdict(done.cost)
    run.log_metrics({COST_METRICS: {done.stage: {"seconds": done.seconds, **told}}})
    if done.cost is not None:
        run.set_tags({f"{DEVICE_TAG}.{done.stage}": done.cost.device})


def _log_origin(workspace: Workspace, run: TrackedRun, lineage: Lineage) -> None:
    """Log what `beholder reproduce` needs beside the inputs: where data, code and machine were."""
    run.log_json(read_batch_md5s(workspace), BATCH_MD5S)
    if (commit := find_code_commit()) is not None:
        run.set_tags({CODE_COMMIT_TAG: commit})
    if (machine := recall_machine(workspace, lineage.evaluation)) is not None:
        run.log_json(machine, MACHINE)
        run.set_tags({DEVICE_TAG: machine["device"]})


def register(workspace: Workspace, run: TrackedRun, lineage: Lineage) -> Version:
    """Log the bundles as a model of the run and register it, unless that was done before."""
    tags = lineage.to_tags()
    logged = log_bundles(run.store, run.run_id, workspace_bundles(workspace), tags)
    flat = {"lineage_id": lineage.lineage_id, "data_version": lineage.data_version}
    flat |= {"evaluation": lineage.evaluation, "served": lineage.served}
    return open_registry(workspace).register(logged, {**tags, LINEAGE_TAG: json.dumps(flat)})


def try_bento(workspace: Workspace, version: Version, bento: Path, params: Params) -> TrialReport:
    """Boot a version's Bento, ask it the golden questions, and note on the version how it did."""
    report = run_trial(bento, params.trial, limits=params.gate.limits)
    open_registry(workspace).mark_trial(version, TrialFacts.from_json(report.to_json()))
    return report


def compare_with_champion(
    workspace: Workspace, version: Version, champion: Version | None, params: Params
) -> Comparison:
    """Score the candidate, the champion and the ladder now, on the candidate's test rows."""
    bundles = fetch_bundles(workspace, version)
    comparison = compare(
        bundles.evaluation,
        None if champion is None else fetch_bundles(workspace, champion).evaluation,
        {rung.name: rung for rung in sorted(workspace.ladder.iterdir())},
        read_parquet(workspace.split / "test.parquet"),
        params.gate,
        served=bundles.served,
    )
    open_registry(workspace).annotate(
        version, COMPARISON_TAG, json.dumps(comparison.to_json(), sort_keys=True)
    )
    return comparison


def decide(
    workspace: Workspace,
    version: Version,
    champion: Version | None,
    comparison: Comparison,
    trial: TrialReport,
    params: Params,
) -> Verdict:
    """Let the gate judge, and write its verdict on the version."""
    verdict = judge(comparison, TrialFacts.from_json(trial.to_json()), params.gate)
    registry = open_registry(workspace)
    evidence = {
        "champion": None if champion is None else champion.number,
        "comparison": hash_json(comparison.to_json()),
        "trial": hash_json(trial.to_json()),
    }
    registry.annotate(version, TRIAL_REPORT_TAG, json.dumps(trial.to_json(), sort_keys=True))
    registry.mark(version, verdict, evidence)
    registry.annotate(version, JUDGEMENT_TAG, json.dumps(verdict.to_json(), sort_keys=True))
    # Last: a kill before it leaves a verdict that does not count as one beside this champion. One
    # that rests on time alone never counts: a machine that was busy says nothing for good.
    beside = describe_judgement(champion, params)
    registry.annotate(version, JUDGED_BESIDE_TAG, f"{beside}, again" if verdict.again else beside)
    return verdict


def promote(
    workspace: Workspace, version: Version, champion: Version | None, verdict: Verdict
) -> Version:
    """Make a version champion, if the champion still is the one that the gate saw.

    Raises ConflictError if it is not, or if somebody went back from the version or rejected it.
    """
    open_registry(workspace).promote(
        version,
        champion,
        reason="; ".join(("the gate passed it", *verdict.reasons)),
        evidence={"verdict": hash_json(verdict.to_json())},
    )
    return version


def log_decision(
    run: TrackedRun, comparison: Comparison, trial: TrialReport, verdict: Verdict
) -> None:
    """Log with the run what the gate read and what it said."""
    run.log_json(trial.to_json(), "decision/trial.json")
    run.log_metrics({"trial": trial.to_json()})
    run.log_json(comparison.to_json(), "decision/comparison.json")
    run.log_json(verdict.to_json(), "decision/verdict.json")
    run.set_tags({"beholder.verdict": verdict.decision})

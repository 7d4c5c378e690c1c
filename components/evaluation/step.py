"""The step `evaluate`: measures the evaluation bundle and the ladder on the test rows."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from components.errors import DataError
from components.evaluation.audit import audit_evaluation
from components.evaluation.calibration import calibrate
from components.evaluation.examples import draw_examples
from components.evaluation.lists import measure_lists
from components.evaluation.measurement import (
    Measurement,
    SliceMeasurement,
    Truth,
    finite_or_none,
    measure_slices,
)
from components.evaluation.pictures import Thumbnails
from components.evaluation.predictions import predict_prequential, predict_static, sample_users
from components.evaluation.report import Findings, render_report
from components.evaluation.response_time import time_lists
from components.files import read_parquet, write_bytes, write_json, write_parquet
from components.leakage import Audit
from components.models.bundle import Bundle, load_bundle, read_digest
from components.models.catalogue import Floats
from components.models.families import RUNGS
from components.models.predictor import Predictor
from components.params import Evaluate, Params
from components.paths import Workspace
from components.progress import track
from components.settings import Settings
from components.slices import slice_rows

CANDIDATE = "candidate"
_BINS = 10
_EXAMPLES = 4
_TIMED_USERS = 200

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Scored:
    """Every model's static ratings of the test rows by name, and the candidate's prequential."""

    static: dict[str, Floats]
    prequential_N: Floats
    sampled_N: np.ndarray


def evaluate(workspace: Workspace, params: Params, settings: Settings) -> None:
    """Write everything in reports/evaluation: audit, numbers, tables of the plots, and the page.

    Raises DataError if there is nothing to measure, or if the models may know the test.
    """
    test = read_parquet(workspace.split / "test.parquet")
    if test.empty:
        raise DataError(
            f"{workspace.split / 'test.parquet'} holds no rating, so there is nothing to measure; "
            "raise split.test_share in params.yaml"
        )
    predictors = {CANDIDATE: Predictor(load_bundle(workspace.evaluation_bundle))}
    predictors |= {rung: Predictor(load_bundle(workspace.ladder / rung)) for rung in RUNGS}
    log.info("evaluation started rows=%d models=%d", len(test), len(predictors))
    bundles = [predictor.bundle for predictor in predictors.values()]
    audit = audit_evaluation(workspace, params.split, test, bundles)
    scored = _score(predictors, test, params.evaluate)
    findings = _measure(workspace, predictors, scored, test, params, audit)
    _write(workspace, findings, scored, test)
    thumbnails = Thumbnails(
        workspace, predictors[CANDIDATE].bundle.catalogue, params.validation.max_image_megapixels
    )
    page = render_report(findings, predictors[CANDIDATE].bundle.catalogue, thumbnails)
    write_bytes(workspace.evaluation_report / "report.html", page.encode())
    _log_response_time(predictors[CANDIDATE], test, params.evaluate)
    log.info("evaluation ended rmse=%.4f", findings.candidate.rmse.value)


def _log_response_time(predictor: Predictor, test: pd.DataFrame, evaluate: Evaluate) -> None:
    users = test["user_id"].unique()[:_TIMED_USERS].tolist()
    took = time_lists(predictor, users, evaluate.k)
    log.info(
        "response time family=%s k=%d requests=%d median_ms=%.2f p99_ms=%.2f",
        *(predictor.bundle.family, evaluate.k, took.requests, took.median_ms, took.p99_ms),
    )


def _score(predictors: dict[str, Predictor], test: pd.DataFrame, evaluate: Evaluate) -> _Scored:
    static = {
        name: predict_static(predictor, test)
        for name, predictor in track(predictors.items(), "rating the test rows", len(predictors))
    }
    sampled_N = sample_users(test["user_id"], evaluate.sampled_users, evaluate.seed)
    part = test[sampled_N].reset_index(drop=True)
    return _Scored(static, predict_prequential(predictors[CANDIDATE], part), sampled_N)


def _measure(
    workspace: Workspace,
    predictors: dict[str, Predictor],
    scored: _Scored,
    test: pd.DataFrame,
    params: Params,
    audit: Audit,
) -> Findings:
    chosen, truth = params.evaluate, Truth.of(test)
    bundle = predictors[CANDIDATE].bundle
    listed = test[scored.sampled_N]
    measured = {}
    for name, predictor in track(predictors.items(), "ranking the catalogue", len(predictors)):
        lists = measure_lists(predictor, listed, k=chosen.k, relevant_from=chosen.relevant_from)
        shown = bundle.family if name == CANDIDATE else name
        measured[name] = Measurement.of(shown, truth, scored.static[name], chosen, lists)
    rungs = [measured[rung] for rung in RUNGS]
    best = min(rungs, key=lambda rung: rung.rmse.value).name
    ours_N = scored.static[CANDIDATE]
    slices = slice_rows(test, bundle)
    return Findings(
        candidate=measured[CANDIDATE],
        prequential=Measurement.of(
            "prequential", truth.only(scored.sampled_N), scored.prequential_N, chosen
        ),
        rungs=rungs,
        gain=truth.gain(ours_N, scored.static[best], chosen),
        slices=measure_slices(slices, truth, ours_N, scored.static["biases"], chosen),
        audit=audit,
        calibration=calibrate(truth.ratings_N, ours_N, _BINS),
        history=pd.read_csv(workspace.training_report / "history.csv"),
        examples=draw_examples(
            predictors[CANDIDATE],
            test,
            users=_EXAMPLES,
            relevant_from=chosen.relevant_from,
            seed=chosen.seed,
        ),
        facts=_describe(workspace, bundle, test, params, best),
    )


def _describe(
    workspace: Workspace, bundle: Bundle, test: pd.DataFrame, params: Params, best: str
) -> dict[str, Any]:
    return {
        "rows": len(test),
        "users": int(test["user_id"].nunique()),
        "scale": bundle.scale,
        "level": params.evaluate.level,
        "k": params.evaluate.k,
        "relevant_from": params.evaluate.relevant_from,
        "best_rung": best,
        "epochs": bundle.facts["epochs"],
        "provenance": {
            "Family": bundle.family,
            "Learnt from": f"{bundle.facts['rows']:,} ratings by {len(bundle.users):,} users",
            "Catalogue": f"{len(bundle.catalogue):,} items, "
            f"{int(bundle.catalogue.has_image_I.sum()):,} with an image",
            "Bundle": read_digest(workspace.evaluation_bundle),
        },
    }


def _write(workspace: Workspace, findings: Findings, scored: _Scored, test: pd.DataFrame) -> None:
    folder = workspace.evaluation_report
    write_json(folder / "metrics.json", _to_json(findings))
    predictions = test[["user_id", "item_id", "rating", "timestamp"]].assign(**scored.static)
    prequential = np.full(len(test), np.nan, np.float32)
    prequential[scored.sampled_N] = scored.prequential_N
    write_parquet(folder / "predictions.parquet", predictions.assign(prequential=prequential))
    models = [findings.candidate, *findings.rungs]
    ladder = pd.DataFrame(
        [(model.name, model.rmse.value, model.rmse.low, model.rmse.high) for model in models],
        columns=["model", "rmse", "rmse_low", "rmse_high"],
    ).sort_values(["rmse", "model"])
    slices = pd.DataFrame(
        [(s.name, s.rmse.value, s.rmse.low, s.rmse.high, s.rows) for s in findings.slices],
        columns=["slice", "rmse", "rmse_low", "rmse_high", "rows"],
    )
    tables = {"ladder": ladder, "slices": slices, "calibration": findings.calibration}
    for name, table in tables.items():
        content = table.to_csv(index=False, float_format="%.6f")
        write_bytes(folder / f"{name}.csv", content.encode())


def _to_json(findings: Findings) -> dict[str, Any]:
    return {
        "rows": findings.facts["rows"],
        "users": findings.facts["users"],
        "static": findings.candidate.to_json(),
        "prequential": findings.prequential.to_json(),
        "ladder": {rung.name: rung.to_json() for rung in findings.rungs},
        "slices": {part.name: _slice_json(part) for part in findings.slices},
    }


def _slice_json(part: SliceMeasurement) -> dict[str, float | None]:
    return {
        "rows": part.rows,
        "rmse": finite_or_none(part.rmse.value),
        "rmse_low": finite_or_none(part.rmse.low),
        "rmse_high": finite_or_none(part.rmse.high),
        "biases": finite_or_none(part.biases.value),
        "gain": finite_or_none(part.gain.value),
        "gain_low": finite_or_none(part.gain.low),
        "gain_high": finite_or_none(part.gain.high),
    }

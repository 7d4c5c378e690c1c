"""One line on what each stage made, read from its own report."""

from typing import Any

from components.errors import CorruptFileError
from components.files import read_json
from components.paths import Workspace


def read_note(workspace: Workspace, stage: str) -> str:
    """Return a stage's line for the terminal; raise CorruptFileError if its report is none."""
    path, describe = {
        "validate": (workspace.validation_report / "summary.json", _describe_validation),
        "split": (workspace.split_report, _describe_split),
        "embed": (workspace.embedding_report, _describe_embeddings),
        "train": (workspace.training_report / "training.json", _describe_training),
        "evaluate": (workspace.evaluation_report / "metrics.json", _describe_evaluation),
        "refit": (workspace.refit_report, _describe_refit),
    }[stage]
    try:
        report: dict[str, Any] = read_json(path)
        return describe(report)
    except (FileNotFoundError, KeyError, TypeError) as error:
        raise CorruptFileError(
            f"{path} is no report of '{stage}' ({error!r:.80}); run 'dvc repro {stage}'"
        ) from error


def _describe_validation(report: dict[str, Any]) -> str:
    parts = []
    for table in ("ratings", "items", "images"):
        counts = report[table]
        refused = f" ({counts['refused']:,} refused)" if counts["refused"] else ""
        parts.append(f"{counts['accepted']:,} {table}{refused}")
    return ", ".join(parts)


def _describe_split(report: dict[str, Any]) -> str:
    return f"{report['strategy']}: {report['train']:,} to learn from, {report['test']:,} to test on"


def _describe_embeddings(report: dict[str, Any]) -> str:
    return f"{report['images']:,} images by {report['encoder']['name']}"


def _describe_training(report: dict[str, Any]) -> str:
    return f"{report['family']}, {report['epochs']} epochs"


def _describe_evaluation(report: dict[str, Any]) -> str:
    static = report["static"]
    if static["rmse"] is None:
        return "RMSE is no finite number"
    return f"RMSE {static['rmse']:.4f} ({static['rmse_low']:.4f} to {static['rmse_high']:.4f})"


def _describe_refit(report: dict[str, Any]) -> str:
    return f"on all {report['rows']:,} ratings"

"""One line on what each stage made, read from its own report."""

from collections.abc import Callable
from typing import Any

from components.files import read_json
from components.paths import Workspace


def read_note(workspace: Workspace, stage: str) -> str:
    """Return a stage's line for the terminal."""
    path, describe = {
        "validate": (workspace.validation_report / "summary.json", _describe_validation),
        "split": (workspace.split_report, _describe_split),
        "embed": (workspace.embedding_report, _describe_embeddings),
        "train": (workspace.training_report / "training.json", _describe_training),
        "evaluate": (workspace.evaluation_report / "metrics.json", _describe_evaluation),
        "refit": (workspace.refit_report, _describe_refit),
    }[stage]
    report: dict[str, Any] = read_json(path)
    return describe(report)


_Describe = Callable[[dict[str, Any]], str]


def _describe_validation(report: dict[str, Any]) -> str:
    return str(report)


def _describe_split(report: dict[str, Any]) -> str:
    return str(report)


def _describe_embeddings(report: dict[str, Any]) -> str:
    return str(report)


def _describe_training(report: dict[str, Any]) -> str:
    return str(report)


def _describe_evaluation(report: dict[str, Any]) -> str:
    return str(report)


def _describe_refit(report: dict[str, Any]) -> str:
    return str(report)

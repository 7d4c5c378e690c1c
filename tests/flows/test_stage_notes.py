from pathlib import Path
from typing import Any

import pytest

from components.errors import CorruptFileError
from components.files import write_json
from components.paths import Workspace
from flows.pipeline import STAGES
from flows.stage_notes import read_note

TABLES = {
    "ratings": {"accepted": 12345, "refused": 6},
    "items": {"accepted": 70, "refused": 0},
    "images": {"accepted": 69, "refused": 1},
}
REPORTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "validate": (
        "validation/summary.json",
        TABLES,
        "12,345 ratings (6 refused), 70 items, 69 images (1 refused)",
    ),
    "split": (
        "split.json",
        {"strategy": "time", "train": 9000, "test": 1000},
        "time: 9,000 to learn from, 1,000 to test on",
    ),
    "embed": (
        "embeddings.json",
        {"images": 4000, "encoder": {"name": "lite0"}},
        "4,000 images by lite0",
    ),
    "train": ("training/training.json", {"family": "mf", "epochs": 7}, "mf, 7 epochs"),
    "evaluate": (
        "evaluation/metrics.json",
        {"static": {"rmse": 0.9, "rmse_low": 0.85, "rmse_high": 0.95}},
        "RMSE 0.9000 (0.8500 to 0.9500)",
    ),
    "refit": ("refit.json", {"rows": 10000}, "on all 10,000 ratings"),
}


def test_every_stage_has_a_note():
    assert REPORTS.keys() == set(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_note_says_what_the_report_says(tmp_path: Path, stage: str):
    name, report, note = REPORTS[stage]
    write_json(tmp_path / "reports" / name, report)
    assert read_note(Workspace(tmp_path), stage) == note


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
@pytest.mark.parametrize("stage", STAGES)
def test_report_that_is_none_is_named(tmp_path: Path, stage: str, content: str):
    path = tmp_path / "reports" / REPORTS[stage][0]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    with pytest.raises(CorruptFileError, match=path.name):
        read_note(Workspace(tmp_path), stage)


def test_report_that_is_missing_is_named(tmp_path: Path):
    with pytest.raises(CorruptFileError, match=r"refit\.json"):
        read_note(Workspace(tmp_path), "refit")


def test_rmse_that_is_no_number_is_said(tmp_path: Path):
    nothing = dict.fromkeys(("rmse", "rmse_low", "rmse_high"))
    write_json(tmp_path / "reports/evaluation/metrics.json", {"static": nothing})
    assert read_note(Workspace(tmp_path), "evaluate") == "RMSE is no finite number"

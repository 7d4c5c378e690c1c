"""MLflow's record of a comparison, and whether the last one was on the rows of now."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.contest.table import to_json
from components.errors import CorruptFileError
from components.files import hash_file, hash_json, read_json
from components.paths import Workspace
from components.settings import load_settings
from flows.data_versions import read_data_versions
from flows.tracking import TrackedRun, open_run, store_address

if TYPE_CHECKING:
    from components.contest.table import Contest

EXPERIMENT = "beholder compare"
_FILES = ("report.html", "table.csv", "comparison.json")
_TEXTS = ("family", "rival")


def log_contest(workspace: Workspace, contest: "Contest") -> None:
    """Log a comparison as a run of its own: every family's numbers, the page and the table."""
    content = to_json(contest)
    names = [place["family"] for place in content["places"]]
    tags = {"beholder.workspace": workspace.root.name, "beholder.families": ", ".join(names)}
    run = open_run(
        store_address(workspace, load_settings()),
        EXPERIMENT,
        f"compare by {contest.strategy}",
        tags,
        key=hash_json(content),
    )
    run.log_datasets(read_data_versions(workspace))
    run.log_metrics({place["family"]: _numbers(place) for place in content["places"]})
    for name in _FILES:
        run.log_file(workspace.comparison_report / name)
    run.end("FINISHED")


def attach_comparison(workspace: Workspace, run: TrackedRun) -> None:
    """Log the last comparison with a retraining's run, if it was on the very rows of now."""
    for path in find_comparison(workspace):
        run.log_file(path, "comparison")


def find_comparison(workspace: Workspace) -> tuple[Path, ...]:
    """Return the files of the last comparison if it was on the workspace's split of now."""
    folder = workspace.comparison_report
    try:
        inputs = read_json(folder / "comparison.json")["inputs"]
        now = {name: hash_file(workspace.split / f"{name}.parquet") for name in ("train", "test")}
    except (FileNotFoundError, CorruptFileError, KeyError):
        return ()
    if (inputs.get("ratings"), inputs.get("test")) != (now["train"], now["test"]):
        return ()
    return tuple(folder / name for name in _FILES if (folder / name).is_file())


def _numbers(place: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in place.items() if name not in _TEXTS}

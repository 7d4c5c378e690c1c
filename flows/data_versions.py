"""What DVC says the data of a workspace is: a path, its md5, and what it is used for."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components.batches import read_batches
from components.errors import CorruptFileError
from components.files import parse_yaml
from components.paths import Workspace

# Outputs of steps that are data: (path, name, context).
_OUTPUTS = (
    ("data/accepted", "ratings and items", "validation"),
    ("data/split", "split", "training"),
    ("data/embeddings", "embeddings", "training"),
)


@dataclass(frozen=True)
class DataVersion:
    """One piece of data under DVC: `path` from the workspace's root and DVC's md5 of it."""

    name: str
    path: str
    md5: str
    context: str


def read_data_versions(workspace: Workspace) -> tuple[DataVersion, ...]:
    """Return the outputs of steps that are data, and every batch that brought images.

    What no step has made yet is left out. Raises CorruptFileError for a file that is not DVC's.
    """
    return (*_read_outputs(workspace), *_read_image_batches(workspace))


def read_batch_md5s(workspace: Workspace) -> dict[str, str]:
    """Return DVC's md5 of every listed batch by its id: with it, a batch is found in any remote."""
    files = {batch.id: workspace.batches / f"{batch.id}.dvc" for batch in read_batches(workspace)}
    return {
        batch: str(_read(file, "outs")[0]["md5"]) for batch, file in files.items() if file.exists()
    }


def read_outputs(lock: Path) -> dict[str, str]:
    """Return DVC's md5 of everything that steps made, by path, as a dvc.lock has it."""
    return {
        out["path"]: out["md5"]
        for stage in _read(lock, "stages").values()
        for out in stage.get("outs", [])
        if "md5" in out
    }


def _read_outputs(workspace: Workspace) -> Iterator[DataVersion]:
    if not workspace.lock.exists():
        return
    found = read_outputs(workspace.lock)
    for path, name, context in _OUTPUTS:
        if path in found:
            yield DataVersion(name, path, found[path], context)


def _read_image_batches(workspace: Workspace) -> Iterator[DataVersion]:
    for batch in read_batches(workspace):
        file = workspace.batches / f"{batch.id}.dvc"
        if batch.images and file.exists():
            path = (workspace.batches / batch.id).relative_to(workspace.root).as_posix()
            md5 = _read(file, "outs")[0]["md5"]
            yield DataVersion(f"images {batch.id}", path, md5, "training")


def _read(path: Path, key: str) -> Any:
    try:
        return parse_yaml(path.read_text())[key]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise CorruptFileError(
            f"{path} is no file of DVC's ({error!r:.80}); 'git checkout {path}' restores it"
        ) from error

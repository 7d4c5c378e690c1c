"""All that a version was made from, as its run recorded it: what it takes to make it again."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.batches import Batch
from components.errors import WorkspaceError
from components.files import parse_yaml
from components.promotion.registry import Version
from flows.archive import Archive
from flows.data_versions import read_outputs
from flows.run_record import (
    CODE,
    CODE_COMMIT_TAG,
    MACHINE,
    PACKAGES,
    PARAMS,
    PIPELINE,
    PIPELINE_LOCK,
    RunFacts,
)
from flows.tracing import find_md5s


@dataclass(frozen=True)
class Recipe:
    """The recorded inputs of a version; None stands for what its run never recorded, or lost.

    `md5s` has DVC's md5 of each batch, `outputs` that of each step's outputs by path; `code` the
    digest of each step's source, `packages` the text of the package lock, `machine` where it was
    learnt.
    """

    version: Version
    batches: tuple[Batch, ...]
    md5s: Mapping[str, str]
    params: bytes
    pipeline: bytes
    outputs: Mapping[str, str] | None
    code: Mapping[str, str] | None
    commit: str | None
    packages: str | None
    machine: Mapping[str, Any] | None


def read_recipe(archive: Archive, version: Version) -> Recipe:
    """Return what a version was made from; raise WorkspaceError naming what is lost of it."""
    run = archive.run(version)
    if run is None:
        raise _refuse(version, f"its MLflow run {version.run_id or '(none)'} is gone")
    files = archive.files(version)
    batches = archive.batches(version)
    if batches is None:
        raise _refuse(version, f"its run {run.run_id} has no list of batches any more")
    md5s = find_md5s(archive, version)
    unknown = [batch.id for batch in batches if batch.id not in md5s]
    if unknown:
        raise _refuse(
            version,
            f"nothing tells DVC's md5 of batch {unknown[0]}; if git has it, "
            f"'git checkout REVISION data/raw/batches/{unknown[0]}.dvc' brings it back",
        )
    lock, packages = files.find(PIPELINE_LOCK), files.find(PACKAGES)
    return Recipe(
        version=version,
        batches=batches,
        md5s={batch.id: md5s[batch.id] for batch in batches},
        params=_require(archive, version, run, PARAMS),
        pipeline=_require(archive, version, run, PIPELINE),
        outputs=None if lock is None else read_outputs(lock),
        code=_read_code(files.find(CODE)),
        commit=run.tags.get(CODE_COMMIT_TAG),
        packages=None if packages is None else packages.read_text(),
        machine=files.read_json(MACHINE),
    )


def _require(archive: Archive, version: Version, run: RunFacts, path: str) -> bytes:
    found = archive.files(version).find(path)
    if found is None:
        raise _refuse(version, f"its run {run.run_id} has no artifact {path} any more")
    return found.read_bytes()


def _read_code(path: Path | None) -> dict[str, str] | None:
    content = None if path is None else parse_yaml(path.read_text())
    return {str(step): str(digest) for step, digest in content.items()} if content else None


def _refuse(version: Version, why: str) -> WorkspaceError:
    return WorkspaceError(
        f"version {version.number} cannot be reproduced: {why}; "
        f"'beholder trace {version.number}' shows what is left of it"
    )

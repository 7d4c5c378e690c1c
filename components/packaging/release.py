"""release.json: what a Bento holds, byte for byte, and which model and lineage it answers with.

It lies in the Bento's `src/`, beside the service's code, and names every file of the Bento but
itself, relative to the Bento's root. Python's caches (`__pycache__`) are no part of it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from components.errors import CorruptFileError
from components.files import find_difference, hash_file, hash_json, read_json, write_json
from components.retrieval.statement import Statement

# Before format 3 every list was found exactly.
FORMAT, EXACT_FORMAT = 3, 2
SOURCES = "src"
RELEASE = f"{SOURCES}/release.json"
BUNDLE = f"{SOURCES}/bundle"
INDEX = f"{SOURCES}/index"
LINEAGE = f"{SOURCES}/lineage.json"
DESCRIPTION = "bento.yaml"


@dataclass(frozen=True)
class ReleaseManifest:
    """What the release says of itself.

    `version` is the registered model's, `digest` the served bundle's, `recipe` the hash of all
    that went in, `runtime` that of the service's code, packages and Python alone: releases that
    share it can follow one another in a running process. `content` is the hash of all files but
    BentoML's own description, which holds the time of the build. `tolerance` (rating points) is
    how far golden answers may lie off. `retrieval` says how lists are found, and how well.
    """

    name: str
    version: str
    lineage_id: str
    family: str
    digest: str
    recipe: str
    runtime: str
    tolerance: float
    content: str
    files: dict[str, str]
    retrieval: Statement = field(default_factory=Statement)


def list_files(bento: Path, below: str = "", leave_out: Sequence[str] = ()) -> dict[str, str]:
    """Return {path from the Bento's root: sha256} of the files that the manifest should name.

    `below` is the folder to look in, `leave_out` names folders that are not even hashed.
    """
    names = {
        path.relative_to(bento).as_posix(): path
        for path in sorted((bento / below).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    skipped = tuple(f"{folder}/" for folder in leave_out)
    return {
        name: hash_file(path)
        for name, path in names.items()
        if name != RELEASE and not name.startswith(skipped)
    }


def hash_content(files: dict[str, str]) -> str:
    """Return the hash of all files but BentoML's description: the same inputs, the same hash."""
    return hash_json({name: sha for name, sha in files.items() if name != DESCRIPTION})


def write_release(bento: Path, manifest: ReleaseManifest) -> None:
    """Write the manifest into a Bento."""
    write_json(bento / RELEASE, {"format": FORMAT, **asdict(manifest)})


def read_release(bento: Path) -> ReleaseManifest:
    """Read the manifest of a Bento; raise CorruptFileError if there is none that fits."""
    if not (bento / RELEASE).is_file():
        raise CorruptFileError(f"{bento} is no Beholder release: it holds no {RELEASE}")
    content = read_json(bento / RELEASE)
    try:
        written = content.pop("format")
        if written not in (FORMAT, EXACT_FORMAT):
            raise CorruptFileError(f"{bento / RELEASE} has a format that this version cannot read")
        if written == FORMAT:
            content["retrieval"] = Statement.from_json(content["retrieval"])
        return ReleaseManifest(**content)
    except (AttributeError, KeyError, TypeError) as error:
        raise CorruptFileError(f"{bento / RELEASE} is no release manifest: {error}") from error


def verify_release(
    bento: Path, *, below: str = "", leave_out: Sequence[str] = ()
) -> ReleaseManifest:
    """Re-hash the files below a folder of a Bento against its manifest, and return that.

    `leave_out` names folders that the caller verifies by another way. Raises CorruptFileError
    naming the first file that is missing, changed or not listed.
    """
    manifest = read_release(bento)
    listed = _narrow(manifest.files, below, leave_out)
    if difference := find_difference(listed, list_files(bento, below, leave_out)):
        raise CorruptFileError(f"release {bento}: {difference}; package it again")
    if not below and hash_content(manifest.files) != manifest.content:
        raise CorruptFileError(f"release {bento}: its manifest is changed; package it again")
    return manifest


def _narrow(files: dict[str, str], below: str, leave_out: Sequence[str]) -> dict[str, str]:
    prefix = f"{below}/" if below else ""
    skipped = tuple(f"{folder}/" for folder in leave_out)
    return {
        name: sha
        for name, sha in files.items()
        if name.startswith(prefix) and not name.startswith(skipped)
    }

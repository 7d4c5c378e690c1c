"""From a verified served bundle to a finished Bento in a folder, whole or not at all."""

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from components.child import interpreter_first, supervised
from components.errors import BeholderError, CorruptFileError
from components.files import hash_file, hash_json, read_json, write_bytes, write_folder, write_json
from components.models.bundle import MANIFEST, verify_bundle
from components.packaging.dependencies import export_requirements, find_lock
from components.packaging.release import (
    BUNDLE,
    INDEX,
    LINEAGE,
    SOURCES,
    ReleaseManifest,
    hash_content,
    list_files,
    read_release,
    verify_release,
    write_release,
)
from components.packaging.sources import find_sources
from components.params import Retrieval
from components.retrieval.making import choose, count_items, make_indexes
from components.retrieval.statement import Statement
from components.settings import TELEMETRY_OFF

NAME = "beholder"
SERVICE = "serving.service"
VARIABLE = "Beholder"

_BUILD_SECONDS = 300
_VERSION_DIGITS = 16

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """All that goes into a Bento: what is equal here is equal in the Bento's content."""

    served: Path
    digest: str
    family: str
    lineage: dict[str, str]
    sources: dict[str, Path]
    requirements: list[str]
    tolerance: float
    retrieval: Retrieval | None

    @property
    def python(self) -> str:
        """The Python that the Bento is made for."""
        return f"{sys.version_info.major}.{sys.version_info.minor}"

    @cached_property
    def runtime(self) -> str:
        """The hash of what runs, whatever it answers from; the source files by their bytes."""
        return hash_json(
            {
                "sources": {name: hash_file(path) for name, path in self.sources.items()},
                "requirements": self.requirements,
                "python": self.python,
            }
        )

    def digest_all(self) -> str:
        """Return the hash of everything."""
        return hash_json(
            {
                "digest": self.digest,
                "lineage": self.lineage,
                "runtime": self.runtime,
                "tolerance": self.tolerance,
                "retrieval": self._indexed(),
            }
        )

    def _indexed(self) -> dict[str, Any] | None:
        """Return the parameters of the indexes, None where every list is found exactly."""
        if self.retrieval is None or not choose(count_items(self.served), self.retrieval):
            return None
        return self.retrieval.model_dump(mode="json")


def package(
    served: Path,
    lineage: Mapping[str, str],
    target: Path,
    *,
    tolerance: float,
    retrieval: Retrieval | None = None,
) -> str:
    """Build the Bento of a served bundle in the folder `target`, and return its tag.

    `lineage` says where the bundle comes from; it must hold `version` (the registered model's) and
    `lineage_id`. `tolerance` (rating points) is how far golden answers may lie off when the
    endpoint checks itself. `retrieval` says from which size on a catalogue gets an index;
    without, every list is found exactly. Where `target` holds this very Bento already, nothing is
    done; another one is replaced. Raises CorruptFileError if the bundle is not as it was written.
    """
    recipe = _collect(served, lineage, tolerance, retrieval)
    digest = recipe.digest_all()
    tag = f"{NAME}:{digest[:_VERSION_DIGITS]}"
    if _holds(target, digest):
        log.info("bento unchanged tag=%s target=%s", tag, target)
        return tag
    with write_folder(target) as folder:
        scratch = folder / ".build"
        stated = _stage(recipe, scratch / "stage")
        built = _build(scratch, tag)
        for path in sorted(built.iterdir()):
            path.rename(folder / path.name)
        shutil.rmtree(scratch)
        files = list_files(folder)
        write_release(
            folder,
            ReleaseManifest(
                name=NAME,
                version=recipe.lineage["version"],
                lineage_id=recipe.lineage["lineage_id"],
                family=recipe.family,
                digest=recipe.digest,
                recipe=digest,
                runtime=recipe.runtime,
                tolerance=tolerance,
                content=hash_content(files),
                files=files,
                retrieval=stated,
            ),
        )
    log.info("bento built tag=%s target=%s files=%s", tag, target, len(files))
    return tag


def _collect(
    served: Path, lineage: Mapping[str, str], tolerance: float, retrieval: Retrieval | None
) -> Recipe:
    for key in ("version", "lineage_id"):
        if not lineage.get(key):
            raise BeholderError(f"the lineage of {served} holds no {key!r}: {dict(lineage)}")
    digest = verify_bundle(served)
    for part in ("encoder", "golden"):
        if not (served / part).is_dir():
            raise BeholderError(
                f"bundle {served} holds no {part}/, so it is none to be served; "
                "package models/served, which 'refit' makes"
            )
    return Recipe(
        served=served,
        digest=digest,
        family=read_json(served / MANIFEST)["family"],
        lineage=dict(lineage),
        sources=find_sources(SERVICE),
        requirements=export_requirements(find_lock()),
        tolerance=tolerance,
        retrieval=retrieval,
    )


def _holds(target: Path, recipe: str) -> bool:
    """Whether a whole Bento of this recipe stands there; a damaged one is built anew, and said."""
    if not target.exists():
        return False
    try:
        if read_release(target).recipe != recipe:
            return False
        verify_release(target)
    except CorruptFileError as error:
        log.warning("bento damaged, building it anew reason=%s", error)
        return False
    return True


def _stage(recipe: Recipe, stage: Path) -> Statement:
    """Lay out all that the Bento's `src/` shall hold, and the bentofile that lists it.

    Returns how the lists of what is laid out are found.
    """
    for name, source in recipe.sources.items():
        _link(source, stage / name)
    bundle = Path(BUNDLE).relative_to(SOURCES)
    for source in sorted(path for path in recipe.served.rglob("*") if path.is_file()):
        _link(source, stage / bundle / source.relative_to(recipe.served))
    write_json(stage / Path(LINEAGE).relative_to(SOURCES), recipe.lineage)
    stated = make_indexes(recipe.served, recipe.retrieval, stage / Path(INDEX).relative_to(SOURCES))
    included = sorted(
        f"/{path.relative_to(stage).as_posix()}" for path in stage.rglob("*") if path.is_file()
    )
    text = yaml.safe_dump(_describe(recipe, included), sort_keys=True)
    write_bytes(stage / "bentofile.yaml", text.encode())
    return stated


def _describe(recipe: Recipe, included: list[str]) -> dict[str, Any]:
    lineage = recipe.lineage
    return {
        "service": f"{SERVICE}:{VARIABLE}",
        "name": NAME,
        "description": (
            f"# Beholder, version {lineage['version']}\n\n"
            f"A visual recommender of the family {recipe.family}, lineage {lineage['lineage_id']}, "
            f"bundle {recipe.digest}.\n`src/release.json` names every file with its sha256.\n"
        ),
        "labels": {
            "version": lineage["version"],
            "lineage_id": lineage["lineage_id"],
            "family": recipe.family,
            "digest": recipe.digest,
        },
        "include": included,
        "python": {
            # BentoML adds the line of its own version itself. It reads no requirements file whose
            # path has a part that begins with a dot, as a workspace's has; hence the list.
            "packages": [line for line in recipe.requirements if not line.startswith("bentoml==")],
            "lock_packages": False,
        },
        "docker": {"python_version": recipe.python},
    }


def _build(scratch: Path, tag: str) -> Path:
    """Let BentoML build the stage into a store of its own, and return the finished folder.

    A process of its own, because BentoML imports the service from the stage, and keeps its
    configuration and its store for as long as a process lives.
    """
    name, version = tag.split(":")
    home = scratch / "home"
    command = [
        *(sys.executable, "-m", "bentoml", "build", "--version", version),
        *("-f", "bentofile.yaml", "--output", "tag", "."),
    ]
    try:
        result = subprocess.run(
            supervised(command),
            cwd=scratch / "stage",
            env={
                **os.environ,
                **TELEMETRY_OFF,
                "BENTOML_HOME": str(home),
                "PATH": interpreter_first(),
                "PYTHONSAFEPATH": "1",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            capture_output=True,
            text=True,
            timeout=_BUILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BeholderError(
            f"BentoML did not build {tag} in {_BUILD_SECONDS} s: the machine is too busy; try again"
        ) from error
    built = home / "bentos" / name / version
    if result.returncode != 0 or not built.is_dir():
        end = "\n".join((result.stdout + result.stderr).splitlines()[-15:])
        raise BeholderError(f"BentoML could not build {tag}; its output ends:\n{end}")
    return built


def _link(source: Path, target: Path) -> None:
    """Make a file appear at `target` without a copy where the file system can."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)

"""From a registered version to what answers on this machine: its bundles and its Bento."""

import json
import logging
from contextlib import AbstractContextManager
from pathlib import Path

from components.errors import CorruptFileError, WorkspaceError
from components.locking import hold_lock
from components.models.bundle import load_bundle, read_digest
from components.models.overlay import read_overlay
from components.models.predictor import Predictor
from components.packaging.bento import package
from components.packaging.release import verify_release
from components.params import load_params
from components.paths import Workspace
from components.promotion.artifacts import Bundles
from components.promotion.registry import Registry, Version
from components.settings import load_settings
from flows.overlays import find_overlay
from flows.tracking import store_address

LINEAGE_TAG = "beholder.lineage"
COMPARISON_TAG = "beholder.comparison"
JUDGEMENT_TAG = (
    "beholder.judgement"  # the whole verdict.json; the registry's own tags are for people
)

log = logging.getLogger(__name__)


def open_registry(workspace: Workspace) -> Registry:
    """Return the registry that this workspace's versions go to."""
    settings = load_settings()
    return Registry(store_address(workspace, settings), settings.model_name)


def find_champion(workspace: Workspace) -> Version | None:
    """Return the version in service, None before the first."""
    return open_registry(workspace).champion()


def require_champion(workspace: Workspace) -> Version:
    """Return the version in service; raise WorkspaceError naming the next command if none is."""
    champion = find_champion(workspace)
    if champion is None:
        raise WorkspaceError(
            f"{workspace.root} has no champion yet; run 'beholder retrain' to train one"
        )
    return champion


def fetch_bundles(workspace: Workspace, version: Version) -> Bundles:
    """Return a version's bundles on this disk, fetched from the registry unless they are here."""
    return open_registry(workspace).download(version, version_folder(workspace, version))


def version_folder(workspace: Workspace, version: Version) -> Path:
    """Return where a version's bundles are kept on this disk."""
    return workspace.state / "versions" / str(version.number)


def fetch_bento(workspace: Workspace, version: Version) -> Path:
    """Return the folder of a version's Bento, whole: the one that stands here, else packaged anew.

    What stands here is what was tried, whatever has become of the code since.
    """
    target = bento_folder(workspace, version)
    with _hold_version(workspace, version):
        if not _holds(target, version):
            _package(workspace, version, target)
    return target


def has_tried_bento(workspace: Workspace, version: Version) -> bool:
    """Say whether a version's Bento stands here, whole: then it is the one that was tried."""
    return _holds(bento_folder(workspace, version), version)


def package_bento(workspace: Workspace, version: Version) -> Path:
    """Return the folder of a version's Bento, packaged by the code and parameters of now.

    It must be tried before it answers anybody.
    """
    target = bento_folder(workspace, version)
    with _hold_version(workspace, version):
        _package(workspace, version, target)
    return target


def bento_folder(workspace: Workspace, version: Version) -> Path:
    """Return where a version's Bento stands, if it does."""
    return workspace.bentos / str(version.number)


def _package(workspace: Workspace, version: Version, target: Path) -> None:
    bundles = fetch_bundles(workspace, version)
    params = load_params(workspace.params)
    package(
        bundles.served,
        _read_lineage(version),
        target,
        tolerance=params.trial.tolerance,
        retrieval=params.retrieval,
    )


def _read_lineage(version: Version) -> dict[str, str]:
    return {**json.loads(version.tags[LINEAGE_TAG]), "version": str(version.number)}


def _holds(bento: Path, version: Version) -> bool:
    lineage = _read_lineage(version)
    try:
        manifest = verify_release(bento)
    except CorruptFileError as error:
        if bento.exists():
            log.warning("bento damaged, packaging it anew reason=%s", error)
        return False
    told = (manifest.version, manifest.lineage_id, manifest.digest)
    return told == (lineage["version"], lineage["lineage_id"], lineage["served"])


def _hold_version(workspace: Workspace, version: Version) -> AbstractContextManager[None]:
    """Keep two processes from fetching and packaging one version at once."""
    path = workspace.run / f"version-{version.number}.lock"
    return hold_lock(path, wait_seconds=300, what=f"version {version.number}")


def open_champion(workspace: Workspace) -> tuple[Version, Predictor]:
    """Return the version in service and a predictor that answers as an endpoint would."""
    version = require_champion(workspace)
    served = fetch_bundles(workspace, version).served
    found = find_overlay(workspace, served, _read_lineage(version).get("data_version"))
    bundle = load_bundle(served)
    if found is None:
        return version, Predictor(bundle)
    folder, digest = found
    return version, Predictor(bundle, read_overlay(folder, read_digest(served), digest))

"""From a registered version to what answers on this machine: its bundles and its Bento."""

import json
from pathlib import Path

from components.errors import WorkspaceError
from components.models.bundle import load_bundle
from components.models.predictor import Predictor
from components.packaging.bento import package
from components.params import load_params
from components.paths import Workspace
from components.promotion.artifacts import Bundles
from components.promotion.registry import Registry, Version
from components.settings import load_settings
from flows.tracking import store_address

LINEAGE_TAG = "beholder.lineage"
COMPARISON_TAG = "beholder.comparison"
JUDGEMENT_TAG = (
    "beholder.judgement"  # the whole verdict.json; the registry's own tags are for people
)


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
    """Return the folder of a version's Bento, packaged unless it stands here whole."""
    target = workspace.bentos / str(version.number)
    bundles = fetch_bundles(workspace, version)
    lineage = {**json.loads(version.tags[LINEAGE_TAG]), "version": str(version.number)}
    tolerance = load_params(workspace.params).trial.tolerance
    package(bundles.served, lineage, target, tolerance=tolerance)
    return target


def open_champion(workspace: Workspace) -> tuple[Version, Predictor]:
    """Return the version in service and a predictor over the bundle that it serves."""
    version = require_champion(workspace)
    return version, Predictor(load_bundle(fetch_bundles(workspace, version).served))

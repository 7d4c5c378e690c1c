"""Lineage: exactly what a bundle was learnt from, and the short id that every answer carries."""

import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from components.batches import data_version, read_batches
from components.data.workspace import find_template
from components.errors import CorruptFileError, WorkspaceError
from components.files import hash_file, hash_json, parse_yaml
from components.models.bundle import MANIFEST, read_digest
from components.params import WATCHING, Params
from components.paths import Workspace

ID_LENGTH = 16
PACKAGE_LOCK = "requirements.lock"

# The steps, and the sections of params.yaml, without which the bundles would not be what they
# are. Evaluation, trial and gate judge a bundle and leave it as it is.
LEARNING_STEPS = ("validate", "split", "embed", "train", "refit")
_JUDGING_SECTIONS = {"evaluate", "trial", "gate", "review", *WATCHING}


@dataclass(frozen=True)
class Lineage:
    """Digests of all that a version was learnt from, and of what came out.

    `params` covers the sections that determine the bundles, `code` has one digest a step,
    `packages` is the package lock's, `evaluation` and `served` are the bundles'.
    """

    data_version: str
    params: str
    code: Mapping[str, str]
    packages: str
    evaluation: str
    served: str
    pipeline_lock: str
    git_commit: str | None

    @property
    def lineage_id(self) -> str:
        """The first 16 hex digits of the hash of what determines the result, and the result.

        Neither the git commit is in it nor dvc.lock: both also change with what is only reported.
        """
        return hash_json(
            {
                "data_version": self.data_version,
                "params": self.params,
                "code": {step: self.code[step] for step in LEARNING_STEPS},
                "packages": self.packages,
                "evaluation": self.evaluation,
                "served": self.served,
            }
        )[:ID_LENGTH]

    def to_json(self) -> dict[str, Any]:
        """Return lineage.json."""
        return {"lineage_id": self.lineage_id, **asdict(self)}

    def to_tags(self) -> dict[str, str]:
        """Return the tags by which a run, a model or a version is found again."""
        tags = {
            "beholder.lineage_id": self.lineage_id,
            "beholder.data_version": self.data_version,
            "beholder.params": self.params,
            "beholder.code": hash_json(dict(self.code)),
            "beholder.packages": self.packages,
            "beholder.evaluation": self.evaluation,
            "beholder.served": self.served,
            "beholder.dvc_lock": self.pipeline_lock,
        }
        if self.git_commit is not None:
            tags["mlflow.source.git.commit"] = self.git_commit  # the name that MLflow's UI knows
        return tags


def read_lineage(workspace: Workspace, params: Params) -> Lineage:
    """Read the lineage of the bundles that stand in a workspace.

    Raises WorkspaceError if a step has not run yet, CorruptFileError if a file is not what it
    should be.
    """
    return Lineage(
        data_version=data_version(read_batches(workspace)),
        params=digest_learning_params(params),
        code=read_code(workspace),
        packages=hash_file(find_package_lock()),
        evaluation=_read_bundle(workspace.evaluation_bundle),
        served=_read_bundle(workspace.served_bundle),
        pipeline_lock=hash_file(_existing(workspace.lock)),
        git_commit=find_commit(workspace.root),
    )


def digest_learning_params(params: Params) -> str:
    """Return the hash of the sections of params.yaml that determine the bundles."""
    return hash_json(params.model_dump(mode="json", exclude=_JUDGING_SECTIONS))


def read_code(workspace: Workspace) -> dict[str, str]:
    """Return code.yaml: one digest a step; raise CorruptFileError if a step is missing in it."""
    try:
        code = parse_yaml(_existing(workspace.code).read_text())
    except yaml.YAMLError as error:
        raise CorruptFileError(f"{workspace.code} is not valid YAML: {error}") from error
    missing = [step for step in LEARNING_STEPS if not isinstance(code, dict) or step not in code]
    if missing:
        raise CorruptFileError(
            f"{workspace.code} has no digest of {missing[0]!r}; 'beholder status' writes it anew"
        )
    return {str(step): str(digest) for step, digest in code.items()}


def find_package_lock() -> Path:
    """Return the lock file of the packages that Beholder is installed with."""
    return _existing(find_template() / PACKAGE_LOCK)


def find_commit(folder: Path) -> str | None:
    """Return the git commit that `folder` stands on; None outside git or before the first."""
    try:
        found = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "--verify", "--quiet", "HEAD"],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    except FileNotFoundError:  # no git on this machine
        return None
    return found.stdout.strip() or None


def _read_bundle(folder: Path) -> str:
    return read_digest(_existing(folder / MANIFEST).parent)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise WorkspaceError(f"{path} is missing; run 'beholder retrain'")
    return path

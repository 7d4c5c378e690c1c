"""What a version's MLflow run keeps of how it was made, read back: inputs, costs, lineage."""

import json
import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from components.batches import Batch
from components.files import parse_yaml
from components.promotion.store import Store
from components.review.changes import Inputs, read_packages
from components.review.content import StageCost
from flows.candidate import COST_METRICS
from flows.lineage import PACKAGE_LOCK
from flows.pipeline import STAGES
from flows.run_record import DEVICE_TAG
from flows.tracking import TrackedRun, flatten

_INPUTS = "inputs"
_LINEAGE = "lineage.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunRecord:
    """A run's small files by name, its metrics and tags; `run` is None where it is gone."""

    run: TrackedRun | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def inputs(self) -> Inputs:
        """What the version was made of; what is not kept, or cannot be read, is None."""
        return Inputs(
            batches=self._read("batches.json", _read_batches),
            params=self._read("params.yaml", lambda text: flatten(parse_yaml(text))),
            code=self._read("code.yaml", lambda text: flatten(parse_yaml(text))),
            packages=self._read(PACKAGE_LOCK, read_packages),
            outputs=self._read("dvc.lock", _read_outputs),
            commit=self.lineage.get("git_commit"),
        )

    @property
    def lineage(self) -> Mapping[str, Any]:
        """lineage.json; empty where it is not kept."""
        return self._read(_LINEAGE, lambda text: dict(json.loads(text))) or {}

    @property
    def costs(self) -> tuple[StageCost, ...]:
        """What each stage cost, those that were up to date without a number."""
        return tuple(
            StageCost(
                stage,
                seconds=self._cost(stage, "seconds"),
                memory_mb=self._cost(stage, "memory_mb"),
                device=self.tags.get(f"{DEVICE_TAG}.{stage}"),
                device_memory_mb=self._cost(stage, "device_memory_mb"),
            )
            for stage in STAGES
        )

    def _cost(self, stage: str, name: str) -> float | None:
        return self.metrics.get(f"{COST_METRICS}/{stage}/{name}")

    def _read(self, name: str, parse: Any) -> Any:
        if name not in self.texts:
            return None
        try:
            return parse(self.texts[name])
        except (ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError) as error:
            # An old run's damaged file must not stand in the way of a new version.
            log.warning("file of a run cannot be read name=%s why=%.80r", name, error)
            return None


def read_run(store: Store, run_id: str) -> RunRecord:
    """Read what a run keeps; an empty record of one that is gone or deleted."""
    found = store.find("read a run", lambda client: client.get_run(run_id))
    if found is None or found.info.lifecycle_stage != "active":
        log.warning("run of a version is gone run_id=%s", run_id)
        return RunRecord()
    texts = _read_texts(store, run_id)
    return RunRecord(TrackedRun(store, found), texts, found.data.metrics, found.data.tags)


def _read_texts(store: Store, run_id: str) -> dict[str, str]:
    """Return the files of the inputs, and the lineage, by their names."""

    def fetch(client: Any) -> dict[str, str]:
        kept = {artifact.path for artifact in client.list_artifacts(run_id)}
        with tempfile.TemporaryDirectory(prefix="beholder-") as folder:
            for path in sorted(kept & {_INPUTS, _LINEAGE}):
                client.download_artifacts(run_id, path, folder)
            found = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
            return {path.name: path.read_text(errors="replace") for path in found}

    return store.ask("read what a run was made of", fetch)


def _read_batches(text: str) -> tuple[Batch, ...]:
    return tuple(Batch(**line) for line in json.loads(text)["batches"])


def _read_outputs(text: str) -> dict[str, dict[str, str]]:
    stages = parse_yaml(text)["stages"]
    return {
        stage: {out["path"]: out["md5"] for out in stages[stage].get("outs", ())}
        for stage in STAGES
        if stage in stages
    }

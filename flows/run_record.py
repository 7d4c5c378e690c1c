"""What a retraining's MLflow run remembers: its facts, and the files that were logged with it."""

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.errors import CorruptFileError
from components.files import read_json
from components.promotion.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run

CODE_COMMIT_TAG = "beholder.code_commit"
DEVICE_TAG = "beholder.device"

# Where the artifacts of a run lie.
BATCHES = "inputs/batches.json"
BATCH_MD5S = "inputs/batch_md5s.json"
PARAMS = "inputs/params.yaml"
PIPELINE = "inputs/dvc.yaml"
PIPELINE_LOCK = "inputs/dvc.lock"
CODE = "inputs/code.yaml"
PACKAGES = "inputs/requirements.lock"
MACHINE = "training/machine.json"
SUMMARY = "validation/summary.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunFacts:
    """One run as MLflow has it; times are milliseconds since 1970, `datasets` DVC's md5 by name."""

    run_id: str
    name: str
    status: str
    is_deleted: bool
    started: int
    ended: int | None
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    datasets: Mapping[str, str]


@dataclass
class RunFiles:
    """The artifacts of one run, each fetched once into a folder of the reader's own."""

    store: Store
    run_id: str
    folder: Path
    _listed: dict[str, frozenset[str]] = field(default_factory=dict)

    def find(self, path: str) -> Path | None:
        """Return a file of the run on this disk; None if the run has no such artifact."""
        target = self.folder / path
        if target.is_file():
            return target
        if path not in self._list(path.rpartition("/")[0]):
            return None
        from mlflow.artifacts import download_artifacts

        # MLflow keeps the path below `dst_path`, or only the file's name, by the kind of store.
        fetched = self.folder / f".{path.replace('/', '-')}"
        fetched.mkdir(parents=True, exist_ok=True)
        try:
            found = self.store.ask(
                f"fetch {path} of run {self.run_id}",
                lambda _: download_artifacts(
                    run_id=self.run_id,
                    artifact_path=path,
                    dst_path=str(fetched),
                    tracking_uri=self.store.uri,
                ),
            )
            target.parent.mkdir(parents=True, exist_ok=True)
            Path(found).rename(target)
        except OSError as error:  # a folder of artifacts that somebody took away
            log.warning("artifact gone run_id=%s path=%s why=%s", self.run_id, path, error)
            return None
        return target

    def read_json(self, path: str) -> Any:
        """Return what a JSON artifact holds; None if the run has none, or one that is broken."""
        found = self.find(path)
        try:
            return None if found is None else read_json(found)
        except CorruptFileError as error:
            log.warning("artifact broken run_id=%s why=%s", self.run_id, error)
            return None

    def _list(self, folder: str) -> frozenset[str]:
        if folder not in self._listed:
            found = self.store.find(
                f"list the artifacts of run {self.run_id}",
                lambda client: client.list_artifacts(self.run_id, folder),
            )
            self._listed[folder] = frozenset(item.path for item in found or ())
        return self._listed[folder]


def find_run(store: Store, run_id: str) -> RunFacts | None:
    """Return a run, one in MLflow's bin too; None if there is none of that id."""
    run = store.find(f"find run {run_id}", lambda client: client.get_run(run_id))
    return None if run is None else _read(run)


@contextmanager
def open_files(store: Store, run_id: str) -> Iterator[RunFiles]:
    """Yield a run's artifacts; what was fetched of them is gone after the block."""
    with tempfile.TemporaryDirectory(prefix="beholder-") as folder:
        yield RunFiles(store, run_id, Path(folder))


def _read(run: "Run") -> RunFacts:
    info, data = run.info, run.data
    used = run.inputs.dataset_inputs if run.inputs else ()
    return RunFacts(
        run_id=info.run_id,
        name=info.run_name or "",
        status=info.status,
        is_deleted=info.lifecycle_stage == "deleted",
        started=info.start_time,
        ended=info.end_time,
        params=dict(data.params),
        metrics=dict(data.metrics),
        tags=dict(data.tags),
        datasets={item.dataset.name: item.dataset.digest for item in used},
    )

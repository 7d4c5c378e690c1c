"""MLflow's record of one retraining: a run that goes on after a kill; no Prefect in here."""

import logging
import re
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from components.errors import BeholderError, ServiceError
from components.params import WATCHING, Params
from components.paths import Workspace
from components.promotion.store import Store
from components.settings import Settings
from flows.data_versions import DataVersion
from flows.history import HistoryFile, Point, read_table, refuse_non_finite
from flows.lineage import find_package_lock

if TYPE_CHECKING:
    from mlflow.entities import Run

End = Literal["FINISHED", "FAILED", "KILLED"]
T = TypeVar("T")

KEY_TAG = "beholder.key"

_METRICS_AT_ONCE = 1000
_PARAMS_AT_ONCE = 100
_POLL_SECONDS = 1.0
_FORBIDDEN_IN_NAMES = re.compile(r"[^\w\-. :/]")

log = logging.getLogger(__name__)


def store_address(workspace: Workspace, settings: Settings) -> str:
    """Return where runs and versions are kept: the server that was named, else a local SQLite."""
    return settings.mlflow_tracking_uri or f"sqlite:///{workspace.state / 'mlflow.db'}"


class TrackedRun:
    """One MLflow run; every call is safe to repeat. Metrics may be logged from any thread."""

    def __init__(self, store: Store, run: "Run") -> None:
        self._store = store
        self.run_id: str = run.info.run_id
        self.experiment_id: str = run.info.experiment_id
        self._logged: dict[str, dict[int, float]] = {}
        self._writing = threading.Lock()

    @property
    def store(self) -> Store:
        """The store that keeps it."""
        return self._store

    @property
    def page(self) -> str:
        """The run's page, from the address of an MLflow UI on."""
        return f"#/experiments/{self.experiment_id}/runs/{self.run_id}"

    def log_params(self, params: Params) -> None:
        """Log params.yaml, flattened: `train.factors`; when to retrain is no part of the result."""
        self.log_values(flatten(params.model_dump(exclude=set(WATCHING))))

    def log_values(self, values: Mapping[str, Any]) -> None:
        """Log parameters by name; a run never changes one that it has."""
        from mlflow.entities import Param

        found = [Param(name, str(value)) for name, value in values.items()]
        for part in _parts(found, _PARAMS_AT_ONCE):
            self._log_batch("log parameters", params=part)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags; one that is there is replaced."""
        from mlflow.entities import RunTag

        found = [RunTag(name, value) for name, value in tags.items()]
        for part in _parts(found, _PARAMS_AT_ONCE):
            self._log_batch("set tags", tags=part)

    def log_metrics(self, nested: Mapping[str, Any], step: int = 0) -> None:
        """Log every number of a nested mapping as `outer/inner`; texts and nulls are left out.

        A value that stands already is not logged again, another one is added. Raises DataError
        if one is not finite, and then logs none.
        """
        numbers = {
            _FORBIDDEN_IN_NAMES.sub("_", name): float(value)
            for name, value in flatten(nested, "/").items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        self._log(
            [Point(name, step, value) for name, value in numbers.items()], replace_changed=True
        )

    def log_history(self, points: Iterable[Point]) -> None:
        """Log points of which some may be logged already: a metric has one value a step."""
        self._log(list(points), replace_changed=False)

    def log_history_table(self, path: Path) -> None:
        """Log a finished history.csv; after `tail_history` that adds only what it missed."""
        self.log_history(read_table(path))

    @contextmanager
    def tail_history(self, path: Path, phases: Collection[str] | None = None) -> Iterator[None]:
        """Log the training history as it grows, while the block runs; of all phases or of some.

        A step that adds a phase to an older history names it: what stands beside it may be of
        another training. A store that does not answer is asked again a second later, and must
        answer at the end. Raises what went wrong last when the block has ended well.
        """
        history = HistoryFile(path)
        waiting: list[Point] = []
        ended = threading.Event()

        def drain() -> None:
            points = history.read()
            waiting.extend(p for p in points if phases is None or p.phase in phases)
            self.log_history(waiting)
            waiting.clear()

        def try_to_drain() -> None:
            try:
                drain()
            except BeholderError as error:
                log.warning("history not logged yet points=%d why=%s", len(waiting), error)

        def follow() -> None:
            while not ended.wait(_POLL_SECONDS):
                try_to_drain()

        thread = threading.Thread(target=follow, name="history", daemon=True)
        thread.start()
        try:
            yield
        except Exception:
            _end(thread, ended)
            try_to_drain()  # what the training came to; its own failure is the one to raise
            raise
        finally:
            _end(thread, ended)
        drain()

    def log_datasets(self, versions: Iterable[DataVersion]) -> None:
        """Log what DVC says the data is as datasets, their digest DVC's md5."""
        from mlflow.data.meta_dataset import MetaDataset
        from mlflow.entities import DatasetInput, InputTag

        from flows.dvc_source import DvcSource

        inputs = [
            DatasetInput(
                MetaDataset(
                    DvcSource(version.path, version.md5), version.name, version.md5
                )._to_mlflow_entity(),
                [InputTag("mlflow.data.context", version.context)],
            )
            for version in versions
        ]
        if inputs:
            self._store.ask(
                "log datasets", lambda client: client.log_inputs(self.run_id, datasets=inputs)
            )

    def log_file(self, path: Path, folder: str | None = None) -> None:
        """Log a file, or a folder with all that is in it, into a folder of the run's artifacts."""
        if path.is_dir():
            target = "/".join(part for part in (folder, path.name) if part)
            self._store.ask(
                f"log {path.name}",
                lambda client: client.log_artifacts(self.run_id, str(path), target),
            )
        else:
            self._store.ask(
                f"log {path.name}",
                lambda client: client.log_artifact(self.run_id, str(path), folder),
            )

    def log_json(self, content: Mapping[str, Any], name: str) -> None:
        """Log a mapping as a JSON file of the run's artifacts."""
        self._store.ask(
            f"log {name}", lambda client: client.log_dict(self.run_id, dict(content), name)
        )

    def log_results(self, workspace: Workspace) -> None:
        """Log what explains and reproduces the run; what a failed run did not make is said."""
        for folder, paths in list_results(workspace).items():
            for path in paths:
                if path.exists():
                    self.log_file(path, folder)
                else:
                    log.info("no such result to log path=%s", path.relative_to(workspace.root))

    def end(self, how: End) -> None:
        """End the run as FINISHED, FAILED or KILLED."""
        self._store.ask("end the run", lambda client: client.set_terminated(self.run_id, how))
        log.info("mlflow run ended run_id=%s how=%s", self.run_id, how)

    def _log(self, points: list[Point], *, replace_changed: bool) -> None:
        from mlflow.entities import Metric

        for point in points:
            refuse_non_finite(point)
        with self._writing:
            new: dict[tuple[str, int], float] = {}
            for point in points:
                logged = self._read_logged(point.name).get(point.step)
                if logged is None or (replace_changed and logged != point.value):
                    new[point.name, point.step] = point.value
            now = int(time.time() * 1000)
            metrics = [Metric(name, value, now, step) for (name, step), value in new.items()]
            for part in _parts(metrics, _METRICS_AT_ONCE):
                self._log_batch("log metrics", metrics=part)
                for metric in part:
                    self._logged[metric.key][metric.step] = metric.value

    def _log_batch(self, what: str, **items: Any) -> None:
        self._store.ask(what, lambda client: client.log_batch(self.run_id, **items))

    def _read_logged(self, name: str) -> dict[int, float]:
        """Return the last value of a metric by step, as the store had it when first asked."""
        if name not in self._logged:
            history = self._store.ask(
                "read a metric", lambda client: client.get_metric_history(self.run_id, name)
            )
            in_order = sorted(history, key=lambda metric: metric.timestamp)
            self._logged[name] = {metric.step: metric.value for metric in in_order}
        return self._logged[name]


def open_run(
    uri: str, experiment: str, name: str, tags: Mapping[str, str], *, key: str
) -> TrackedRun:
    """Open the run of a retraining: the one of this key that was cut off, else a new one.

    `key` says which retraining it is: the same inputs in the same workspace. A run that was
    killed (it still says RUNNING, or KILLED) is gone on with; one that FINISHED or FAILED stays
    as it is, and the next attempt gets a run of its own.
    """
    store = Store(uri)
    experiment_id = _find_experiment(store, experiment)
    found = store.ask(
        "look for the run",
        lambda client: client.search_runs(
            [experiment_id],
            filter_string=f"tags.`{KEY_TAG}` = '{key}'",
            order_by=["attributes.start_time DESC"],
            max_results=1,
        ),
    )
    if found and found[0].info.status in ("RUNNING", "SCHEDULED", "KILLED"):
        run = found[0]
        store.ask(
            "go on with the run", lambda client: client.update_run(run.info.run_id, "RUNNING", name)
        )
        log.info("mlflow run goes on run_id=%s", run.info.run_id)
    else:
        run = store.ask(
            "create the run",
            lambda client: client.create_run(
                experiment_id, run_name=name, tags={**tags, KEY_TAG: key}
            ),
        )
        log.info("mlflow run opened run_id=%s", run.info.run_id)
    tracked = TrackedRun(store, run)
    tracked.set_tags(tags)
    return tracked


def find_run(uri: str, run_id: str) -> TrackedRun | None:
    """Return a run that has ended, to log more with it; None if somebody deleted it."""
    store = Store(uri)
    found = store.find("find the run", lambda client: client.get_run(run_id))
    is_there = found is not None and found.info.lifecycle_stage == "active"
    return TrackedRun(store, found) if found is not None and is_there else None


def list_results(workspace: Workspace) -> dict[str, tuple[Path, ...]]:
    """Return the files and folders that are logged with every run, by folder of artifacts."""
    validation, evaluation = workspace.validation_report, workspace.evaluation_report
    return {
        "inputs": (
            workspace.batch_list,
            workspace.params,
            workspace.pipeline,
            workspace.lock,
            workspace.code,
            find_package_lock(),
        ),
        "validation": (validation / "summary.json", validation / "docs"),
        "training": (
            workspace.split_report,
            workspace.embedding_report,
            workspace.training_report / "training.json",
            workspace.training_report / "history.csv",
            workspace.refit_report,
        ),
        "evaluation": tuple(
            evaluation / name
            for name in (
                "report.html",
                "metrics.json",
                "audit.json",
                "ladder.csv",
                "slices.csv",
                "calibration.csv",
            )
        ),
    }


def flatten(nested: Mapping[str, Any], separator: str = ".") -> dict[str, Any]:
    """Return the leaves of nested mappings by their joined keys; sequences are leaves."""
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            inner = flatten(value, separator)
            flat |= {f"{name}{separator}{below}": leaf for below, leaf in inner.items()}
        else:
            flat[str(name)] = value
    return flat


def _find_experiment(store: Store, name: str) -> str:
    found = store.ask("find the experiment", lambda client: client.get_experiment_by_name(name))
    if found is None:
        root = None if store.artifact_root is None else str(store.artifact_root)
        made = store.create(
            "create the experiment", lambda client: client.create_experiment(name, root)
        )
        if made is not None:
            return made
        found = store.ask("find the experiment", lambda client: client.get_experiment_by_name(name))
    if found is None or found.lifecycle_stage != "active":
        raise ServiceError(
            f"the experiment {name!r} in {store.name} is deleted; restore it in MLflow's UI"
        )
    return str(found.experiment_id)


def _end(thread: threading.Thread, ended: threading.Event) -> None:
    ended.set()
    thread.join()


def _parts(items: list[T], size: int) -> Iterator[list[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]

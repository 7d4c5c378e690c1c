"""How we talk to MLflow: its address, its safety settings, and what its errors mean."""

import hashlib
import logging
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from components.errors import ParameterError, ServiceError
from components.files import write_bytes
from components.locking import hold_lock
from components.settings import TELEMETRY_OFF

if TYPE_CHECKING:
    from mlflow import MlflowClient

T = TypeVar("T")

# Whatever the user says: a pickle is never read.
ENFORCED = {**TELEMETRY_OFF, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}

# Unless the user says otherwise. Without them a client waits four minutes for a dead server.
DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}

ARTIFACT_FOLDER = "mlartifacts"

_SQLITE = "sqlite:///"
_TRIES = 3
_LOCK_SECONDS = 60.0

log = logging.getLogger(__name__)


class Store:
    """One MLflow store, by address: `sqlite:///FILE`, or a server's.

    A SQLite store is laid down whole on first use, its artifacts in a folder beside it. Raises
    ParameterError for an address of another kind.
    """

    def __init__(self, uri: str) -> None:
        enter_environment()
        if not uri.startswith((_SQLITE, "http://", "https://")):
            raise ParameterError(
                f"MLFLOW_TRACKING_URI {uri!r} is neither the address of a server (http://…) nor a "
                f"SQLite file ({_SQLITE}…)"
            )
        self.uri = uri
        self.file = _find_file(uri)
        if self.file is not None:
            _lay_down(self.file)
        from mlflow import MlflowClient

        self.client: MlflowClient = MlflowClient(tracking_uri=uri, registry_uri=uri)

    @property
    def name(self) -> str:
        """The address as it may be shown: without credentials."""
        if self.file is not None:
            return self.uri
        parts = urlsplit(self.uri)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    @property
    def artifact_root(self) -> Path | None:
        """Where a SQLite store keeps artifacts; None where a server decides."""
        return None if self.file is None else self.file.parent / ARTIFACT_FOLDER

    def ask(self, what: str, call: "Callable[[MlflowClient], T]") -> T:
        """Call MLflow; a call that found the store busy is repeated, so it must be repeatable.

        Raises ServiceError saying `what` could not be done.
        """
        from mlflow.exceptions import MlflowException
        from requests import RequestException

        for attempt in range(1, _TRIES + 1):
            try:
                return call(self.client)
            except MlflowException as error:
                if error.error_code != "TEMPORARILY_UNAVAILABLE" or attempt == _TRIES:
                    raise self._explain(what, error) from error
                log.warning("mlflow busy what=%s attempt=%d", what, attempt)
                time.sleep(2.0**attempt / 10)
            except RequestException as error:
                raise self._explain(what, error) from error
        raise AssertionError("unreachable")

    def find(self, what: str, call: "Callable[[MlflowClient], T]") -> T | None:
        """Call MLflow as `ask` does; return None for what does not exist."""
        try:
            return self.ask(what, call)
        except ServiceError as error:
            if getattr(error.__cause__, "error_code", None) == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise

    def create(self, what: str, call: "Callable[[MlflowClient], T]") -> T | None:
        """Call MLflow as `ask` does; return None if what shall be created stands already."""
        try:
            return self.ask(what, call)
        except ServiceError as error:
            if getattr(error.__cause__, "error_code", None) == "RESOURCE_ALREADY_EXISTS":
                return None
            raise

    @property
    def domain(self) -> str:
        """Whom `hold` keeps apart: who writes to the same SQLite store, or, with a server, who
        shares this user's cache folder on this machine.
        """
        if self.file is not None:
            return "sqlite"
        return f"{socket.gethostname()} {_read_token(_lock_folder() / 'domain')}"

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Hold a lock on something in this store, against every other process of this machine.

        The lock lies beside a SQLite store, so whoever reaches that reaches the lock. A server
        offers no lock: there it is this user's on this machine, and what machines do at once is
        for the ledger to keep apart. Raises WorkspaceError if it is not free in a minute.
        """
        key = hashlib.sha256(name.encode()).hexdigest()[:16]
        if self.file is not None:
            path = self.file.with_name(f"{self.file.name}.{key}.lock")
        else:
            server = hashlib.sha256(self.name.encode()).hexdigest()[:16]
            path = _lock_folder() / f"{server}.{key}.lock"
        with hold_lock(path, wait_seconds=_LOCK_SECONDS, what=f"{name} in {self.name}"):
            yield

    def _explain(self, what: str, error: Exception) -> ServiceError:
        lines = str(error).splitlines() or [type(error).__name__]
        why = lines[0].replace(self.uri, self.name)
        return ServiceError(
            f"MLflow at {self.name} could not {what}: {why}; 'beholder status' shows whether it "
            "runs, MLFLOW_TRACKING_URI says which one is meant"
        )


def enter_environment() -> None:
    """Give this process the settings without which MLflow is unsafe, slow to fail or talkative."""
    os.environ.update(ENFORCED)
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    logging.getLogger("mlflow.pyfunc").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _find_file(uri: str) -> Path | None:
    return Path(uri.removeprefix(_SQLITE)).resolve() if uri.startswith(_SQLITE) else None


def _lay_down(file: Path) -> None:
    """Create the store beside and rename it: killed half-way through, MLflow could not mend it."""
    if file.exists():
        return
    with hold_lock(
        file.with_name(f"{file.name}.lock"), wait_seconds=_LOCK_SECONDS, what=f"the store {file}"
    ):
        if file.exists():
            return
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        log.info("mlflow store laid down file=%s", file)
        beside = file.with_name(f".{file.name}.tmp")
        for leftover in file.parent.glob(
            f"{beside.name}*"
        ):  # its journal too, which would be played
            leftover.unlink()
        store = SqlAlchemyStore(f"{_SQLITE}{beside}", str(file.parent / ARTIFACT_FOLDER))
        store.engine.dispose()
        beside.rename(file)


def _lock_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "beholder/locks"


def _read_token(path: Path) -> str:
    """Return what sets a folder apart from every other, drawn when it is first asked for."""
    with hold_lock(path.with_suffix(".lock"), wait_seconds=_LOCK_SECONDS, what=str(path)):
        if not path.is_file():
            write_bytes(path, uuid.uuid4().hex.encode())
        return path.read_text()

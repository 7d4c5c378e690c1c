"""The workspace's own secrets: drawn once into a file that only its owner may read."""

import base64
import secrets
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit

from components.errors import CorruptFileError, WorkspaceError
from components.files import read_json, write_secret
from components.hosts import is_local
from components.locking import hold_lock
from components.paths import Workspace

_WAIT_SECONDS = 30

MLFLOW_USER = "admin"


@dataclass(frozen=True)
class Credentials:
    """What our servers know each other by.

    `mlflow_password` is the one of MLflow's user `admin`, `mlflow_session` signs its cookies,
    `webhook_secret` signs its webhooks, and `webhook_key` (a Fernet key) encrypts that secret in
    MLflow's store.
    """

    mlflow_password: str
    mlflow_session: str
    webhook_secret: str
    webhook_key: str


def ensure_credentials(workspace: Workspace) -> Credentials:
    """Return the workspace's credentials, drawn now if there are none.

    Raises WorkspaceError if others may read the file, CorruptFileError if it is not what was
    written.
    """
    path = workspace.credentials
    lock = workspace.run / "credentials.lock"
    with hold_lock(lock, wait_seconds=_WAIT_SECONDS, what="the workspace's credentials"):
        if not path.exists():
            write_secret(path, asdict(_draw()))
    return _read(path)


def find_credentials(workspace: Workspace) -> Credentials | None:
    """Return the workspace's credentials; None before any were drawn."""
    return _read(workspace.credentials) if workspace.credentials.exists() else None


def describe_login(workspace: Workspace) -> str:
    """Return how a person signs in to the workspace's own MLflow server, the password left out."""
    return f"sign in as {MLFLOW_USER!r}; the password is mlflow_password in {workspace.credentials}"


def find_login(workspace: Workspace, tracking_uri: str | None) -> dict[str, str]:
    """Return the variables by which MLflow's client signs in, where an address is our own server's.

    Empty for every other address: our password is no other server's business.
    """
    ports = workspace.run / "services/ports.json"
    if tracking_uri is None or not ports.is_file() or not workspace.credentials.exists():
        return {}
    port = read_json(ports).get("mlflow", {}).get("port")
    address = urlsplit(tracking_uri)
    if address.port != port or address.username or not is_local(address.hostname or ""):
        return {}
    return {
        "MLFLOW_TRACKING_USERNAME": MLFLOW_USER,
        "MLFLOW_TRACKING_PASSWORD": _read(workspace.credentials).mlflow_password,
    }


def _draw() -> Credentials:
    return Credentials(
        mlflow_password=secrets.token_urlsafe(24),
        mlflow_session=secrets.token_urlsafe(32),
        webhook_secret=secrets.token_urlsafe(32),
        webhook_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    )


def _read(path: Path) -> Credentials:
    if path.stat().st_mode & 0o077:
        raise WorkspaceError(
            f"{path} holds passwords and is open to others; run 'chmod 600 {path}'"
        )
    content = read_json(path)
    names = {field.name for field in fields(Credentials)}
    if not isinstance(content, dict) or content.keys() != names:
        raise CorruptFileError(
            f"{path} does not hold {', '.join(sorted(names))}; restore it from a backup"
        )
    return Credentials(**{name: str(content[name]) for name in names})

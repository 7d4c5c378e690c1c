"""Which servers a workspace has and how each is started."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from components.files import write_bytes
from components.paths import Workspace
from components.settings import Settings
from flows.credentials import MLFLOW_USER, ensure_credentials
from flows.services import Service

WORKER = "worker"

_PASSED_ON = ("BEHOLDER_", "MLFLOW_", "PREFECT_", "AWS_")

# Slots of a killed run come free again, across a restart of the server, only if they lie in files.
_PREFECT_OWN = {
    "PREFECT_API_URL": "",
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
        "prefect.server.concurrency.lease_storage.filesystem"
    ),
}

# A password costs MLflow a tenth of a second to check, so it remembers for a minute.
_AUTH_RULES = """[mlflow]
default_permission = NO_PERMISSIONS
database_uri = sqlite:///{state}/mlflow-auth.db
admin_username = {user}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 60
"""


def prefect_server() -> Service:
    """Return the workspace's own Prefect server, its history in .beholder/prefect."""

    def command(host: str, port: int) -> list[str]:
        return [
            *(sys.executable, "-m", "prefect", "server", "start"),
            *("--host", host, "--port", str(port)),
        ]

    return Service("prefect", 4200, "/api/health", 180, command, _PREFECT_OWN)


def use_prefect(url: str) -> None:
    """Let this process, and those that it starts, talk to the Prefect server at an address."""
    os.environ["PREFECT_API_URL"] = f"{url}/api"
    if "prefect" in sys.modules:  # it has read the variable as it was imported
        from prefect.context import refresh_global_settings_context

        refresh_global_settings_context()


def mlflow_server(workspace: Workspace) -> Service:
    """Return an MLflow server over the workspace's SQLite store, for whoever knows its password.

    Reads the workspace's credentials, drawing them if there are none.
    """
    secret = ensure_credentials(workspace)
    store = f"sqlite:///{workspace.state / 'mlflow.db'}"
    artifacts = workspace.state / "mlartifacts"
    rules = workspace.run / "services/mlflow-auth.ini"

    users = workspace.state / "mlflow-auth.db"
    os.close(os.open(users, os.O_RDWR | os.O_CREAT, 0o600))  # it holds hashes of passwords
    write_bytes(rules, _AUTH_RULES.format(state=workspace.state, user=MLFLOW_USER).encode())

    def command(host: str, port: int) -> list[str]:
        return [
            *(sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port)),
            *("--backend-store-uri", store, "--artifacts-destination", str(artifacts)),
            *("--workers", "1", "--app-name", "basic-auth"),
        ]

    environment = {
        "MLFLOW_AUTH_CONFIG_PATH": str(rules),
        "MLFLOW_AUTH_ADMIN_PASSWORD": secret.mlflow_password,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secret.mlflow_session,
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": secret.webhook_key,
        # Webhooks go to our own worker, on this machine.
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    }
    return Service("mlflow", 5000, "/health", 180, command, environment)


def endpoint(bento: Path, settings: Settings, folder: Path, told: Mapping[str, str]) -> Service:
    """Return the endpoint that starts from a Bento and takes its orders from a folder.

    `told` are the variables of its own: see `endpoint_settings`.
    """
    from components.packaging.server import serve_command, serve_environment

    def command(host: str, port: int) -> list[str]:
        return serve_command(bento, host=host, port=port, workers=settings.endpoint_workers)

    environment = serve_environment(bento, folder=folder, settings=told)
    return Service("endpoint", settings.endpoint_port, "/readyz", 120, command, environment)


def worker(prefect_api_url: str) -> Service:
    """Return what runs this workspace's deployments, and takes decisions and webhooks."""

    def command(host: str, port: int) -> list[str]:
        return [sys.executable, "-m", "flows.worker_service", host, str(port)]

    # The process manager may be older than this shell, and know nothing of its addresses.
    kept = {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)}
    environment = {**kept, "PREFECT_API_URL": prefect_api_url}
    return Service(WORKER, 4300, "/health", 120, command, environment)

"""Which servers a workspace has and how each is started."""

import os
import sys
from pathlib import Path

from components.paths import Workspace
from components.settings import Settings
from flows.services import Service

_PASSED_ON = ("BEHOLDER_", "MLFLOW_", "PREFECT_", "AWS_")


def prefect_server() -> Service:
    """Return the workspace's own Prefect server, its history in .beholder/prefect."""

    def command(host: str, port: int) -> list[str]:
        return [
            *(sys.executable, "-m", "prefect", "server", "start"),
            *("--host", host, "--port", str(port)),
        ]

    return Service("prefect", 4200, "/api/health", 90, command, {"PREFECT_API_URL": ""})


def mlflow_server(workspace: Workspace) -> Service:
    """Return an MLflow server over the workspace's SQLite store, for looking at runs and models."""
    store = f"sqlite:///{workspace.state / 'mlflow.db'}"
    artifacts = workspace.state / "mlartifacts"

    def command(host: str, port: int) -> list[str]:
        return [
            *(sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port)),
            *("--backend-store-uri", store, "--artifacts-destination", str(artifacts)),
            *("--workers", "1"),
        ]

    return Service("mlflow", 5000, "/health", 90, command, {})


def endpoint(
    bento: Path, settings: Settings, folder: Path, pictures: Path | None = None
) -> Service:
    """Return the endpoint that starts from a Bento, and takes its orders from a folder."""
    from components.packaging.server import serve_command, serve_environment

    def command(host: str, port: int) -> list[str]:
        return serve_command(bento, host=host, port=port, workers=settings.endpoint_workers)

    environment = serve_environment(bento, folder=folder, pictures=pictures)
    return Service("endpoint", settings.endpoint_port, "/readyz", 120, command, environment)


def review_service(prefect_api_url: str) -> Service:
    """Return what takes decisions from Prefect's form and from tags in MLflow's UI."""

    def command(host: str, port: int) -> list[str]:
        return [sys.executable, "-m", "flows.review_service", host, str(port)]

    # The process manager may be older than this shell, and know nothing of its addresses.
    kept = {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)}
    environment = {**kept, "PREFECT_API_URL": prefect_api_url}
    return Service("review", 4300, "/health", 90, command, environment)

"""The environment in which our servers and children run: telemetry off, state in the workspace."""

import os

from components.child import interpreter_first
from components.paths import Workspace
from components.promotion.store import DEFAULTS, ENFORCED
from components.settings import TELEMETRY_OFF
from flows.credentials import find_login

MLFLOW_SAFETY = {**DEFAULTS, **ENFORCED, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}

PREFECT_SAFETY = {
    # The ephemeral server loses history: a missing server shall be an error.
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
    "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "flows,components",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    "PREFECT_CLI_PROMPT": "false",
}


def build_environment(workspace: Workspace, **more: str) -> dict[str, str]:
    """Return the variables that every process of a workspace gets on top of the caller's own."""
    return {
        **TELEMETRY_OFF,
        **MLFLOW_SAFETY,
        **PREFECT_SAFETY,
        "PATH": interpreter_first(),
        "PREFECT_HOME": str(workspace.state / "prefect"),
        "DVC_SITE_CACHE_DIR": str(workspace.dvc_state),
        "BEHOLDER_WORKSPACE": str(workspace.root),
        **_sign_in(workspace),
        **more,
    }


def enter(workspace: Workspace, **more: str) -> None:
    """Give this very process the environment of a workspace; call it before Prefect is imported."""
    os.environ.update(build_environment(workspace, **more))


def _sign_in(workspace: Workspace) -> dict[str, str]:
    if "MLFLOW_TRACKING_USERNAME" in os.environ:
        return {}
    return find_login(workspace, os.environ.get("MLFLOW_TRACKING_URI"))

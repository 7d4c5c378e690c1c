"""Where we run: addresses, credentials and devices, from the environment only.

Nothing here may change a result: what does is a parameter and lives in params.yaml.
"""

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from components.errors import ParameterError

TELEMETRY_OFF = {
    "DO_NOT_TRACK": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "BENTOML_DO_NOT_TRACK": "True",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
}


class Settings(BaseSettings):
    """The environment, typed; see docs/settings.md for every variable."""

    model_config = SettingsConfigDict(env_prefix="BEHOLDER_", frozen=True, extra="ignore")

    workspace: Path | None = Field(None, description="the workspace, instead of searching upward")
    model_name: str = Field("beholder", description="the registered model's name in MLflow")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where tensors live")
    threads: int | None = Field(None, ge=1, description="torch threads; default: all cores")
    remote: str | None = Field(None, description="DVC remote; default: a folder beside")
    host: str = Field("127.0.0.1", description="where our own servers listen")
    endpoint_port: int = Field(3000, ge=0, le=65535, description="the endpoint's preferred port")
    release: Path | None = Field(None, description="a Bento to answer from, outside of any Bento")
    lifeline: Path | None = Field(None, description="workers end when this file's lock is free")
    endpoint_folder: Path | None = Field(
        None, description="where an endpoint's workers find which release to answer from"
    )
    feedback_url: str | None = Field(None, description="sqlite:///PATH of the feedback log")
    answers_url: str | None = Field(
        None, description="sqlite:///PATH of the answer log, or 'off'; default: none is kept"
    )
    answers_days: float = Field(30.0, gt=0, le=36_500, description="how long answers are kept")
    answers_gb: float = Field(4.0, gt=0, description="how much of them is kept at most")
    keys_file: Path | None = Field(None, description="the endpoint's API keys")
    require_keys: bool | None = Field(
        None, description="whether the endpoint asks for keys; default: unless on loopback"
    )
    pictures: Path | None = Field(
        None, description="small copies of the items' pictures, for the endpoint to show"
    )
    endpoint_workers: int = Field(2, ge=1, le=64, description="processes of the endpoint")
    actor: str | None = Field(None, description="who acts, in the ledger; default: user@host")
    mlflow_tracking_uri: str | None = Field(
        None, validation_alias=AliasChoices("MLFLOW_TRACKING_URI"), description="MLflow server"
    )
    prefect_api_url: str | None = Field(
        None, validation_alias=AliasChoices("PREFECT_API_URL"), description="Prefect server"
    )


@cache
def load_settings() -> Settings:
    """Read the environment once; raise ParameterError naming the first variable that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        name = field if field.isupper() else f"BEHOLDER_{field.upper()}"
        raise ParameterError(
            f"{name}: {first['msg']} (got {first['input']!r:.80}); change or unset it"
        ) from error

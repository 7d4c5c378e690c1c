"""How a Bento is served: the command line and the environment, the same wherever it is started."""

import sys
from collections.abc import Mapping
from pathlib import Path

from components.packaging.release import read_release
from components.settings import TELEMETRY_OFF


def serve_command(
    bento: Path, host: str, port: int, workers: int, *, python: Path | None = None
) -> list[str]:
    """Return the command that serves a Bento in the foreground, until SIGTERM or SIGINT.

    `python` is an interpreter that has the Bento's dependencies; default: this one.
    """
    name = read_release(bento).name
    return [
        # BentoML takes the number of workers from the environment only.
        *("env", f"BENTOML_CONFIG_OPTIONS=services.{name}.workers={workers}"),
        *(str(python or sys.executable), "-m", "bentoml", "serve", str(bento.resolve())),
        *("--host", host, "--port", str(port)),
    ]


def serve_environment(
    bento: Path,
    home: Path | None = None,
    *,
    folder: Path | None = None,
    settings: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the variables that the server needs on top of the caller's own.

    `folder` is where the workers find which release to answer from, if that is to change while they
    run. `home` is BentoML's own folder, one a server, for a server that starts empties the counts
    that it finds there: by default in `folder`, else beside the Bento. `settings` are further
    variables of the endpoint's own.
    """
    return {
        **TELEMETRY_OFF,
        **({} if folder is None else {"BEHOLDER_ENDPOINT_FOLDER": str(folder)}),
        **(settings or {}),
        "BENTOML_HOME": str(home or _find_home(bento.resolve(), folder)),
        # No folder but the Bento's own may lend it modules, and none may be written into it.
        "PYTHONSAFEPATH": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }


def _find_home(bento: Path, folder: Path | None) -> Path:
    return bento.with_name(f".{bento.name}.home") if folder is None else folder / "bentoml"

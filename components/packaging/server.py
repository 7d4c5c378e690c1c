"""How a Bento is served: the command line and the environment, the same wherever it is started."""

import sys
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
    pictures: Path | None = None,
) -> dict[str, str]:
    """Return the variables that the server needs on top of the caller's own.

    `home` is BentoML's own folder, one a server: it empties its metrics when it starts. `folder`
    is where the workers find which release to answer from, if that is to change while they run;
    `pictures` is where small copies of the items' pictures lie, if there are any.
    """
    return {
        **TELEMETRY_OFF,
        **({} if folder is None else {"BEHOLDER_ENDPOINT_FOLDER": str(folder)}),
        **({} if pictures is None else {"BEHOLDER_PICTURES": str(pictures.resolve())}),
        "BENTOML_HOME": str(home or _home_beside(bento.resolve())),
        # No folder but the Bento's own may lend it modules, and none may be written into it.
        "PYTHONSAFEPATH": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }


def _home_beside(bento: Path) -> Path:
    return bento.with_name(f".{bento.name}.home")

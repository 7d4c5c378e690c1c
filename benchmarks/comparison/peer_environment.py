"""The environment that the peers live in: made once in the cache from their own lock file."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from components.child import supervised
from components.errors import BeholderError
from components.files import hash_file, hash_json, write_json
from components.locking import hold_lock

LOCK = Path(__file__).with_name("peers.lock")
_WORKER = Path(__file__).with_name("peer_worker.py")
_DIGITS = 16
_SHOWN_LINES = 20
_INSTALL_SECONDS = 3600.0

# One thread each, as a small fit of ours has: the seconds are compared.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

log = logging.getLogger(__name__)


class PeerError(BeholderError):
    """A peer cannot be installed, or failed: never left out of a comparison in silence."""


class PeerEnvironment:
    """A Python of the peers' own, of this interpreter's version, below a folder of the cache."""

    def __init__(self, cache: Path, lock: Path = LOCK) -> None:
        version = ".".join(str(part) for part in sys.version_info[:3])
        self._lock = lock
        self.digest = hash_json({"lock": hash_file(lock), "python": version})
        self._worker = hash_file(_WORKER)
        self._folder = cache / "peers" / self.digest[:_DIGITS]
        self._made = self._folder / "installed.json"

    @property
    def key(self) -> dict[str, str]:
        """Return what else than a job decides what a peer answers."""
        return {"environment": self.digest, "worker": self._worker}

    @property
    def _python(self) -> Path:
        return self._folder / "bin" / "python"

    def install(self) -> None:
        """Make the environment where it is not whole yet; raise PeerError with what uv said."""
        busy = self._folder.with_suffix(".lock")
        with hold_lock(busy, wait_seconds=_INSTALL_SECONDS, what="the peers' environment"):
            if self._made.is_file():
                return
            log.info("installing peers folder=%s", self._folder)
            _call_uv("venv", "--clear", "--python", sys.executable, str(self._folder))
            target = ("--python", str(self._python), "--requirements", str(self._lock))
            # No building: what has no wheel would take a compiler, and minutes.
            _call_uv("pip", "install", "--no-build", "--compile-bytecode", *target)
            write_json(self._made, {"digest": self.digest})

    def run(self, job: Path, what: str) -> None:
        """Run the worker on a job's folder; raise PeerError with the end of what it said."""
        command = supervised([str(self._python), "-I", str(_WORKER), str(job)])
        environment = {**os.environ, **_ONE_THREAD}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PeerError(f"{what} failed ({done.returncode}): {_end(done.stderr)}")


def _call_uv(*arguments: str) -> None:
    from uv import find_uv_bin

    command: Sequence[str] = [find_uv_bin(), "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PeerError(
            f"the peers cannot be installed, 'uv {' '.join(arguments)}' said: {_end(done.stderr)}; "
            "give this machine the package index, or compare without them (--peers none)"
        )


def _end(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-_SHOWN_LINES:])


def write_job(folder: Path, job: dict[str, object]) -> None:
    """Write the description that the worker reads."""
    (folder / "job.json").write_text(json.dumps(job))

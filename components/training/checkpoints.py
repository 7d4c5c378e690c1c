"""Checkpoints of a fit: what it takes to go on after a kill as if nothing had happened.

One checkpoint is two files, epoch-000012.safetensors (every tensor: parameters, optimizer,
generators) and epoch-000012.json (its sha256 and the history so far), written in that order.
"""

import logging
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from components.errors import CorruptFileError
from components.files import read_json, write_bytes, write_json

_KEPT = 2

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """The state after an epoch: all tensors by name, and facts that are JSON."""

    epoch: int
    tensors: dict[str, Tensor]
    facts: dict[str, Any]


class Checkpoints:
    """The checkpoints of one fit in a folder of its own; the last two are kept."""

    def __init__(self, folder: Path, every_seconds: float) -> None:
        self._folder, self._every_seconds = folder, every_seconds
        self._saved_at = time.monotonic()

    def is_due(self) -> bool:
        """Return whether the last save is long enough ago."""
        return time.monotonic() - self._saved_at >= self._every_seconds

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint whole, then drop those before the last two."""
        name = f"epoch-{checkpoint.epoch:06d}"
        content = save({key: tensor.cpu() for key, tensor in checkpoint.tensors.items()})
        write_bytes(self._folder / f"{name}.safetensors", content)
        write_json(
            self._folder / f"{name}.json",
            {
                "epoch": checkpoint.epoch,
                "sha256": sha256(content).hexdigest(),
                "facts": checkpoint.facts,
            },
        )
        for old in self._newest_first()[_KEPT:]:
            old.unlink()
            old.with_suffix(".safetensors").unlink(missing_ok=True)
        self._saved_at = time.monotonic()

    def load(self) -> Checkpoint | None:
        """Return the newest checkpoint whose bytes are whole; None where there is none."""
        for path in self._newest_first():
            try:
                return _read(path)
            except (CorruptFileError, FileNotFoundError) as error:
                log.warning("checkpoint unreadable, trying the one before error=%s", error)
        return None

    def _newest_first(self) -> list[Path]:
        return sorted(self._folder.glob("epoch-*.json"), reverse=True)


def _read(path: Path) -> Checkpoint:
    described = read_json(path)
    content = path.with_suffix(".safetensors").read_bytes()
    try:
        if sha256(content).hexdigest() != described["sha256"]:
            raise CorruptFileError(
                f"{path.with_suffix('.safetensors')} has changed since it was written"
            )
        return Checkpoint(described["epoch"], load(content), described["facts"])
    except (KeyError, TypeError) as error:
        raise CorruptFileError(f"{path} describes no checkpoint ({error})") from error

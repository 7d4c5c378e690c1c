"""The embedding store: what an encoder once made of an image, by the sha256 of its bytes.

One folder an encoder digest, in it append-only shards named by order and content:

    <encoder digest>/<ordinal>-<sha256 of the file>.safetensors
        keys (n, 32) uint8, vectors (n, E) float32

A shard is written beside, flushed and renamed, so it is whole or not there, and is hashed whenever
it is read. One process writes at a time: the locks see to that. E is the width of an embedding.
"""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from components.files import write_bytes
from components.paths import Workspace

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
_KEY_BYTES = 32

log = logging.getLogger(__name__)


def open_store(workspace: Workspace, digest: str, width: int) -> "EmbeddingStore":
    """Return a workspace's store of what the encoder with this digest makes."""
    return EmbeddingStore(workspace.cache / "embeddings" / digest, width)


class EmbeddingStore:
    """The embeddings of one encoder on this machine; a cache, so a damaged shard is dropped."""

    def __init__(self, folder: Path, width: int) -> None:
        self.folder = folder
        self.width = width

    def read(self, hashes: Sequence[str]) -> tuple[Floats, Bools]:
        """Return the (N, E) vectors of N distinct image hashes, and which of them were found.

        The row of a hash that is not in the store is zero.
        """
        rows = {bytes.fromhex(name): row for row, name in enumerate(hashes)}
        vectors = np.zeros((len(hashes), self.width), np.float32)
        found = np.zeros(len(hashes), np.bool_)
        for keys, stored in self._read_shards():
            for place, key in enumerate(keys):
                row = rows.get(key)
                if row is not None:
                    vectors[row] = stored[place]
                    found[row] = True
        return vectors, found

    def append(self, hashes: Sequence[str], vectors_NE: Floats) -> None:
        """Add one shard, whole or not at all."""
        if vectors_NE.shape != (len(hashes), self.width):
            raise ValueError(f"{vectors_NE.shape} vectors for {len(hashes)} × {self.width}")
        if not hashes:
            return
        for leftover in self.folder.glob(".*.tmp"):  # of a process that was killed while it wrote
            leftover.unlink(missing_ok=True)
        keys = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(-1, _KEY_BYTES)
        content = save({"keys": keys, "vectors": np.ascontiguousarray(vectors_NE, np.float32)})
        ordinal = max((int(path.name.split("-")[0]) for path in self._shards()), default=-1) + 1
        name = f"{ordinal:06d}-{hashlib.sha256(content).hexdigest()}.safetensors"
        write_bytes(self.folder / name, content)

    def _shards(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*-*.safetensors"))

    def _read_shards(self) -> Iterator[tuple[list[bytes], Floats]]:
        for path in self._shards():
            content = path.read_bytes()
            tensors = self._parse(path, content)
            if tensors is None:
                log.warning("embedding shard damaged and dropped file=%s", path.name)
                path.unlink()
                continue
            yield [key.tobytes() for key in tensors["keys"]], tensors["vectors"]

    def _parse(self, path: Path, content: bytes) -> dict[str, npt.NDArray[Any]] | None:
        if hashlib.sha256(content).hexdigest() != path.stem.split("-")[1]:
            return None
        try:
            tensors: dict[str, npt.NDArray[Any]] = load(content)
        except SafetensorError:
            return None
        if tensors["vectors"].shape != (len(tensors["keys"]), self.width):
            return None
        return tensors

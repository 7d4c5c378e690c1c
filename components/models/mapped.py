"""Tensors read from where they lie on disk: processes that open one file share its memory."""

import json
from pathlib import Path

import numpy as np

from components.errors import CorruptFileError
from components.models.catalogue import Floats

# More than safetensors itself would read.
_MOST_HEADER = 100_000_000


def map_floats(path: Path, name: str) -> Floats:
    """Return a float32 tensor of a safetensors file, read-only, as pages of the file itself.

    The file may be replaced or deleted meanwhile, but not written to. Raises CorruptFileError if it
    holds no such tensor.
    """
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            facts = json.loads(file.read(min(size, _MOST_HEADER)))[name]
        start, end = facts["data_offsets"]
        if facts["dtype"] != "F32":
            raise ValueError(f"{name} is of type {facts['dtype']}, not F32")
        if start == end:
            return np.zeros(facts["shape"], np.float32)
        mapped = np.memmap(path, np.float32, "r", 8 + size + start, tuple(facts["shape"]))
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise CorruptFileError(f"{path} holds no tensor {name!r} that fits: {error}") from error
    return np.asarray(mapped)

"""What a fit answered on the test rows, and the cache that lets a killed run go on."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from components.files import (
    hash_json,
    read_json,
    read_parquet,
    write_folder,
    write_json,
    write_parquet,
)
from components.models.catalogue import Floats

STATIC = "static"


@dataclass
class Seconds:
    """How long something took: by the clock, and of the processor, over all threads."""

    wall: float = 0.0
    processor: float = 0.0

    @contextmanager
    def added(self) -> Iterator[None]:
        """Add what the block takes."""
        wall, processor = time.perf_counter(), time.process_time()
        yield
        self.wall += time.perf_counter() - wall
        self.processor += time.process_time() - processor


@dataclass(frozen=True)
class Answer:
    """The ratings of the test rows by situation ("static" is there always), and what they took.

    `train` is all it takes from rows to a model, the search for the number of epochs included;
    `predict` the static ratings of all test rows. `facts` is what else a reader wants to know.
    """

    predicted: Mapping[str, Floats]
    train: Seconds
    predict: Seconds
    facts: dict[str, Any] = field(default_factory=dict)


class AnswerStore:
    """A folder an answer, named by the hash of all that it follows from."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: dict[str, Any], make: Callable[[], Answer]) -> tuple[Answer, bool]:
        """Return the answer to a key, and whether it stood there already."""
        folder = self._folder / hash_json(key)
        if (folder / "answer.json").is_file():
            return _read(folder), True
        answer = make()
        with write_folder(folder) as target:
            write_parquet(target / "predicted.parquet", pd.DataFrame(dict(answer.predicted)))
            seconds = {"train": asdict(answer.train), "predict": asdict(answer.predict)}
            write_json(target / "answer.json", {"key": key, **seconds, "facts": answer.facts})
        return answer, False


def _read(folder: Path) -> Answer:
    written = read_json(folder / "answer.json")
    frame = read_parquet(folder / "predicted.parquet")
    predicted = {name: frame[name].to_numpy() for name in frame.columns}
    train, predict = Seconds(**written["train"]), Seconds(**written["predict"])
    return Answer(predicted, train, predict, written["facts"])


def digest_rows(rows: pd.DataFrame) -> str:
    """Return the hash of a table's rows, in their order."""
    return hashlib.sha256(rows.to_csv(index=False).encode()).hexdigest()

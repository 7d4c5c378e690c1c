"""One family that took part: how it rated the test rows, what its lists are worth, what it cost."""

import logging
import tempfile
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from components.errors import CorruptFileError
from components.evaluation.lists import ListQuality, measure_lists
from components.evaluation.measurement import finite_or_none
from components.evaluation.predictions import predict_static, sample_users
from components.evaluation.response_time import time_lists
from components.files import read_json, write_bytes, write_folder, write_json
from components.models.bundle import Bundle, save_bundle, seal_bundle
from components.models.catalogue import Floats
from components.models.predictor import Predictor
from components.params import Evaluate

FORMAT = 1
_FACTS, _RATED = "entry.json", "rated.bin"
_ASKED_USERS = 200

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cost:
    """What a model costs: seconds to train, bytes on disk, and milliseconds for one user's list.

    Training is the search for the epochs and the fit on all train rows; the bytes are those of
    the evaluation bundle; a list is answered in process, by one thread of this machine.
    """

    seconds: float
    bytes: int
    list_ms: float
    list_ms_p99: float


@dataclass(frozen=True)
class Entry:
    """A trained and measured model; `rated_N` are its ratings of the N test rows."""

    family: str
    seed: int
    epochs: int
    valid_rmse: float | None
    lists: ListQuality
    cost: Cost
    rated_N: Floats


def measure_entry(
    bundle: Bundle,
    test: pd.DataFrame,
    evaluate: Evaluate,
    *,
    seed: int,
    seconds: float,
    valid_rmse: float | None,
    scratch: Path,
) -> Entry:
    """Rate the test rows, rank for their users, and measure what that took.

    `scratch` is an existing folder on a disk that can hold the bundle for a moment.
    """
    predictor = Predictor(bundle)
    listed = test[sample_users(test["user_id"], evaluate.sampled_users, evaluate.seed)]
    users = sorted(listed["user_id"].unique())[:_ASKED_USERS]
    response = time_lists(predictor, users, evaluate.k)
    return Entry(
        bundle.family,
        seed,
        int(bundle.facts["epochs"]),
        valid_rmse,
        measure_lists(predictor, listed, k=evaluate.k, relevant_from=evaluate.relevant_from),
        Cost(seconds, _count_bytes(bundle, scratch), response.median_ms, response.p99_ms),
        predict_static(predictor, test),
    )


def _count_bytes(bundle: Bundle, scratch: Path) -> int:
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        save_bundle(bundle, Path(folder))
        seal_bundle(Path(folder))
        return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def save_entry(entry: Entry, folder: Path) -> None:
    """Write an entry whole, or not at all."""
    rated = np.ascontiguousarray(entry.rated_N, "<f4").tobytes()
    facts = {
        "family": entry.family,
        "seed": entry.seed,
        "epochs": entry.epochs,
        "valid_rmse": entry.valid_rmse,
        "lists": {name: finite_or_none(value) for name, value in vars(entry.lists).items()},
        "cost": asdict(entry.cost),
        "sha256": sha256(rated).hexdigest(),
    }
    with write_folder(folder) as target:
        write_bytes(target / _RATED, rated)
        write_json(target / _FACTS, facts)


def load_entry(folder: Path) -> Entry | None:
    """Return the entry in a folder; None where there is none, or one that is damaged."""
    try:
        facts: dict[str, Any] = read_json(folder / _FACTS)
        rated = (folder / _RATED).read_bytes()
        if sha256(rated).hexdigest() != facts["sha256"]:
            raise CorruptFileError(f"{folder / _RATED} has changed since it was written")
        lists = {n: float("nan") if v is None else v for n, v in facts["lists"].items()}
        return Entry(
            *(facts["family"], facts["seed"], facts["epochs"], facts["valid_rmse"]),
            ListQuality(**lists),
            Cost(**facts["cost"]),
            np.frombuffer(rated, "<f4"),
        )
    except FileNotFoundError:
        return None
    except (CorruptFileError, KeyError, TypeError) as error:
        log.warning("entry unreadable, made again folder=%s error=%s", folder, error)
        return None

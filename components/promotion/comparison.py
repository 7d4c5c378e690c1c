"""One comparison: candidate, champion and ladder, scored now on the same rows, with intervals.

Differences in RMSE are below zero where the candidate is better.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.contrasts import Contrast, contrast, floors
from components.errors import CorruptFileError, DataError
from components.models.bundle import Bundle, load_bundle, read_digest
from components.models.catalogue import UNKNOWN, Bools, Ints
from components.models.predictor import Predictor
from components.params import Gate
from components.slices import EVERY_ROW, slice_rows
from components.statistics import Interval

_ROWS_AT_ONCE = 200_000
_KEY = ["user_id", "item_id", "rating", "timestamp"]

Errors = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """How one bundle did on the compared rows.

    `non_finite` counts its predictions and weights that are no number, the candidate's served
    bundle included; with any such prediction, `rmse` is NaN.
    """

    digest: str
    family: str
    rmse: Interval
    non_finite: int


@dataclass(frozen=True)
class Rung:
    """One rung of the ladder, and RMSE(candidate) − RMSE(rung)."""

    score: Score
    difference: Interval


@dataclass(frozen=True)
class Part:
    """Both models on one slice of the rows: their RMSE, and the candidate's less the champion's.

    `floor` is what the difference exceeds with all slices looked at together (see
    `components.contrasts.floors`); NaN for slices too small to be judged. Without a champion there
    is only the candidate.
    """

    rows: int
    users: int
    candidate: Interval
    champion: Interval | None
    difference: Interval | None
    floor: float | None


@dataclass(frozen=True)
class Comparison:
    """What the gate reads, and all that it reads of the models.

    Rows whose pair the champion or the candidate learnt are no test for it: they are left out,
    and counted. `difference` is RMSE(candidate) − RMSE(champion). `slices` are those of
    `components.slices`, as the candidate knows users and items. All intervals are at `level`:
    differences studentised, RMSE by percentiles.
    """

    rows: int
    users: int
    learnt_by_champion: int
    learnt_by_candidate: int
    level: float
    candidate: Score
    champion: Score | None
    difference: Interval | None
    ladder: Mapping[str, Rung]
    slices: Mapping[str, Part]

    @property
    def is_equal(self) -> bool:
        """Whether candidate and champion are the same bundle."""
        return self.champion is not None and self.champion.digest == self.candidate.digest

    def to_json(self) -> dict[str, Any]:
        """Return comparison.json; a number that is not finite becomes null."""
        content: dict[str, Any] = _drop_nan(asdict(self))
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Comparison":
        """Read comparison.json; raise CorruptFileError if it is none."""
        try:
            champion, difference = content["champion"], content["difference"]
            return cls(
                **{name: content[name] for name in ("rows", "users", "level")},
                learnt_by_champion=content["learnt_by_champion"],
                learnt_by_candidate=content["learnt_by_candidate"],
                candidate=_read_score(content["candidate"]),
                champion=None if champion is None else _read_score(champion),
                difference=None if difference is None else _read_interval(difference),
                ladder={
                    name: Rung(_read_score(rung["score"]), _read_interval(rung["difference"]))
                    for name, rung in content["ladder"].items()
                },
                # Versions from before slices were compared have none.
                slices={name: _read_part(part) for name, part in content.get("slices", {}).items()},
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise CorruptFileError(
                f"this is no comparison ({type(error).__name__}: {error}); compare again"
            ) from error


def compare(
    candidate: Path,
    champion: Path | None,
    ladder: Mapping[str, Path],
    test: pd.DataFrame,
    gate: Gate,
    *,
    served: Path | None = None,
) -> Comparison:
    """Score evaluation bundles on the same test rows, in any order.

    The rows have user_id, item_id, rating and timestamp. `served` is the bundle that would answer
    for the candidate: nobody scores it, but its weights must be numbers too. Raises
    CorruptFileError for a bundle that is not as it was written, DataError for test rows that cannot
    be scored.
    """
    rows = _order_rows(test)
    contender = _measure(candidate, rows)
    if served is not None:
        bad = _count_bad(load_bundle(served))
        contender = replace(contender, bad_weights=contender.bad_weights + bad)
    holder = None if champion is None else _measure(champion, rows)
    kept = ~contender.learnt if holder is None else ~(contender.learnt | holder.learnt)
    jury = _Jury(rows[kept].reset_index(drop=True), kept, gate)
    held = jury.weigh(contender, holder or contender, jury.slice(contender.bundle))
    whole = held.pop(EVERY_ROW)
    return Comparison(
        rows=whole.rows,
        users=whole.users,
        learnt_by_champion=0 if holder is None else int(holder.learnt.sum()),
        learnt_by_candidate=int(contender.learnt.sum()),
        level=gate.level,
        candidate=jury.score(contender, whole.a),
        champion=None if holder is None else jury.score(holder, whole.b),
        difference=None if holder is None else whole.difference,
        ladder={
            name: jury.rung(contender, _measure(folder, rows))
            for name, folder in sorted(ladder.items())
        },
        slices=_describe_slices(held, gate, has_champion=holder is not None),
    )


@dataclass(frozen=True)
class _Measured:
    """One bundle's squared errors on all N rows, and which of their pairs it learnt."""

    digest: str
    bundle: Bundle
    errors_N: Errors
    learnt: Bools
    bad_weights: int


class _Jury:
    """Scores measured bundles on the kept rows, with the same resampled users for each."""

    def __init__(self, rows: pd.DataFrame, kept: Bools, gate: Gate) -> None:
        ids = rows["user_id"].to_numpy(dtype=object).astype(str)
        self._codes = np.unique(ids, return_inverse=True)[1]
        self._rows, self._kept, self._gate = rows, kept, gate

    def slice(self, bundle: Bundle) -> dict[str, Bools]:
        """Return which rows belong to each slice; all of them do to the first."""
        every = {EVERY_ROW: np.ones(len(self._rows), bool)}
        return every | slice_rows(self._rows, bundle) if len(self._rows) else every

    def weigh(
        self, one: _Measured, other: _Measured, groups: dict[str, Bools]
    ) -> dict[str, Contrast]:
        gate = self._gate
        return contrast(
            self._codes,
            one.errors_N[self._kept],
            other.errors_N[self._kept],
            groups,
            draws=gate.bootstrap,
            level=gate.level,
            seed=gate.seed,
        )

    def score(self, measured: _Measured, rmse: Interval) -> Score:
        errors = measured.errors_N[self._kept]
        bad = int((~np.isfinite(errors)).sum()) + measured.bad_weights
        return Score(measured.digest, measured.bundle.family, rmse, bad)

    def rung(self, candidate: _Measured, rung: _Measured) -> Rung:
        every = {EVERY_ROW: np.ones(len(self._rows), bool)}
        held = self.weigh(candidate, rung, every)[EVERY_ROW]
        return Rung(self.score(rung, held.b), held.difference)


def _describe_slices(
    held: Mapping[str, Contrast], gate: Gate, *, has_champion: bool
) -> dict[str, Part]:
    if not has_champion:
        return {
            name: Part(one.rows, one.users, one.a, None, None, None) for name, one in held.items()
        }
    judged = {
        name: one
        for name, one in held.items()
        if one.rows >= gate.slices.min_rows and one.users >= gate.slices.min_users
    }
    lowest = dict(zip(judged, floors(judged.values(), gate.level), strict=True))
    return {
        name: Part(one.rows, one.users, one.a, one.b, one.difference, lowest.get(name, math.nan))
        for name, one in held.items()
    }


def _order_rows(test: pd.DataFrame) -> pd.DataFrame:
    """Return the rows in one canonical order, so that sums do not depend on theirs."""
    missing = [name for name in _KEY if name not in test]
    if missing:
        raise DataError(f"the test rows have no column {missing[0]!r}; run 'dvc repro split'")
    bad = int((~np.isfinite(test["rating"].to_numpy(np.float64))).sum())
    if bad:
        raise DataError(
            f"{bad} of {len(test)} test ratings are not finite numbers; run 'dvc repro validate'"
        )
    return test[_KEY].sort_values(_KEY, kind="stable", ignore_index=True)


def _measure(folder: Path, rows: pd.DataFrame) -> _Measured:
    bundle = load_bundle(folder)
    predictor = Predictor(bundle)
    errors_N = np.empty(len(rows), np.float64)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = rows.iloc[start : start + _ROWS_AT_ONCE]
        predicted = predictor.predict(part["user_id"].tolist(), part["item_id"].tolist())
        errors_N[start : start + len(part)] = (predicted - part["rating"].to_numpy(np.float64)) ** 2
    return _Measured(
        read_digest(folder), bundle, errors_N, _find_learnt(bundle, rows), _count_bad(bundle)
    )


def _find_learnt(bundle: Bundle, rows: pd.DataFrame) -> Bools:
    """Return which rows' (user, item) pairs are among those that the bundle learnt from."""
    users, width = bundle.users, len(bundle.catalogue)
    rated: Ints = np.repeat(np.arange(len(users)), np.diff(users.offsets)) * width + users.items_N
    user_N = users.find(rows["user_id"].tolist())
    item_N = bundle.catalogue.find(rows["item_id"].tolist())
    known = (user_N != UNKNOWN) & (item_N != UNKNOWN)
    learnt: Bools = known & np.isin(user_N * width + item_N, rated)
    return learnt


def _count_bad(bundle: Bundle) -> int:
    # Ratings are clipped to the scale, which would turn an infinite weight into a fine rating.
    arrays = [*bundle.weights.values(), bundle.catalogue.embeddings_IE]
    return sum(int((~np.isfinite(array)).sum()) for array in arrays)


def _drop_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _drop_nan(part) for name, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _read_interval(content: Mapping[str, Any]) -> Interval:
    return Interval(*(_read_number(content[name]) for name in ("value", "low", "high")))


def _read_number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _read_score(content: Mapping[str, Any]) -> Score:
    return Score(
        str(content["digest"]),
        str(content["family"]),
        _read_interval(content["rmse"]),
        int(content["non_finite"]),
    )


def _read_part(content: Mapping[str, Any]) -> Part:
    champion, difference = content["champion"], content["difference"]
    return Part(
        int(content["rows"]),
        int(content["users"]),
        _read_interval(content["candidate"]),
        None if champion is None else _read_interval(champion),
        None if difference is None else _read_interval(difference),
        None if difference is None else _read_number(content["floor"]),
    )

"""The leakage audit: whether anything of what is tested on could have been learnt.

Two parts are held against what is learnt: the test rows against all train rows, and the valid
rows, which stop training early, against the others.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from components.errors import DataError
from components.params import Split
from components.same_pictures import Pictures, find_copies

_EXAMPLES = 5
_COLD_KEYS = {"cold_item": "item_id", "cold_user": "user_id"}
_PAIR = ["user_id", "item_id"]

_FOUND = {
    "pairs": "{found} of {among} {part} ratings are of a user and an item that are learnt from too",
    "time": "{found} of {among} ratings that are learnt from are not older than the {part} ratings",
    "cold": "{found} of {among} {part} ratings are of one that is learnt from, so it is not cold",
    "pictures": "{found} of {among} cold {part} items show a picture that is learnt from",
    "models": "{found} of {among} ratings that the models learnt from are no train rows",
}
_ADVICE = {
    "pairs": "run 'dvc repro split' to part them anew",
    "time": "run 'dvc repro split' to part them anew",
    "cold": "run 'dvc repro split' to part them anew",
    "pictures": "give items of one picture one item_id, or raise split.audit.picture_budget in "
    "params.yaml",
    "models": "run 'dvc repro train' to learn from the train rows",
}


@dataclass(frozen=True)
class Check:
    """One question of the audit: how many of `among` were `found` to leak, and a few of them.

    `allowed` is how many may be; None where they are counted and nothing more. `part` is test or
    valid.
    """

    check: str
    part: str
    among: int
    found: int
    allowed: int | None
    examples: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no more was found than is allowed."""
        return self.allowed is None or self.found <= self.allowed

    def describe(self) -> str:
        """Return what was found, in a sentence."""
        told = _FOUND[self.check].format(
            found=f"{self.found:,}", among=f"{self.among:,}", part=self.part
        )
        allowed = f"allowed: {self.allowed:,}; " if self.allowed else ""
        return f"{told} ({allowed}first: {self.examples[0]})" if self.examples else told


@dataclass(frozen=True)
class Audit:
    """All checks of one split by its strategy."""

    strategy: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """Return what a report holds."""
        checks = [{**asdict(check), "passed": check.passed} for check in self.checks]
        return {"strategy": self.strategy, "passed": self.passed, "checks": checks}

    def refuse_leaks(self) -> None:
        """Raise DataError naming the first check that failed, with an example and what to do."""
        failed = [check for check in self.checks if not check.passed]
        if failed:
            more = f"; {len(failed) - 1} more checks failed" if len(failed) > 1 else ""
            raise DataError(
                f"the {self.strategy} split leaks: {failed[0].describe()}{more}; "
                f"{_ADVICE[failed[0].check]}"
            )


def audit_split(
    train: pd.DataFrame,
    test: pd.DataFrame,
    items: pd.DataFrame,
    images: pd.DataFrame,
    split: Split,
) -> Audit:
    """Audit the rows of a split: pairs, time, what is cold, and pictures.

    `train` and `test` have user_id, item_id and timestamp, `train` also `valid`; `items` has
    item_id and images, `images` sha256 and thumbnail. Pictures count under cold_item only;
    elsewhere a new item may well show an old picture, and is counted.
    """
    gallery = _Gallery.of(items, images, split)
    checks = []
    for part, kept, learnt in (
        ("test", test, train),
        ("valid", train[train["valid"]], train[~train["valid"]]),
    ):
        checks.append(_check_pairs(part, kept, learnt))
        if split.strategy in _TIMES:
            checks.append(_check_time(part, kept, learnt, _TIMES[split.strategy]))
        if split.strategy in _COLD_KEYS:
            checks.append(_check_cold(part, kept, learnt, _COLD_KEYS[split.strategy]))
        checks.append(gallery.check(part, kept, learnt))
    return Audit(split.strategy, tuple(checks))


def find_pairs(rows: pd.DataFrame, among: pd.DataFrame) -> np.ndarray:
    """Return which rows are of a user and an item of which there is a row among others."""
    known = pd.MultiIndex.from_frame(among[_PAIR])
    found: np.ndarray = pd.MultiIndex.from_frame(rows[_PAIR]).isin(known)
    return found


def name_pairs(rows: pd.DataFrame) -> tuple[str, ...]:
    """Return the first few rows as texts."""
    first = rows[:_EXAMPLES]
    return tuple(
        f"user {user!r}, item {item!r}"
        for user, item in zip(first["user_id"], first["item_id"], strict=True)
    )


def _check_pairs(part: str, kept: pd.DataFrame, learnt: pd.DataFrame) -> Check:
    leaked = kept[find_pairs(kept, learnt)]
    return Check("pairs", part, len(kept), len(leaked), 0, name_pairs(leaked))


def _since_any(kept: pd.DataFrame, learnt: pd.DataFrame) -> "pd.Series[bool]":
    """Say which ratings were given in the second of the first kept one, or later."""
    return learnt["timestamp"] >= kept["timestamp"].min()


def _since_own(kept: pd.DataFrame, learnt: pd.DataFrame) -> "pd.Series[bool]":
    """Say which ratings are later than the same user's first kept one; in one second order is
    unknown, and the split goes by item."""
    first = kept.groupby("user_id")["timestamp"].min()
    return learnt["timestamp"] > learnt["user_id"].map(first)


_TIMES: dict[str, Callable[[pd.DataFrame, pd.DataFrame], "pd.Series[bool]"]] = {
    "global_time": _since_any,
    "user_time": _since_own,
}


def _check_time(
    part: str,
    kept: pd.DataFrame,
    learnt: pd.DataFrame,
    find_late: Callable[[pd.DataFrame, pd.DataFrame], "pd.Series[bool]"],
) -> Check:
    late = learnt[find_late(kept, learnt)]
    return Check("time", part, len(learnt), len(late), 0, name_pairs(late))


def _check_cold(part: str, kept: pd.DataFrame, learnt: pd.DataFrame, key: str) -> Check:
    warm = kept[kept[key].isin(learnt[key].unique())]
    return Check("cold", part, len(kept), len(warm), 0, name_pairs(warm))


@dataclass(frozen=True)
class _Gallery:
    """The pictures of the items: one row an item and image (item_id, sha256, thumbnail)."""

    shown: pd.DataFrame
    split: Split

    @classmethod
    def of(cls, items: pd.DataFrame, images: pd.DataFrame, split: Split) -> "_Gallery":
        rows = items[["item_id", "images"]].explode("images").rename(columns={"images": "sha256"})
        return cls(rows.merge(images[["sha256", "thumbnail"]], on="sha256"), split)

    def check(self, part: str, kept: pd.DataFrame, learnt: pd.DataFrame) -> Check:
        of_learnt = self.shown["item_id"].isin(learnt["item_id"].unique())
        of_kept = self.shown["item_id"].isin(kept["item_id"].unique())
        known, cold = self.shown[of_learnt], self.shown[of_kept & ~of_learnt]
        copies = find_copies(_pictures(cold), _pictures(known), self.split.audit.same_picture)
        names = known["item_id"].tolist()
        alike = {
            item: names[row]
            for item, row in zip(cold["item_id"], copies, strict=True)
            if row is not None
        }
        among = int(cold["item_id"].nunique())
        budget = math.floor(self.split.audit.picture_budget * among)
        allowed = budget if self.split.strategy == "cold_item" else None
        return Check("pictures", part, among, len(alike), allowed, _name_copies(alike))


def _pictures(rows: pd.DataFrame) -> Pictures:
    return Pictures(rows["sha256"].tolist(), rows["thumbnail"].tolist())


def _name_copies(alike: dict[str, str]) -> tuple[str, ...]:
    first: Sequence[tuple[str, str]] = sorted(alike.items())[:_EXAMPLES]
    return tuple(f"item {item!r} looks like item {known!r}" for item, known in first)

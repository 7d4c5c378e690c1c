"""When what was measured is an alarm: beside what chance alone would do, all checks together.

    T draws of what would be measured if nothing had changed

Each check brings such draws: permutations or a bootstrap. With m checks judged in one look, each is
an alarm from the quantile 1 − a / m of its draws on (Bonferroni), so that at most the share a of
looks raises a false alarm. Holm's procedure raises any alarm in the very same looks, and has no
threshold that could be drawn; see docs/decisions.md.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from components.statistics import Reals

Kind = Literal["rmse", "ratings", "images", "users", "activity"]
State = Literal["quiet", "alarm", "unknown"]


@dataclass(frozen=True)
class Finding:
    """A measured change, the larger the worse, and the T values that no change would give.

    What is not above `least` is no alarm, however sure it is. `lately` and `before` are how many
    ratings, items or users were compared.
    """

    kind: Kind
    value: float
    unchanged_T: Reals
    least: float
    lately: int
    before: int


@dataclass(frozen=True)
class Unknown:
    """A check that could not be made, and why, in plain words."""

    kind: Kind
    why: str


@dataclass(frozen=True)
class Check:
    """A check of one look: an alarm if `value` is above `threshold`.

    `p` is how often chance alone measures as much, for this check by itself. Of an unknown one
    there is only the reason.
    """

    kind: Kind
    state: State
    value: float | None = None
    threshold: float | None = None
    p: float | None = None
    lately: int = 0
    before: int = 0
    why: str = ""


def judge(found: Sequence[Finding | Unknown], false_alarms: float) -> tuple[Check, ...]:
    """Return the checks of one look, of which any is a false alarm with that probability at most.

    Raises ValueError if there are too few draws to be that sure.
    """
    family = sum(isinstance(one, Finding) for one in found)
    return tuple(
        _judge(one, false_alarms / family)
        if isinstance(one, Finding)
        else Check(one.kind, "unknown", why=one.why)
        for one in found
    )


def _judge(found: Finding, level: float) -> Check:
    draws = len(found.unchanged_T)
    allowed = math.floor(level * (draws + 1) + 1e-9)
    if allowed < 1:
        raise ValueError(f"{draws} draws cannot tell a false alarm in {level:g} of all looks")
    # Davison and Hinkley (1997), section 4.2.5: what was measured counts as one more draw.
    as_much = int((found.unchanged_T >= found.value).sum())
    chance = float(np.sort(found.unchanged_T)[draws - allowed])
    threshold = max(chance, found.least)
    return Check(
        found.kind,
        "alarm" if found.value > threshold else "quiet",
        value=found.value,
        threshold=threshold,
        p=(1 + as_much) / (1 + draws),
        lately=found.lately,
        before=found.before,
    )

"""What is searched for each option of a family: a range around the value that Beholder ships.

An option's kind decides how wide: what multiplies a loss or a step is searched on a logarithmic
scale, a share on a linear one. Around the shipped value and not the present one, so that a second
search goes on in the same space; a present value outside of it widens it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from components.errors import ParameterError
from components.family_params import Section
from components.params import Params

Values = dict[str, float | int]
Kind = Literal["log", "linear", "integer"]

SIGNIFICANT = 3

# How far from the shipped value, as a factor either way. Bergstra and Bengio (2012), "Random search
# for hyper-parameter optimization": a few options decide, by orders of magnitude.
_PRIOR_FACTOR, _RATE_FACTOR, _SIZE_FACTOR = 10.0, 5.0, 4.0
_SHARE_FACTOR, _SHARE_LEAST = 2.0, 0.5
_SIZES = ("factors",)
# Valid rows are rated regardless of time, so they tell nothing of a session.
_NOT_SEARCHED = {"averaging", "session_prior", "session_weight_prior"}
# An open upper bound is never asked for, nor what lies just below: there all rows would be struck.
_ROOM_BELOW_OPEN = 0.1


@dataclass(frozen=True)
class Range:
    """Where an option is searched, both ends included; `kind` says on which scale."""

    low: float
    high: float
    kind: Kind

    def holds(self, value: float) -> bool:
        """Say whether a value lies in the range."""
        return self.low <= value <= self.high


Space = dict[str, Range]


def make_space(shipped: Section, present: Section) -> Space:
    """Return the range of each option that is searched, by name; empty where there is none.

    Searched are positive numbers, shares, and whole numbers of factors. What says how long to
    learn, or what only costs time, is not.
    """
    space = {}
    for name, field in type(present).model_fields.items():
        searched = _range(name, field, getattr(shipped, name))
        if searched is not None:
            space[name] = _widen(searched, getattr(present, name))
    return space


def read_values(section: Section, space: Space) -> Values:
    """Return what stands in a section for each searched option."""
    return {name: getattr(section, name) for name in space}


def round_value(value: float, kind: Kind) -> float | int:
    """Return a value as it is tried and written: a whole number, or three significant digits."""
    return round(value) if kind == "integer" else float(f"{value:.{SIGNIFICANT}g}")


def put_values(params: Params, family: str, values: Mapping[str, float | int]) -> Params:
    """Return parameters that learn a family, with some of its options changed.

    Raises ParameterError for a family that does not exist.
    """
    names = sorted(type(params.families).model_fields)
    if family not in names:
        raise ParameterError(f"family {family!r} is none of {', '.join(names)}")
    content: dict[str, Any] = params.model_dump()
    content["train"]["family"] = family
    content["families"][family] |= values
    return Params.model_validate(content)


def _range(name: str, field: FieldInfo, shipped: Any) -> Range | None:
    if name in _NOT_SEARCHED:
        return None
    low, high = _bounds(field)
    if field.annotation is int and name.endswith(_SIZES):
        return Range(
            max(1, round(shipped / _SIZE_FACTOR)), round(shipped * _SIZE_FACTOR), "integer"
        )
    if field.annotation is not float:
        return None
    if low == Ge(0) and math.isfinite(high):
        return Range(0.0, min(high, max(_SHARE_LEAST, _SHARE_FACTOR * shipped)), "linear")
    if low == Gt(0):
        factor = _RATE_FACTOR if name.endswith("learning_rate") else _PRIOR_FACTOR
        return Range(shipped / factor, min(shipped * factor, high), "log")
    return None


def _bounds(field: FieldInfo) -> tuple[Ge | Gt | None, float]:
    """Return the lower bound as it is declared, and the highest value that is asked for."""
    low, high = None, math.inf
    for bound in field.metadata:
        if isinstance(bound, Ge | Gt):
            low = bound
        elif isinstance(bound, Le):
            high = float(str(bound.le))
        elif isinstance(bound, Lt):
            high = float(str(bound.lt)) - _ROOM_BELOW_OPEN
    return low, high


def _widen(searched: Range, present: float) -> Range:
    if searched.holds(present):
        return searched
    return Range(min(searched.low, present), max(searched.high, present), searched.kind)

"""Comparisons and trials as the gate reads them, made by hand."""

import math

from components.params import Gate, Limits, Slices
from components.promotion.comparison import Comparison, Score
from components.promotion.gate import TrialFacts
from components.statistics import Interval

GATE = Gate(
    level=0.95,
    bootstrap=400,
    seed=0,
    min_rows=30,
    min_users=10,
    slices=Slices(min_rows=20, min_users=5, margin=0.05, margins={}, must_hold=()),
    limits=Limits(
        max_latency_p50_ms=50, max_latency_p99_ms=100, max_memory_mb=1000, max_bundle_mb=500
    ),
)
PASSED = TrialFacts(True, (), 1e-6, 4.0, 9.0, 800.0, 20.0, 40.0, 30.0)
NAN = Interval(math.nan, math.nan, math.nan)


def score(rmse: float, digest: str = "c", *, family: str = "hybrid", non_finite: int = 0) -> Score:
    return Score(digest, family, Interval(rmse, rmse - 0.01, rmse + 0.01), non_finite)


def against_champion(low: float, high: float) -> Comparison:
    return Comparison(
        rows=100,
        users=20,
        learnt_by_champion=0,
        learnt_by_candidate=0,
        level=0.95,
        candidate=score(0.85),
        champion=score(0.9, "champion"),
        difference=Interval((low + high) / 2, low, high),
        ladder={},
        slices={},
    )

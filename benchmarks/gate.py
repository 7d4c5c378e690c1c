"""How often the gate is wrong: simulated retrainings whose truth is known.

    python benchmarks/gate.py [--retrainings 200] [--users 60] [--intervals 0]

A champion and a candidate are written as bundles, compared on drawn test rows and judged by the
policy of params.yaml, as in a retraining; only their learning is replaced, so that how good they
truly are is known. *Equal* ones err by the same amounts on other items: over all test rows that
there could be, their squared errors are the same to the last digit, in every slice. With
--intervals N, N samples for each number of users also show how often each kind of interval leads to
a wrong promotion, in easy worlds and in nasty ones.
"""

import argparse
import math
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from components.contrasts import contrast
from components.models.bundle import Bundle, save_bundle, seal_bundle
from components.models.catalogue import Catalogue, UserBook
from components.params import Gate, load_params
from components.promotion.comparison import compare
from components.promotion.gate import TrialFacts, Verdict, judge
from components.statistics import paired_bootstrap

PARAMS = Path(__file__).parents[1] / "params.yaml"
PASSED = TrialFacts(True, (), 0.0, 1.0, 2.0, 100.0, 1.0, 2.0, 1.0)
# What the candidate's errors by item are multiplied with; the champion's are 0.4 stars.
SITUATIONS = {"equal": 1.0, "better": 0.25, "worse": 1.75}

_CATEGORIES, _ITEMS_EACH, _ERROR = 4, 12, 0.4
_ITEMS = _CATEGORIES * _ITEMS_EACH
_DAY = 86_400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--retrainings", type=int, default=200)
    parser.add_argument("--users", type=int, default=60)
    parser.add_argument("--intervals", type=int, default=0)
    arguments = parser.parse_args()
    gate = load_params(PARAMS).gate
    print(
        f"{arguments.retrainings} retrainings each, {arguments.users} users, level {gate.level:g}: "
        f"{(1 - gate.level) / 2:.1%} of equal candidates may be promoted by chance"
    )
    for situation, scale in SITUATIONS.items():
        verdicts = list(simulate(gate, scale, arguments.retrainings, arguments.users))
        counts = Counter(verdict.decision for verdict in verdicts)
        low, high = wilson(counts["promote"], len(verdicts))
        rate = counts["promote"] / len(verdicts)
        print(
            f"{situation:<7} promoted {rate:6.1%} (95 % interval {low:.1%} to {high:.1%}), "
            f"rejected {counts['reject']}, inconclusive {counts['inconclusive']}"
        )
    if arguments.intervals:
        print_intervals(arguments.intervals)


def simulate(gate: Gate, scale: float, retrainings: int, users: int) -> Iterator[Verdict]:
    """Yield the verdict on each of some candidates whose errors are `scale` of the champion's."""
    for seed in range(retrainings):
        with tempfile.TemporaryDirectory(prefix="beholder-gate-") as folder:
            yield retrain(Path(folder), gate, scale, users, seed)


def retrain(folder: Path, gate: Gate, scale: float, users: int, seed: int) -> Verdict:
    """Return the verdict on one candidate.

    Within each category, and among its known and its new items apart, the candidate has the
    champion's errors on other items.
    """
    generator = np.random.default_rng(seed)
    quality_I = generator.normal(0, 0.5, _ITEMS)
    errors_I = generator.normal(0, _ERROR, _ITEMS)
    cells = errors_I.reshape(_CATEGORIES * 2, -1)
    moved_I = generator.permuted(cells, axis=1).reshape(-1)
    champion = _write(folder / "champion", quality_I + errors_I)
    candidate = _write(folder / "candidate", quality_I + scale * moved_I)
    test = _draw_rows(quality_I, users, generator)
    return judge(compare(candidate, champion, {}, test, gate), PASSED, gate)


def _draw_rows(quality_I: np.ndarray, users: int, generator: np.random.Generator) -> pd.DataFrame:
    """Return ratings by users who rate much or little, high or low, carefully or not."""
    rows_U = np.maximum(3, generator.lognormal(3, 1, users)).astype(int)
    user_N = np.repeat(np.arange(users), rows_U)
    item_N = generator.integers(0, _ITEMS, len(user_N))
    level_N = generator.normal(0, 0.4, users)[user_N]
    noise_N = generator.gamma(4, 0.2, users)[user_N] * generator.normal(0, 1, len(user_N))
    return pd.DataFrame(
        {
            "user_id": [f"u{user}" for user in user_N],
            "item_id": [f"i{item}" for item in item_N],
            "rating": 3 + quality_I[item_N] + level_N + noise_N,
            "timestamp": generator.integers(0, 365 * _DAY, len(user_N)),
        }
    )


def _write(folder: Path, bias_I: np.ndarray) -> Path:
    folder.mkdir()
    catalogue = Catalogue(
        pd.DataFrame(
            {
                "item_id": [f"i{item}" for item in range(_ITEMS)],
                "title": "",
                "category": [f"c{item // _ITEMS_EACH}" for item in range(_ITEMS)],
                "images": [[] for _ in range(_ITEMS)],
            }
        ),
        np.zeros((_ITEMS, 2), np.float32),
        np.zeros(_ITEMS, bool),
    )
    # The first half of each category was rated in training.
    known = [f"i{item}" for item in range(_ITEMS) if item % _ITEMS_EACH < _ITEMS_EACH // 2]
    learnt = pd.DataFrame({"user_id": "someone", "item_id": known, "rating": 3.0})
    learnt = learnt.assign(timestamp=np.arange(len(learnt)) * -_DAY)
    bundle = Bundle(
        family="biases",
        weights={
            "mean": np.array([3.0], np.float32),
            "item_bias": bias_I.astype(np.float32),
            "user_prior": np.array([5.0], np.float32),
        },
        catalogue=catalogue,
        users=UserBook.from_ratings(learnt, catalogue),
        scale=(-100.0, 100.0),  # clipping would favour one of them
        params={},
        inputs={},
        facts={},
    )
    save_bundle(bundle, folder)
    seal_bundle(folder)
    return folder


@dataclass(frozen=True)
class World:
    """Users whose rows, and whose difference between two equally good models, are spread so."""

    is_uneven: bool
    hard_hit: float  # the share of users for whom the candidate is worse, by as much as it is rare

    def draw(self, users: int, generator: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Return user codes and both models' squared errors."""
        rows_U = np.full(users, 20)
        if self.is_uneven:
            rows_U = np.maximum(1, generator.lognormal(3, 1.2, users)).astype(int)
        codes = np.repeat(np.arange(users), rows_U)
        if self.hard_hit:
            is_hit_U = generator.random(users) < self.hard_hit
            factor_U = np.where(is_hit_U, 1 + 0.2 * (1 / self.hard_hit - 1), 0.8)
            base_N = generator.chisquare(1, len(codes))
            return codes, factor_U[codes] * base_N, base_N
        hard_N = generator.gamma(2, 0.35, users)[codes]
        noise_N = generator.normal(0, 0.8, len(codes))
        a, b = (hard_N * (noise_N + generator.normal(0, 0.3, users)[codes]) ** 2 for _ in range(2))
        return codes, a, b


WORLDS = {
    "even": World(is_uneven=False, hard_hit=0),
    "uneven": World(is_uneven=True, hard_hit=0),
    "a fifth hit hard": World(is_uneven=True, hard_hit=0.2),
}


def print_intervals(samples: int) -> None:
    """Print how often equal models are told apart in the candidate's favour."""
    print(f"\nwrong promotions by the interval alone, of {samples} samples (2.5% by design)")
    print(f"{'world':<18}{'users':>6}{'percentile':>12}{'studentised':>13}")
    for name, world in WORLDS.items():
        for users in (10, 20, 30, 60, 200):
            generator = np.random.default_rng(users)
            percentile, studentised = 0, 0
            for _ in range(samples):
                codes, a, b = world.draw(users, generator)
                how = {"draws": 1000, "level": 0.95, "seed": int(generator.integers(1 << 31))}
                every = {"all": np.ones(len(codes), bool)}
                studentised += contrast(codes, a, b, every, **how)["all"].difference.high < 0
                percentile += paired_bootstrap(codes, a, b, **how).high < 0
            print(
                f"{name:<18}{users:>6}{percentile / samples:>12.1%}{studentised / samples:>13.1%}"
            )


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a share: Wilson (1927), "Probable inference"."""
    z, share = 1.959964, hits / trials
    centre = share + z**2 / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    return (centre - half) / (1 + z**2 / trials), (centre + half) / (1 + z**2 / trials)


if __name__ == "__main__":
    main()

"""How often looks raise an alarm while nothing changes: `make torture`; docs/monitoring.md."""

from collections import Counter

import numpy as np
import pytest

from components.monitoring import images, ratings, rmse, users
from components.monitoring.checks import Finding, judge
from tests.monitoring.making import rate

pytestmark = [pytest.mark.torture, pytest.mark.timeout(3600)]

LOOKS = 1000
DRAWS = 1000
# Test users, test ratings, users in service, ratings in service, tail of how much each gives, and
# by how much more than the test's pairs what is shown is predicted to be liked.
WORLDS = {
    "usual": (400, 6000, 120, 800, 3.0, 0.0),
    "few raters": (400, 6000, 25, 120, 3.0, 0.0),
    "small test": (100, 1000, 100, 800, 3.0, 0.0),
    "a few give most": (400, 6000, 120, 800, 1.5, 0.0),
    "good lists": (60, 480, 60, 1000, 3.0, 0.7),
}


def take_look(seed: int, world: tuple[int, int, int, int, float, float]) -> list[Finding]:
    """Return a look at a world in which nothing has changed; no change is too small for it."""
    test_users, test_rows, asked, rows, tail, liked = world
    generator = np.random.default_rng((seed, 1))
    options = {"least": 0.0, "draws": DRAWS, "seed": seed}
    promised = rate(2 * seed, users=test_users, rows=test_rows, tail=tail)
    online = rate(2 * seed + 1, users=asked, rows=rows, tail=tail, liked=liked)
    base = generator.normal(0, 1, (5, 32))
    looks = generator.normal(0, 1, (160, 5)) @ base + generator.normal(0, 1, (160, 32))
    known = [generator.random(count) < 0.7 for count in (asked, test_users)]
    often_U = generator.pareto(tail, asked) + 0.3
    return [
        rmse.find_rise(online, promised, **options),  # type: ignore[arg-type]
        ratings.find_shift(online, promised, **options),  # type: ignore[arg-type]
        images.find_shift(
            looks[:40].astype(np.float32),
            looks[40:].astype(np.float32),
            **options,  # type: ignore[arg-type]
        ),
        users.find_strangers(*known, **options),  # type: ignore[arg-type]
        users.find_activity(
            generator.poisson(often_U),
            generator.poisson(often_U),
            **options,  # type: ignore[arg-type]
        ),
    ]


@pytest.mark.parametrize("name", WORLDS)
def test_looks_at_a_world_that_stays_raise_no_more_false_alarms_than_stated(name: str):
    levels = (0.01, 0.05)
    alarms: Counter[float] = Counter()
    kinds: Counter[str] = Counter()
    for seed in range(LOOKS):
        found = take_look(seed, WORLDS[name])
        for level in levels:
            raised = [check.kind for check in judge(found, level) if check.state == "alarm"]
            alarms[level] += bool(raised)
            kinds.update(raised if level == levels[-1] else ())
    print(f"{name}: { ({level: alarms[level] / LOOKS for level in levels}) } {dict(kinds)}")
    for level in levels:
        # Three standard errors of a share that is counted in so many looks.
        assert alarms[level] / LOOKS <= level + 3 * (level * (1 - level) / LOOKS) ** 0.5

"""The demo's world: art prints and visitors as they truly are, and the ratings that follow.

    rating = round to half stars(clip(μ + b_u + b_i + ⟨taste_u, look_i⟩ + noise))

Tastes of people are alike: each leans some way along a few axes that all share, and has a little
that is its own. Every print and visitor is drawn from (seed, number) alone, so a later season
grows the same world. I prints, U visitors, N pairs, F features of a look, A axes of taste.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.data.looks import FEATURES, Floats, Look, draw_look, measure_looks
from components.errors import DataError

Ints = npt.NDArray[np.int64]

NOISE = 0.70  # standard deviations, all in stars
_TASTE = 0.66
_USER = 0.35
_ITEM_BY_LOOK = 0.30
_ITEM_BY_CHANCE = 0.10
_FASHION = 1.6
_MEAN = 3.3
_LEVELS = np.arange(0.5, 5.01, 0.5)

# What likings go together, in the order of FEATURES. Form counts for more than colour.
_AXES = (
    (0.0, 0.0, 0.0, -0.4, 0.5, 0.8),  # calm: sparse, round and in order
    (0.3, 0.3, -0.8, 0.3, 0.0, 0.0),  # bright: by day, warm, vivid and rather full
    (0.5, 0.2, 0.2, 0.7, 0.4, -0.1),  # lush: full, warm and round
)
_OWN_SHARE = 0.15  # of a taste's variance, in no direction that people share

FIRST_SECOND = 1_672_531_200  # 2023-01-01
_DAY = 86_400
_NEW_FOR_DAYS = 60  # how long a print draws more eyes than later
_NEW_BOOST = 3.0
_LATE_SHARE, _LATE_FROM, _LATE_TO = 0.15, 0.76, 0.97
_UNRATED_SHARE = 0.05
_POPULARITY_SPREAD = 0.8
_ACTIVITY_SPREAD = 0.5
_ARRIVES_BEFORE, _LEAVES_AFTER = 0.15, 0.85  # of a season

# What a stream of random numbers is for; with the seed and a number it names the stream.
_FOR_WORLD, _FOR_ITEM, _FOR_USER, FOR_PICTURE, _FOR_VISITS, _FOR_FASHION = range(6)


@dataclass(frozen=True)
class World:
    """I prints and U visitors as they truly are, and which pairs were rated.

    `released_I` and `ends` are seconds since 1970; `popularity_I` is 0 for prints that nobody
    will ever rate.
    """

    seed: int
    looks: tuple[Look, ...]
    effects_I: Floats
    popularity_I: Floats
    released_I: Ints
    biases_U: Floats
    tastes_UF: Floats
    activity_U: Floats
    rated: frozenset[tuple[int, int]]
    ends: int
    season: int

    def expect(self, users_N: Ints, items_N: Ints) -> Floats:
        """Return μ + b_u + b_i + ⟨taste_u, look_i⟩ of pairs, before noise and rounding."""
        features_IF = measure_looks(list(self.looks))
        dots_N = np.einsum("nf,nf->n", self.tastes_UF[users_N], features_IF[items_N])
        return _MEAN + self.biases_U[users_N] + self.effects_I[items_N] + dots_N


def begin(seed: int) -> World:
    """Return a world without prints or visitors, before its first season."""
    return World(
        seed,
        looks=(),
        effects_I=np.zeros(0),
        popularity_I=np.zeros(0),
        released_I=np.zeros(0, np.int64),
        biases_U=np.zeros(0),
        tastes_UF=np.zeros((0, len(FEATURES))),
        activity_U=np.zeros(0),
        rated=frozenset(),
        ends=FIRST_SECOND,
        season=-1,
    )


def grow(before: World, items: int, users: int, days: int) -> World:
    """Return the world with new prints and visitors, and an end `days` later."""
    season, ends = before.season + 1, before.ends + days * _DAY
    shared = stream(before, _FOR_WORLD).normal(size=len(FEATURES))
    quality_F = _ITEM_BY_LOOK * shared / np.linalg.norm(shared)
    first_item, first_user = len(before.looks), len(before.biases_U)
    looks, effects, popularity, released = [], [], [], []
    for number in range(first_item, first_item + items):
        rng = stream(before, _FOR_ITEM, number)
        looks.append(draw_look(rng))
        effects.append(rng.normal(0, _ITEM_BY_CHANCE))
        weight = rng.lognormal(0, _POPULARITY_SPREAD)
        popularity.append(0.0 if rng.random() < _UNRATED_SHARE else weight)
        is_late = rng.random() < _LATE_SHARE
        share = rng.uniform(_LATE_FROM, _LATE_TO) if is_late and season == 0 else 0.0
        released.append(before.ends + round(share * days * _DAY))
    streams = [stream(before, _FOR_USER, first_user + number) for number in range(users)]
    biases = [rng.normal(0, _USER) for rng in streams]
    tastes = [_draw_taste(rng) for rng in streams]
    activity = [rng.lognormal(0, _ACTIVITY_SPREAD) for rng in streams]
    return replace(
        before,
        looks=(*before.looks, *looks),
        effects_I=np.append(before.effects_I, np.array(effects) + measure_looks(looks) @ quality_F),
        popularity_I=np.append(before.popularity_I, popularity),
        released_I=np.append(before.released_I, np.array(released, np.int64)),
        biases_U=np.append(before.biases_U, biases),
        tastes_UF=np.concatenate([before.tastes_UF, np.reshape(tastes, (-1, len(FEATURES)))]),
        activity_U=np.append(before.activity_U, activity),
        ends=ends,
        season=season,
    )


def _draw_taste(rng: np.random.Generator) -> Floats:
    """Draw a taste (F,): leanings along the shared axes, and a little of everything."""
    axes_AF = np.array(_AXES)
    axes_AF /= np.linalg.norm(axes_AF, axis=1, keepdims=True)
    leanings_A = rng.normal(0, ((1 - _OWN_SHARE) / len(axes_AF)) ** 0.5, len(axes_AF))
    own_F = rng.normal(0, (_OWN_SHARE / len(FEATURES)) ** 0.5, len(FEATURES))
    return _TASTE * (leanings_A @ axes_AF + own_F)


def visit(world: World, begins: int, ratings: int) -> pd.DataFrame:
    """Return the ratings of a season with the true expectation of each, by time."""
    rng = stream(world, _FOR_VISITS, world.season)
    counts_U = _share_out(ratings, world.activity_U, _count_free(world, begins), rng)
    rows = []
    for user, count in enumerate(counts_U):
        rows += _visits_of(world, user, int(count), begins, rng)
    visits = np.array(rows, dtype=np.int64).reshape(-1, 3)
    users_N, items_N = visits[:, 0], visits[:, 1]
    latent_N = world.expect(users_N, items_N)
    table = pd.DataFrame(
        {
            "user": users_N,
            "item": items_N,
            "user_id": [user_id(user) for user in users_N],
            "item_id": [item_id(item) for item in items_N],
            "rating": rate(latent_N, rng),
            "timestamp": visits[:, 2],
            "expected": expect_rounded(latent_N, NOISE),
        }
    )
    return table.sort_values(["timestamp", "user_id", "item_id"]).reset_index(drop=True)


def rate(latent_N: Floats, rng: np.random.Generator) -> Floats:
    """Draw a rating of each pair whose expectation before noise and rounding is `latent`."""
    noisy_N = latent_N + rng.normal(0, NOISE, len(latent_N))
    return np.clip(np.floor(2 * noisy_N + 0.5) / 2, _LEVELS[0], _LEVELS[-1])


def turn_tastes(world: World) -> World:
    """Return the world in which a fashion has come: every taste leans one way that none did."""
    leaning_F = stream(world, _FOR_FASHION).normal(size=len(FEATURES))
    fashion_F = _FASHION * leaning_F / np.linalg.norm(leaning_F)
    return replace(world, tastes_UF=world.tastes_UF + fashion_F)


def _count_free(world: World, begins: int) -> Ints:
    """Return for each visitor how many prints there are to rate from the season's first second."""
    is_open_I = (world.popularity_I > 0) & (world.released_I <= begins)
    free_U = np.full(len(world.biases_U), is_open_I.sum(), dtype=np.int64)
    for user, item in world.rated:
        free_U[user] -= is_open_I[item]
    return free_U


def _share_out(ratings: int, activity_U: Floats, free_U: Ints, rng: np.random.Generator) -> Ints:
    """Draw how many ratings each visitor gives: by activity, and no more than are free."""
    if ratings > free_U.sum():
        raise DataError(
            f"demo: {ratings:,} ratings are wanted, {len(free_U)} visitors have {free_U.sum():,} "
            "pairs left to rate; ask for more prints, more visitors or fewer ratings"
        )
    counts_U = np.zeros(len(free_U), dtype=np.int64)
    while (left := ratings - int(counts_U.sum())) > 0:
        weights_U = activity_U * (counts_U < free_U)
        counts_U = np.minimum(counts_U + rng.multinomial(left, weights_U / weights_U.sum()), free_U)
    return counts_U


def _visits_of(
    world: World, user: int, count: int, begins: int, rng: np.random.Generator
) -> list[tuple[int, int, int]]:
    """Draw (user, item, second) for one visitor, active from early to late in the season."""
    length = world.ends - begins
    start, stop = (
        rng.uniform(0, _ARRIVES_BEFORE) * length,
        rng.uniform(_LEAVES_AFTER, 1) * length,
    )
    seconds = begins + np.sort(rng.uniform(start, stop, count)).astype(np.int64)
    is_free_I = np.array([(user, item) not in world.rated for item in range(len(world.looks))])
    visits = []
    for second in seconds:
        age_I = second - world.released_I
        fresh_I = np.where(age_I < _NEW_FOR_DAYS * _DAY, _NEW_BOOST, 1.0)
        weights_I = world.popularity_I * fresh_I * (age_I >= 0) * is_free_I
        total = np.cumsum(weights_I)
        item = int(np.searchsorted(total, rng.random() * total[-1], side="right"))
        is_free_I[item] = False
        visits.append((user, item, int(second)))
    return visits


def expect_rounded(latent_N: Floats, noise: float) -> Floats:
    """Return the mean of ratings that are `latent` plus Gaussian noise, rounded to half stars.

    Exact: every level from 0.5 to 5 times the probability between its neighbours' midpoints, the
    outermost levels taking the tails.
    """
    midpoints = (_LEVELS[1:] + _LEVELS[:-1]) / 2
    z = (midpoints[None, :] - latent_N[:, None]) / (noise * math.sqrt(2))
    below = 0.5 * (1 + np.vectorize(math.erf, otypes=[np.float64])(z))
    # A level's worth is the lowest plus half a star for each midpoint that is passed.
    return _LEVELS[0] + np.diff(_LEVELS) @ (1 - below).T


def stream(world: World, purpose: int, number: int = 0) -> np.random.Generator:
    """Return the random numbers for one purpose and one print or visitor."""
    return np.random.default_rng([world.seed, purpose, number])


def item_id(number: int) -> str:
    """Return the id that a print has in the files."""
    return f"print-{number + 1:04d}"


def user_id(number: int) -> str:
    """Return the id that a visitor has in the files."""
    return f"visitor-{number + 1:04d}"

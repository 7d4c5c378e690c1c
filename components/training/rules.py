"""The rule writer's rung: recency-weighted means by item and category, in closed form.

Dimension letters as in `components.models`, and G groups (items or categories).
"""

import numpy as np

from components.family_params import Rules
from components.models.catalogue import Catalogue, Ints, UserBook
from components.models.categories import Categories
from components.models.protocol import Weights
from components.training.ladder import mean_rating

_SECONDS_A_DAY = 86_400


def fit_rules(users: UserBook, catalogue: Catalogue, options: Rules) -> Weights:
    """Return the weights of `components.models.rules.Rules`.

    Categories are shrunk towards zero, items towards the mean of their categories: all of them,
    for which one a list names first says nothing (MovieLens names them by the alphabet).
    """
    mean = mean_rating(users)
    residuals_N = users.ratings_N.astype(np.float64) - mean
    categories = Categories.of(catalogue)
    rows, codes = categories.expand(users.items_N)
    of_categories_C = recent_levels(
        codes,
        residuals_N[rows],
        users.times_N[rows],
        parents_G=np.zeros(len(categories.names)),
        prior=options.category_prior,
        half_life_days=options.half_life_days,
    )
    of_items_I = recent_levels(
        users.items_N,
        residuals_N,
        users.times_N,
        parents_G=categories.average(of_categories_C),
        prior=options.prior,
        half_life_days=options.half_life_days,
    )
    return {"mean": np.array([mean], np.float32), "item_bias": of_items_I.astype(np.float32)}


def recent_levels(
    codes_N: Ints,
    residuals_N: np.ndarray,
    times_N: Ints,
    *,
    parents_G: np.ndarray,
    prior: float,
    half_life_days: float,
) -> np.ndarray:
    """Return each group's (n m + prior × parent) / (n + prior); the parent where nobody rated.

    m is the mean of the residuals, each weighted by w = 2^(−age / half-life) (Ding and Li 2005,
    "Time weight collaborative filtering"). n = (Σ w)² / Σ w² is how many ratings alike in age would
    say as much (Kish 1965, "Survey sampling", 8.2), so that a group is trusted for how much was
    said and not for how lately: its own newest rating is as good an origin of ages as any, and
    never underflows. Shrinking to a parent is partial pooling (Gelman and Hill 2007, ch. 12).
    """
    groups = len(parents_G)
    newest_G = np.full(groups, np.iinfo(np.int64).min)
    np.maximum.at(newest_G, codes_N, times_N)
    ages_N = (newest_G[codes_N] - times_N) / (_SECONDS_A_DAY * half_life_days)
    weights_N = np.exp2(-ages_N)
    total_G = np.bincount(codes_N, weights=weights_N, minlength=groups)
    squares_G = np.bincount(codes_N, weights=np.square(weights_N), minlength=groups)
    sums_G = np.bincount(codes_N, weights=weights_N * residuals_N, minlength=groups)
    is_rated_G = total_G > 0
    counts_G = np.square(total_G) / np.where(is_rated_G, squares_G, 1)
    means_G = sums_G / np.where(is_rated_G, total_G, 1)
    return (counts_G * means_G + prior * parents_G) / (counts_G + prior)

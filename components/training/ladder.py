"""The simplest rungs below every candidate, fitted in closed form: mean, popularity, biases."""

import numpy as np

from components.family_params import Nothing, Shrinkage
from components.models.catalogue import Catalogue, Floats, UserBook
from components.models.protocol import Weights

_SWEEPS = 20


def fit_mean(users: UserBook, catalogue: Catalogue, options: Nothing) -> Weights:
    """Return the weights of `components.models.biases.Mean`."""
    return {"mean": np.array([mean_rating(users)], np.float32)}


def fit_popularity(users: UserBook, catalogue: Catalogue, options: Shrinkage) -> Weights:
    """Return the weights of `components.models.biases.Popularity`."""
    mean = mean_rating(users)
    bias_I = shrunk_means(users.items_N, users.ratings_N - mean, len(catalogue), options.prior)
    return {"mean": np.array([mean], np.float32), "item_bias": bias_I}


def fit_biases_rung(users: UserBook, catalogue: Catalogue, options: Shrinkage) -> Weights:
    """Return the weights of `components.models.biases.Biases`."""
    return {
        "mean": np.array([mean_rating(users)], np.float32),
        "item_bias": fit_biases(users, len(catalogue), options.prior)[1],
        "user_prior": np.array([options.prior], np.float32),
    }


def mean_rating(users: UserBook) -> np.float32:
    """Return μ, the mean of all ratings."""
    return np.float32(users.ratings_N.mean(dtype=np.float64))


def fit_biases(users: UserBook, items: int, prior: float) -> tuple[Floats, Floats]:
    """Return (b_U, b_I) that minimise Σ (r − μ − b_u − b_i)² + prior × (Σ b_u² + Σ b_i²).

    Alternating exact minimisation, users last: so b_u is the shrunk mean of what the items'
    biases leave over, as `components.models.biases.Biases` computes it again from a history.
    """
    user_N = np.repeat(np.arange(len(users)), np.diff(users.offsets))
    centred_N = users.ratings_N.astype(np.float64) - mean_rating(users)
    bias_U, bias_I = np.zeros(len(users)), np.zeros(items)
    for _ in range(_SWEEPS):
        bias_I = shrunk_means(users.items_N, centred_N - bias_U[user_N], items, prior)
        bias_U = shrunk_means(user_N, centred_N - bias_I[users.items_N], len(users), prior)
    return bias_U.astype(np.float32), bias_I.astype(np.float32)


def shrunk_means(
    codes_N: np.ndarray, values_N: np.ndarray, groups: int, prior: float
) -> np.ndarray:
    """Return Σ values / (rows + prior) of each group; zero for a group without rows."""
    rows_G = np.bincount(codes_N, minlength=groups)
    sums_G = np.bincount(codes_N, weights=values_N, minlength=groups)
    return (sums_G / (rows_G + prior)).astype(np.float32)

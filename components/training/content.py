"""Content alone, in closed form: how everybody takes to looks.

Dimension letters as in `components.models`, and K features of an item.
"""

import numpy as np

from components.family_params import Content, NewItems
from components.models.catalogue import Floats, UserBook
from components.models.protocol import Weights
from components.training.ladder import mean_rating, shrunk_means

_SWEEPS = 20


def fit_content(users: UserBook, looks_IK: Floats, options: Content) -> Weights:
    """Return what `components.models.content.Content` reads, but for the image statistics."""
    priors_K = np.full(looks_IK.shape[1], options.image_bias_prior)
    return {
        "mean": np.array([mean_rating(users)], np.float32),
        "image": fit_likings(users, looks_IK, priors_K, options),
        "user_priors": np.array([options.bias_prior, options.taste_prior], np.float32),
    }


def fit_likings(
    users: UserBook, features_IK: Floats, priors_K: np.ndarray, options: Content | NewItems
) -> Floats:
    """Return how everybody takes to items' features, w (K,).

    By turns: each user's level b_u is the shrunk mean of what the features leave over, as it will
    be when asked; and w is the ridge solution of the items' mean residuals y_i on their features,

        w = argmin Σ_i n_i p / (n_i + p) (y_i − ⟨w, f_i⟩)² + Σ_k prior_k w_k²

    where p is `item_prior`: n_i ratings tell an item's level with variance σ² / n_i, and the
    features with σ² / p (generalised least squares: Aitken 1935), so that the most rated items do
    not decide alone.
    """
    mean, items = mean_rating(users), len(features_IK)
    user_N = np.repeat(np.arange(len(users)), np.diff(users.offsets))
    centred_N = users.ratings_N.astype(np.float64) - mean
    counts_I = np.bincount(users.items_N, minlength=items)
    weights_I = counts_I * options.item_prior / (counts_I + options.item_prior)
    features_IK = features_IK.astype(np.float64)
    weighted_KI = features_IK.T * weights_I
    normal_KK = weighted_KI @ features_IK + np.diag(priors_K)
    likings_K: np.ndarray = np.zeros(features_IK.shape[1])
    for _ in range(_SWEEPS):
        left_N = centred_N - (features_IK @ likings_K)[users.items_N]
        level_U = shrunk_means(user_N, left_N, len(users), options.bias_prior)
        sums_I = np.bincount(users.items_N, centred_N - level_U[user_N], minlength=items)
        likings_K = np.linalg.solve(normal_KK, weighted_KI @ (sums_I / np.maximum(counts_I, 1)))
    return likings_K.astype(np.float32)

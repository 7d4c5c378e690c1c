"""The peers: which algorithms of which libraries, with which options."""

from dataclasses import dataclass
from itertools import product
from typing import Any

Options = dict[str, Any]

# The peer whose seconds ours are measured by.
SVDPP = "Surprise SVD++"


@dataclass(frozen=True)
class Peer:
    """An algorithm with its library's default options, or the best of a `grid` on valid rows.

    Options are those of the library's constructor; `whole_catalogue` is our worker's own, see
    there.
    """

    name: str
    label: str
    library: str
    algorithm: str
    sees_images: bool = False
    grid: tuple[Options, ...] = ()


def _cross(**choices: tuple[Any, ...]) -> list[Options]:
    """Return every combination of the choices, the last varying fastest."""
    return [dict(zip(choices, chosen, strict=True)) for chosen in product(*choices.values())]


# Alternating least squares, and how strongly biases are pulled to zero (10 and 15 by default).
_BASELINE_GRID = tuple(
    {"bsl_options": {"method": "als", "n_epochs": 20, **cell}}
    for cell in _cross(reg_i=(2, 5, 10), reg_u=(5, 15, 40))
)
# Between items rather than users, by the correlation of residuals: what its authors recommend.
_NEIGHBOURS_GRID = tuple(
    {
        "min_k": cell["min_k"],
        "sim_options": {
            "name": "pearson_baseline",
            "user_based": False,
            "shrinkage": cell["shrinkage"],
        },
    }
    for cell in _cross(shrinkage=(25, 50, 100), min_k=(1, 3, 5))
)
# More factors for longer, pulled harder: the default of 0.02 overfits so few ratings.
_SVDPP_GRID = tuple(
    {"cache_ratings": True, **cell}
    for cell in ({}, *_cross(n_factors=(20, 50), n_epochs=(40,), reg_all=(0.1,)))
)
# Ten times the batch and five times the step: a sixth of the time. Pulled alike in all parts, and
# told of every item, it rates new ones from their pictures.
_VMF_GRID = tuple(
    {
        "batch_size": 1000,
        "learning_rate": 0.005,
        "n_epochs": 60,
        "lambda_u": weight,
        "lambda_v": weight,
        "lambda_p": weight,
        "lambda_e": weight,
        "whole_catalogue": True,
    }
    for weight in (0.05, 0.1)
)

PEERS = (
    Peer("surprise-baseline", "Surprise BaselineOnly", "surprise", "BaselineOnly"),
    Peer("surprise-svd", "Surprise SVD", "surprise", "SVD"),
    Peer("surprise-svdpp", SVDPP, "surprise", "SVDpp"),
    Peer("surprise-knn", "Surprise KNNBaseline", "surprise", "KNNBaseline"),
    Peer("cornac-mf", "Cornac MF", "cornac", "MF"),
    Peer("cornac-pmf", "Cornac PMF", "cornac", "PMF"),
    Peer("cornac-vmf", "Cornac VMF", "cornac", "VMF", sees_images=True),
    Peer(
        "surprise-baseline-tuned",
        "Surprise BaselineOnly, tuned",
        "surprise",
        "BaselineOnly",
        grid=_BASELINE_GRID,
    ),
    Peer("surprise-svdpp-tuned", f"{SVDPP}, tuned", "surprise", "SVDpp", grid=_SVDPP_GRID),
    Peer(
        "surprise-knn-tuned",
        "Surprise KNNBaseline, tuned",
        "surprise",
        "KNNBaseline",
        grid=_NEIGHBOURS_GRID,
    ),
    Peer(
        "cornac-vmf-tuned",
        "Cornac VMF, tuned",
        "cornac",
        "VMF",
        sees_images=True,
        grid=_VMF_GRID,
    ),
)

"""Matrix factorization's torch form beside its closed-form answers."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch

from components.models.catalogue import Catalogue, UserBook
from components.models.families import build
from components.models.protocol import Asker
from components.params import Params
from components.training.families import LEARNERS, Setting
from components.training.tensors import Interactions


def test_users_solved_from_history_equal_those_of_a_converged_fit(
    choose: Callable[..., Params],
) -> None:
    params = choose(family="mf", factor_prior=2.0, bias_prior=2.0, factors=2)
    items = pd.DataFrame({"item_id": [f"i{n}" for n in range(6)]})
    catalogue = Catalogue(items, np.zeros((6, 1), np.float32), np.zeros(6, bool))
    drawn = np.random.default_rng(0)
    pairs = [(u, i) for u in range(8) for i in range(5)]
    ratings = pd.DataFrame(
        {
            "user_id": [f"u{u}" for u, _ in pairs],
            "item_id": [f"i{i}" for _, i in pairs],
            "rating": 3 + drawn.normal(size=len(pairs)),
            "timestamp": 0,
        }
    )
    book = UserBook.from_ratings(ratings, catalogue)
    interactions = Interactions.from_book(book, 6, "cpu")
    generator = torch.Generator().manual_seed(0)
    learner = LEARNERS["mf"](Setting(book, interactions, catalogue, {}, params.options, generator))
    module = learner.module()
    optimizer = torch.optim.LBFGS(module.parameters(), max_iter=500, line_search_fn="strong_wolfe")
    from components.training.learner import Rows

    rows = Rows(interactions.users_N, interactions.items_N)

    def objective() -> torch.Tensor:
        optimizer.zero_grad()
        errors = learner.rate(rows, None) - interactions.ratings_N
        loss = errors.square().sum() + learner.penalty()
        loss.backward()
        return loss

    optimizer.step(objective)
    model = build("mf", learner.export(), catalogue, book)
    side = model.fold_users([Asker(user, book.history(user)) for user in range(8)])
    solved = np.concatenate([side.vectors_BD, side.bias_B[:, None]], axis=1)
    np.testing.assert_allclose(solved, module.user.detach().numpy(), atol=2e-3)
    assert model.known_items().paths == ("factors",) * 5 + ("prior",)
    assert not model.known_items().vectors_BD[5].any()

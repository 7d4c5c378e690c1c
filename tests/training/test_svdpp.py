"""SVD++'s torch form beside its formula and its closed-form answers."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch

from components.models.catalogue import UNKNOWN, Catalogue, History, UserBook
from components.models.families import build
from components.models.protocol import Asker, Recommender, rate_pairs
from components.params import Params
from components.training.families import LEARNERS, Setting
from components.training.learner import Rows
from components.training.svdpp import SvdPlusPlusLearner
from components.training.tensors import Interactions

ITEMS, USERS = 6, 8


@pytest.fixture
def catalogue() -> Catalogue:
    items = pd.DataFrame({"item_id": [f"i{n}" for n in range(ITEMS)]})
    return Catalogue(items, np.zeros((ITEMS, 1), np.float32), np.zeros(ITEMS, dtype=bool))


@pytest.fixture
def book(catalogue: Catalogue) -> UserBook:
    """User u rated the first u items but for the last, which nobody rated; one rated a single."""
    drawn = np.random.default_rng(0)
    pairs = [(u, i) for u in range(USERS) for i in range(1 + u % (ITEMS - 1))]
    ratings = pd.DataFrame(
        {
            "user_id": [f"u{u}" for u, _ in pairs],
            "item_id": [f"i{i}" for _, i in pairs],
            "rating": 3 + drawn.normal(size=len(pairs)),
            "timestamp": 0,
        }
    )
    return UserBook.from_ratings(ratings, catalogue)


@pytest.fixture
def learner(
    choose: Callable[..., Params], book: UserBook, catalogue: Catalogue
) -> SvdPlusPlusLearner:
    params = choose(family="svdpp", factor_prior=2.0, bias_prior=2.0, history_prior=1.0, factors=2)
    interactions = Interactions.from_book(book, ITEMS, "cpu")
    generator = torch.Generator().manual_seed(0)
    setting = Setting(book, interactions, catalogue, {}, params.options, generator)
    made = LEARNERS["svdpp"](setting)
    assert isinstance(made, SvdPlusPlusLearner)
    with torch.no_grad():
        made.reads.copy_(torch.randn(made.reads.shape, generator=generator))
    return made


def make_rows(book: UserBook, *, own: bool) -> Rows:
    given = Interactions.from_book(book, ITEMS, "cpu")
    return Rows(given.users_N, given.items_N, torch.arange(len(given)) if own else None)


@pytest.mark.parametrize("own", [True, False])
def test_rating_is_the_formula_row_by_row(
    learner: SvdPlusPlusLearner, book: UserBook, own: bool
) -> None:
    rows = make_rows(book, own=own)
    user, item, reads = (p.detach().numpy() for p in (learner.user, learner.item, learner.reads))
    expected = []
    for u, i in zip(rows.users_B.tolist(), rows.items_B.tolist(), strict=True):
        read = [j for j in book.history(u).items_N if not (own and j == i)]
        said = reads[read].sum(0) / np.sqrt(max(len(read), 1))
        dot = (user[u, :-1] + said) @ item[i, :-1]
        expected.append(book.ratings_N.mean(dtype=float) + user[u, -1] + item[i, -1] + dot)
    rated = learner.rate(rows, None).detach().numpy()
    np.testing.assert_allclose(rated, expected, atol=1e-5)


def test_strangers_to_training_get_the_prior(learner: SvdPlusPlusLearner, book: UserBook) -> None:
    unknown = torch.tensor([UNKNOWN, UNKNOWN, 0])
    rated = learner.rate(Rows(unknown, torch.tensor([0, ITEMS - 1, ITEMS - 1])), None)
    user, item = learner.user.detach(), learner.item.detach()
    mean = float(book.ratings_N.mean(dtype=float))
    expected = [mean + float(item[0, -1]), mean, mean + float(user[0, -1])]
    assert rated.tolist() == pytest.approx(expected, abs=1e-5)


def converge(learner: SvdPlusPlusLearner, book: UserBook) -> None:
    rows = make_rows(book, own=True)
    ratings_N = torch.tensor(book.ratings_N)
    optimizer = torch.optim.LBFGS(learner.parameters(), max_iter=300, line_search_fn="strong_wolfe")

    def objective() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (learner.rate(rows, None) - ratings_N).square().sum() + learner.penalty()
        loss.backward()
        return loss

    optimizer.step(objective)


@pytest.fixture
def model(learner: SvdPlusPlusLearner, book: UserBook, catalogue: Catalogue) -> Recommender:
    converge(learner, book)
    return build("svdpp", learner.export(), catalogue, book)


def test_users_solved_from_history_equal_those_of_a_converged_fit(
    learner: SvdPlusPlusLearner, model: Recommender, book: UserBook
) -> None:
    users, items = np.repeat(np.arange(USERS), ITEMS), np.tile(np.arange(ITEMS), USERS)
    side = model.fold_users([Asker(user, book.history(user)) for user in range(USERS)])
    solved = rate_pairs(model.mean, side.take(users), model.known_items().take(items))
    with torch.no_grad():
        learnt = learner.rate(Rows(torch.from_numpy(users), torch.from_numpy(items)), None)
    np.testing.assert_allclose(solved, learnt.numpy(), atol=2e-3)
    assert set(side.paths) == {"factors"}
    assert model.known_items().paths == ("factors",) * (ITEMS - 1) + ("prior",)
    assert not model.known_items().vectors_BD[ITEMS - 1].any()


def test_new_user_with_a_history_is_as_well_off_as_one_who_was_learnt(
    model: Recommender, book: UserBook
) -> None:
    history = book.history(4)
    side = model.fold_users([Asker(4, history), Asker(UNKNOWN, history)])
    np.testing.assert_array_equal(side.vectors_BD[0], side.vectors_BD[1])
    assert side.vectors_BD[0].any()
    assert side.paths == ("factors", "history")


def test_what_was_rated_speaks_even_where_the_rating_says_nothing(
    learner: SvdPlusPlusLearner, book: UserBook, catalogue: Catalogue
) -> None:
    weights = learner.export()
    model = build("svdpp", weights, catalogue, book)
    expected = model.mean + float(weights["item_bias"][1])
    history = History(np.array([1]), np.float32([expected]), np.array([0]))
    side = model.fold_users([Asker(UNKNOWN, history)])
    np.testing.assert_allclose(side.vectors_BD[0], weights["item_reads"][1], atol=1e-6)
    assert side.bias_B[0] == pytest.approx(0, abs=1e-6)


def test_own_row_is_left_out_without_a_trace(learner: SvdPlusPlusLearner, book: UserBook) -> None:
    row = int(book.offsets[0])  # the only rating of the first user
    user, item = torch.tensor([0]), torch.tensor(book.items_N[row : row + 1])
    with torch.no_grad():
        before = learner.rate(Rows(user, item, torch.tensor([row])), None)
        learner.reads[item] += 100
        after = learner.rate(Rows(user, item, torch.tensor([row])), None)
    assert after.tolist() == pytest.approx(before.tolist())


def test_own_reading_gets_no_gradient_from_its_own_row(
    learner: SvdPlusPlusLearner, book: UserBook
) -> None:
    user = 4
    row = int(book.offsets[user])
    item = int(book.items_N[row])
    rated = learner.rate(
        Rows(torch.tensor([user]), torch.tensor([item]), torch.tensor([row])), None
    )
    rated.sum().backward()
    gradient_ID = learner.reads.grad
    assert gradient_ID is not None
    np.testing.assert_allclose(gradient_ID[item], 0, atol=1e-6)
    others = [other for other in book.history(user).items_N.tolist() if other != item]
    assert all(gradient_ID[other].abs().sum() > 1e-4 for other in others)

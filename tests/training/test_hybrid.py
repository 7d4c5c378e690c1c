"""The hybrid's torch form: its histories, what is left out of them, and its other half in numpy."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from components.models.catalogue import UNKNOWN, Catalogue, UserBook
from components.models.families import build
from components.models.protocol import Asker
from components.params import Params
from components.paths import Workspace
from components.training.families import LEARNERS, Setting, fit_statistics
from components.training.inputs import read_catalogue, read_ratings, read_vectors
from components.training.learner import Learner, Rows
from components.training.tensors import Interactions


@pytest.fixture
def catalogue(workspace: Workspace) -> Catalogue:
    return read_catalogue(workspace, read_vectors(workspace))


@pytest.fixture
def book(workspace: Workspace, catalogue: Catalogue) -> UserBook:
    return UserBook.from_ratings(read_ratings(workspace, split=True), catalogue)


def make(params: Params, book: UserBook, catalogue: Catalogue) -> tuple[Learner, Interactions]:
    """Return a learner whose every parameter is drawn, so that no part hides behind a zero."""
    generator = torch.Generator().manual_seed(3)
    interactions = Interactions.from_book(book, len(catalogue), "cpu")
    statistics = fit_statistics(catalogue, params.options)
    setting = Setting(book, interactions, catalogue, statistics, params.options, generator)
    learner = LEARNERS["hybrid"](setting)
    for parameter in learner.module().parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.1
    return learner, interactions


def answer(
    learner: Learner, params: Params, book: UserBook, catalogue: Catalogue, pairs: list[tuple]
) -> np.ndarray:
    weights = {**fit_statistics(catalogue, params.options), **learner.export()}
    model = build("hybrid", weights, catalogue, book)
    users = model.fold_users([Asker(user, book.history(user)) for user, _ in pairs])
    items = model.known_items().take(np.array([item for _, item in pairs]))
    dots_B = (users.vectors_BD * items.vectors_BD).sum(1)
    return model.mean + users.bias_B + items.bias_B + dots_B


def test_answering_side_gives_what_the_trainer_has(
    choose: Callable[..., Params], book: UserBook, catalogue: Catalogue
) -> None:
    params = choose()
    learner, _ = make(params, book, catalogue)
    items = len(catalogue)
    pairs = [(u, i) for u in (0, 3, 7, UNKNOWN) for i in (0, 5, items - 3, items - 1)]
    rows = Rows(*(torch.tensor(codes) for codes in zip(*pairs, strict=True)))
    theirs = learner.rate(rows, None).detach().numpy()
    ours = answer(learner, params, book, catalogue, pairs)
    np.testing.assert_allclose(ours, theirs, atol=2e-5)
    assert np.ptp(theirs) > 0.1


def test_learnt_row_is_predicted_as_if_it_stood_in_no_history(
    choose: Callable[..., Params], book: UserBook, catalogue: Catalogue
) -> None:
    params = choose()
    learner, interactions = make(params, book, catalogue)
    row = 11
    user, item = int(interactions.users_N[row]), int(interactions.items_N[row])
    keep_N = np.arange(len(book.items_N)) != row
    counts_U = np.diff(book.offsets) - (np.arange(len(book)) == user)
    without = UserBook(
        book.user_ids,
        np.concatenate([[0], np.cumsum(counts_U)]),
        book.items_N[keep_N],
        book.ratings_N[keep_N],
        book.times_N[keep_N],
    )
    asked = Rows(torch.tensor([user]), torch.tensor([item]), torch.tensor([row]))
    learnt = float(learner.rate(asked, None).detach())
    expected = answer(learner, params, without, catalogue, [(user, item)])[0]
    assert learnt == pytest.approx(expected, abs=2e-5)
    whole = answer(learner, params, book, catalogue, [(user, item)])[0]
    assert abs(whole - expected) > 1e-3


def test_struck_rows_look_like_unknown_users_and_items(
    choose: Callable[..., Params], book: UserBook, catalogue: Catalogue
) -> None:
    params = choose(id_dropout=0.999999, history_dropout=0.999999)
    learner, interactions = make(params, book, catalogue)
    unrated = len(catalogue) - 3
    struck = learner.rate(
        Rows(interactions.users_N[:1], torch.tensor([unrated])), torch.Generator().manual_seed(0)
    )
    unknown = learner.rate(Rows(torch.tensor([UNKNOWN]), torch.tensor([unrated])), None)
    torch.testing.assert_close(struck, unknown)


def test_new_user_with_a_history_is_not_the_known_one_but_close_to_nobody(
    choose: Callable[..., Params], book: UserBook, catalogue: Catalogue
) -> None:
    learner, _ = make(choose(), book, catalogue)
    weights = {**fit_statistics(catalogue, choose().options), **learner.export()}
    model = build("hybrid", weights, catalogue, book)
    side = model.fold_users([Asker(0, book.history(0)), Asker(UNKNOWN, book.history(0))])
    expected = weights["user"][0, :-1] - weights["new_user"][:-1]
    np.testing.assert_allclose(side.vectors_BD[0] - side.vectors_BD[1], expected, atol=1e-6)
    assert side.paths == ("factors", "history")


def test_penalty_grows_with_each_block_by_its_own_prior(
    choose: Callable[..., Params], book: UserBook, catalogue: Catalogue
) -> None:
    params = choose(image_prior=7.0, image_history_prior=11.0, factor_prior=3.0, bias_prior=2.0)
    learner, _ = make(params, book, catalogue)
    module = learner.module()
    for parameter in module.parameters():
        parameter.data.zero_()
    assert float(learner.penalty().detach()) == 0
    module.image.data[0, 0] = 1
    module.image_how.data[0, 0] = 1
    module.user.data[0, 0] = 1
    module.user.data[0, -1] = 1
    assert float(learner.penalty().detach()) == pytest.approx(7 + 11 + 3 + 2)

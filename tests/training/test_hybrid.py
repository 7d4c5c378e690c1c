"""The hybrid's torch form: its histories, what is left out of them, and its other half in numpy."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from components.models.catalogue import UNKNOWN, Catalogue, UserBook
from components.models.families import build
from components.models.protocol import Asker, Weights
from components.params import Params
from components.paths import Workspace
from components.training.families import LEARNERS, Setting, fit_statistics
from components.training.hybrid import Histories
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


def weights_of(learner: Learner, params: Params, catalogue: Catalogue) -> Weights:
    return {**fit_statistics(catalogue, params.options), **learner.export()}


def answer(
    learner: Learner, params: Params, book: UserBook, catalogue: Catalogue, pairs: list[tuple]
) -> np.ndarray:
    model = build("hybrid", weights_of(learner, params, catalogue), catalogue, book)
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


def test_rating_of_a_learnt_row_does_not_reach_its_own_prediction(
    choose: Callable[..., Params], book: UserBook, catalogue: Catalogue
) -> None:
    row = 11
    learner, interactions = make(choose(), book, catalogue)
    rows = Rows(interactions.users_N, interactions.items_N, torch.arange(len(interactions)))
    before = learner.rate(rows, None).detach()
    # Only the biases, fitted before, may know of a rating: so it is changed behind their back.
    interactions.ratings_N[row] += 1
    module = learner.module()
    residuals = module._of_items.residuals_N.clone()
    residuals[row] += 1
    module._of_items = Histories.of(interactions, residuals, module._base_U)
    after = learner.rate(rows, None).detach()
    assert float(after[row]) == pytest.approx(float(before[row]), abs=1e-4)
    of_user = torch.nonzero(interactions.users_N == interactions.users_N[row])[:, 0]
    others = of_user[of_user != row]
    assert float((after - before)[others].abs().min()) > 1e-4


def test_learnt_rows_are_rated_the_same_alone_and_among_others(
    choose: Callable[..., Params], book: UserBook, catalogue: Catalogue
) -> None:
    learner, interactions = make(choose(), book, catalogue)
    everything = torch.arange(len(interactions))
    rows = Rows(interactions.users_N, interactions.items_N, everything)
    all_of_them = learner.rate(rows, None).detach()
    some = torch.tensor([31, 4, 17, 4])
    asked = Rows(interactions.users_N[some], interactions.items_N[some], some)
    torch.testing.assert_close(learner.rate(asked, None).detach(), all_of_them[some])


def test_batches_hold_every_rating_once_and_whole_users(
    choose: Callable[..., Params], book: UserBook, catalogue: Catalogue
) -> None:
    learner, interactions = make(choose(batches=3), book, catalogue)
    batches = list(learner.batches(torch.Generator().manual_seed(0)))
    assert len(batches) == 3
    assert sorted(torch.cat([batch.own_B for batch in batches]).tolist()) == list(
        range(len(interactions))
    )
    users = [set(batch.users_B.tolist()) for batch in batches]
    assert sum(map(len, users)) == len(set.union(*users)) == len(book)


def test_struck_row_is_rated_as_if_nobody_knew_its_user(
    choose: Callable[..., Params], book: UserBook, catalogue: Catalogue
) -> None:
    learner, interactions = make(choose(history_dropout=0.999999), book, catalogue)
    own = torch.tensor([0])
    rows = Rows(interactions.users_N[:1], interactions.items_N[:1], own)
    struck = learner.rate(rows, torch.Generator().manual_seed(0))
    # The row's own rating is left out of its item, so another user's rating must not show either.
    interactions.ratings_N[1] += 1
    again = learner.rate(rows, torch.Generator().manual_seed(0))
    assert torch.equal(struck, again)
    assert not torch.equal(learner.rate(rows, None), struck)


def test_new_user_with_a_history_is_answered_like_the_known_one(
    choose: Callable[..., Params], book: UserBook, catalogue: Catalogue
) -> None:
    learner, _ = make(choose(), book, catalogue)
    model = build("hybrid", weights_of(learner, choose(), catalogue), catalogue, book)
    side = model.fold_users([Asker(0, book.history(0)), Asker(UNKNOWN, book.history(0))])
    np.testing.assert_array_equal(side.vectors_BD[0], side.vectors_BD[1])
    assert side.bias_B[0] == side.bias_B[1]
    assert side.paths == ("factors", "history")


def test_mood_of_a_session_counts_for_rated_and_for_new_items(
    choose: Callable[..., Params], book: UserBook, catalogue: Catalogue
) -> None:
    learner, _ = make(choose(), book, catalogue)
    weights = weights_of(learner, choose(), catalogue)
    weights["session_weights"] = np.zeros_like(weights["session_weights"])
    weights["session_weights"][:, 0] = (1.0, 3.0)  # the scale of a minute
    model = build("hybrid", weights, catalogue, book)
    history = book.history(0)
    last = int(history.times_N.max())
    side = model.fold_users([Asker(0, history, now) for now in (None, last + 1, last + 10**6)])
    items = model.known_items()
    rated = side.vectors_BD @ items.vectors_BD.T + side.bias_B[:, None]
    moved = rated[1] - rated[0]
    is_new = ~np.isin(np.arange(len(catalogue)), book.items_N)
    assert abs(moved[~is_new][0]) > 1e-3
    np.testing.assert_allclose(moved[~is_new], moved[~is_new][0], atol=1e-5)
    np.testing.assert_allclose(moved[is_new], 3 * moved[~is_new][0], atol=1e-5)
    np.testing.assert_allclose(rated[2], rated[0], atol=1e-5)


def test_upload_is_rated_as_if_nobody_had_rated_it_in_the_catalogue(
    choose: Callable[..., Params], book: UserBook, catalogue: Catalogue
) -> None:
    learner, _ = make(choose(), book, catalogue)
    weights = weights_of(learner, choose(), catalogue)
    new = int(np.flatnonzero(~np.isin(np.arange(len(catalogue)), book.items_N))[0])
    looks = len(weights["new_likings"]) - weights["category"].shape[0]
    weights["new_likings"][looks:] = 0  # an upload has no categories
    model = build("hybrid", weights, catalogue, book)
    uploaded = model.fold_items(catalogue.embeddings_IE[[new]])
    np.testing.assert_allclose(
        uploaded.vectors_BD[0, :looks], model.known_items().vectors_BD[new, :looks], atol=1e-6
    )
    assert uploaded.bias_B[0] == pytest.approx(model.known_items().bias_B[new], abs=1e-6)


def test_categories_move_the_ratings_of_items_that_nobody_rated(
    choose: Callable[..., Params], book: UserBook, catalogue: Catalogue
) -> None:
    learner, _ = make(choose(), book, catalogue)
    weights = weights_of(learner, choose(), catalogue)
    model = build("hybrid", weights, catalogue, book)
    looks = len(weights["new_likings"]) - weights["category"].shape[0]
    weights["new_likings"][looks:] = 0
    without = build("hybrid", weights, catalogue, book)
    rated = np.isin(np.arange(len(catalogue)), book.items_N)
    moved = np.abs(model.known_items().bias_B - without.known_items().bias_B)
    assert moved[~rated].max() > 1e-4
    assert not moved[rated].any()


def test_penalty_grows_with_each_block_by_its_own_prior(
    choose: Callable[..., Params], book: UserBook, catalogue: Catalogue
) -> None:
    priors = {"image_prior": 7.0, "category_bias_prior": 11.0, "factor_prior": 3.0}
    learner, _ = make(choose(**priors, bias_prior=2.0, history_prior=13.0), book, catalogue)
    module = learner.module()
    for parameter in module.parameters():
        parameter.data.zero_()
    assert float(learner.penalty().detach()) == 0
    module.image.data[0, 0] = 1
    module.category.data[0, -1] = 1
    module.item.data[0, 0] = 1
    module.item.data[0, -1] = 1
    module.that.data[0, 0] = 1
    assert float(learner.penalty().detach()) == pytest.approx(7 + 11 + 3 + 2 + 13)

"""The sequence families' torch form: what it may read, and its other half in numpy."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from components.family_params import Sasrec
from components.models.catalogue import UNKNOWN, Catalogue, History, UserBook
from components.models.families import build
from components.models.protocol import Asker, Recommender, rate_pairs
from components.params import Params
from components.settings import Settings
from components.training import sequence
from components.training.families import LEARNERS, Setting, fit_statistics
from components.training.learner import Rows
from components.training.recipe import Recipe
from components.training.sequence import SequenceLearner, WindowRows
from components.training.tensors import Interactions
from components.training.threads import limit_threads
from components.training.timeline import Timeline

ITEMS, RATED, PICTURED = 12, 9, 11  # the last items were never rated, the very last has no image
UNRATED, BARE = 10, 11
LENGTH = 6

FAMILIES = pytest.mark.parametrize("family", ["gru", "sasrec"])


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """So little work takes longer when it is divided."""
    with limit_threads(0, Settings()):
        yield


@pytest.fixture
def catalogue() -> Catalogue:
    items = pd.DataFrame({"item_id": [f"i{n:02d}" for n in range(ITEMS)]})
    has_image_I = np.arange(ITEMS) < PICTURED
    embeddings_IE = np.random.default_rng(1).normal(size=(ITEMS, 5)).astype(np.float32)
    return Catalogue(items, embeddings_IE * has_image_I[:, None], has_image_I)


@pytest.fixture
def book(catalogue: Catalogue) -> UserBook:
    """Eight users with one to nine ratings each, some in the same second."""
    drawn = np.random.default_rng(0)
    pairs = [(u, i) for u in range(8) for i in drawn.permutation(RATED)[: u + 2]] + [(8, 0)]
    ratings = pd.DataFrame(
        {
            "user_id": [f"u{u}" for u, _ in pairs],
            "item_id": [f"i{i:02d}" for _, i in pairs],
            "rating": np.float32(3 + drawn.normal(size=len(pairs))),
            "timestamp": 1_000_000
            + np.repeat(drawn.integers(0, 90_000, len(pairs)), 2)[: len(pairs)],
        }
    )
    return UserBook.from_ratings(ratings, catalogue)


@pytest.fixture
def make(
    choose: Callable[..., Params], book: UserBook, catalogue: Catalogue
) -> Callable[..., SequenceLearner]:
    """Return a learner whose every parameter is drawn, so that no part hides behind a zero."""

    def make(family: str, **changed: object) -> SequenceLearner:
        options = choose(family=family, **{"length": LENGTH, "blocks": 2, **changed}).options
        generator = torch.Generator().manual_seed(3)
        interactions = Interactions.from_book(book, ITEMS, "cpu")
        statistics = fit_statistics(catalogue, options)
        learner = LEARNERS[family](
            Setting(book, interactions, catalogue, statistics, options, generator)
        )
        assert isinstance(learner, SequenceLearner)
        for parameter in learner.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
        return learner

    return make


@pytest.fixture
def answer(
    choose: Callable[..., Params], book: UserBook, catalogue: Catalogue
) -> Callable[[SequenceLearner, str], Recommender]:
    def answer(learner: SequenceLearner, family: str) -> Recommender:
        options = choose(family=family).options
        weights = {**fit_statistics(catalogue, options), **learner.export()}
        return build(family, weights, catalogue, book)

    return answer


def rows_of(book: UserBook, own: list[int] | None = None) -> Rows:
    given = Interactions.from_book(book, ITEMS, "cpu")
    own_B = torch.arange(len(given)) if own is None else torch.tensor(own)
    return Rows(given.users_N[own_B], given.items_N[own_B], own_B, given.times_N[own_B])


def past_of(book: UserBook, place: int) -> tuple[int, Asker]:
    """Return the item of a rating, and who asks for it in its second, knowing what was before."""
    user = int(np.searchsorted(book.offsets, place, side="right")) - 1
    history, time = book.history(user), int(book.times_N[place])
    past_N = history.times_N < time
    past = History(*(values[past_N] for values in vars(history).values()))
    return int(book.items_N[place]), Asker(user, past, time)


@FAMILIES
def test_answering_side_gives_what_the_trainer_has(
    make: Callable[..., SequenceLearner],
    answer: Callable[..., Recommender],
    book: UserBook,
    family: str,
) -> None:
    learner = make(family)
    pairs = [(u, i) for u in (*range(len(book)), UNKNOWN) for i in (0, 5, UNRATED, BARE)]
    rows = Rows(*(torch.tensor(codes) for codes in zip(*pairs, strict=True)))
    theirs = learner.rate(rows, None).detach().numpy()
    model = answer(learner, family)
    users = model.fold_users([Asker(user, book.history(user)) for user, _ in pairs])
    items = model.known_items().take(np.array([item for _, item in pairs]))
    np.testing.assert_allclose(rate_pairs(model.mean, users, items), theirs, atol=2e-5)
    assert np.ptp(theirs) > 0.5


@FAMILIES
def test_learnt_row_is_answered_from_its_past_alone(
    make: Callable[..., SequenceLearner],
    answer: Callable[..., Recommender],
    book: UserBook,
    family: str,
) -> None:
    learner = make(family)
    theirs = learner.rate(rows_of(book), None).detach().numpy()
    model = answer(learner, family)
    pasts = [past_of(book, place) for place in range(len(book.items_N))]
    assert any(asker.history for _, asker in pasts)
    users = model.fold_users([asker for _, asker in pasts])
    items = model.known_items().take(np.array([item for item, _ in pasts]))
    np.testing.assert_allclose(rate_pairs(model.mean, users, items), theirs, atol=2e-5)


@FAMILIES
def test_rows_of_whole_windows_are_rated_as_one_by_one(
    make: Callable[..., SequenceLearner], book: UserBook, family: str
) -> None:
    learner = make(family, length=2 * ITEMS)
    for rows in learner.batches(torch.Generator().manual_seed(0)):
        assert isinstance(rows, WindowRows)
        alone = learner.rate(rows_of(book, rows.own_B.tolist()), None)
        torch.testing.assert_close(learner.rate(rows, None), alone, atol=2e-5, rtol=0)


@FAMILIES
def test_epoch_holds_every_row_once_in_windows_of_bounded_length(
    make: Callable[..., SequenceLearner], book: UserBook, family: str
) -> None:
    batches = list(make(family).batches(torch.Generator().manual_seed(0)))
    own = torch.cat([rows.own_B for rows in batches])
    assert sorted(own.tolist()) == list(range(len(book.items_N)))
    for rows in batches:
        assert isinstance(rows, WindowRows)
        assert int((rows.ends_W - rows.starts_W).max()) <= LENGTH // 2
    assert len(batches) == 3


def test_epoch_is_cut_further_where_its_batches_would_not_fit_in_memory(
    make: Callable[..., SequenceLearner], book: UserBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequence, "_MOST_ROWS", 2 * LENGTH)
    batches = list(make("gru", batches=1).batches(torch.Generator().manual_seed(0)))
    assert len(batches) > 3
    assert max(len(rows.users_B) for rows in batches) <= 2 * LENGTH


@FAMILIES
def test_rows_outside_of_windows_are_rated_in_blocks_as_at_once(
    make: Callable[..., SequenceLearner],
    book: UserBook,
    family: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learner = make(family)
    learnt = rows_of(book)
    asked = (learnt, Rows(learnt.users_B, learnt.items_B))
    at_once = [learner.rate(rows, None) for rows in asked]
    monkeypatch.setattr(sequence, "_MOST_ROWS", 2 * LENGTH)
    for rows, rated in zip(asked, at_once, strict=True):
        torch.testing.assert_close(learner.rate(rows, None), rated, atol=2e-6, rtol=0)


@FAMILIES
@pytest.mark.parametrize("in_training", [False, True])
def test_later_rating_and_one_of_the_same_second_never_change_a_prediction(
    make: Callable[..., SequenceLearner], book: UserBook, family: str, in_training: bool
) -> None:
    learner = make(family)
    rows = next(learner.batches(torch.Generator().manual_seed(0)))

    def rate() -> np.ndarray:
        generator = torch.Generator().manual_seed(5) if in_training else None
        return learner.rate(rows, generator).detach().numpy()

    before = rate()
    residuals_N = learner._timeline.residuals_N.numpy().copy()
    for place in range(len(residuals_N)):
        changed_N = residuals_N.copy()
        changed_N[place] += 1
        timeline = learner._timeline
        learner._timeline = Timeline.of(book, changed_N, learner._options, "cpu")
        user = int(np.searchsorted(book.offsets, place, side="right")) - 1
        earlier_B = (rows.users_B.numpy() != user) | (rows.times_B.numpy() <= book.times_N[place])
        np.testing.assert_array_equal(rate()[earlier_B], before[earlier_B])
        learner._timeline = timeline


@FAMILIES
def test_earlier_rating_changes_a_prediction(
    make: Callable[..., SequenceLearner], book: UserBook, family: str
) -> None:
    learner = make(family)
    last = int(book.offsets[8]) - 1
    before = learner.rate(rows_of(book, [last]), None)
    residuals_N = learner._timeline.residuals_N
    residuals_N[past_of(book, last)[1].history.items_N.size + int(book.offsets[7]) - 1] += 1
    assert abs(float((learner.rate(rows_of(book, [last]), None) - before).detach())) > 1e-3


@FAMILIES
def test_unrated_item_in_a_history_tells_by_its_image(
    make: Callable[..., SequenceLearner], answer: Callable[..., Recommender], family: str
) -> None:
    model = answer(make(family), family)
    history = History(*(np.array(v) for v in ([UNRATED], np.float32([5]), [1_000_000])))
    pictured = model.fold_users([Asker(UNKNOWN, history)])
    bare = model.fold_users([Asker(UNKNOWN, replace(history, items_N=np.array([BARE])))])
    assert np.abs(pictured.vectors_BD - bare.vectors_BD).max() > 1e-3


@FAMILIES
@pytest.mark.parametrize("now", [None, 1_100_000])
def test_rating_sent_a_second_ago_changes_the_answer(
    make: Callable[..., SequenceLearner],
    answer: Callable[..., Recommender],
    book: UserBook,
    family: str,
    now: int | None,
) -> None:
    model = answer(make(family), family)
    known = book.history(7)
    sides = []
    for rating in (1.0, 5.0):
        history = History(
            np.append(known.items_N, UNRATED),
            np.append(known.ratings_N, np.float32(rating)),
            np.append(known.times_N, 1_099_999),
        )
        sides.append(model.fold_users([Asker(7, history, now), Asker(7, known, now)]))
    assert abs(sides[0].bias_B[0] - sides[1].bias_B[0]) > 1e-3
    assert np.abs(sides[0].vectors_BD[0] - sides[1].vectors_BD[0]).max() > 1e-3
    assert np.abs(sides[1].vectors_BD[0] - sides[1].vectors_BD[1]).max() > 1e-3


@FAMILIES
def test_whoever_asks_regardless_of_time_is_answered_as_long_after(
    make: Callable[..., SequenceLearner],
    answer: Callable[..., Recommender],
    book: UserBook,
    family: str,
) -> None:
    learner = make(family)
    learner.levels.data[0] = learner.levels.data[1]  # what the plain level counts, is theirs alone
    model = answer(learner, family)
    nows = (None, 1 << 60, 1_090_001)
    side = model.fold_users([Asker(7, book.history(7), now) for now in nows])
    np.testing.assert_allclose(side.vectors_BD[0], side.vectors_BD[1], atol=1e-6)
    np.testing.assert_allclose(side.bias_B[0], side.bias_B[1], atol=1e-6)
    assert abs(side.bias_B[0] - side.bias_B[2]) > 1e-3


@FAMILIES
def test_ratings_before_the_window_count_in_the_level_alone(
    make: Callable[..., SequenceLearner],
    answer: Callable[..., Recommender],
    book: UserBook,
    family: str,
) -> None:
    learner = make(family)
    learner.levels.data.zero_()
    known = book.history(7)
    assert len(known) > LENGTH + 1
    changed = replace(known, items_N=known.items_N.copy(), times_N=np.arange(len(known)))
    changed.items_N[0] = UNRATED
    plain = replace(known, times_N=np.arange(len(known)))
    model = answer(learner, family)
    before = model._reading.read([Asker(7, plain), Asker(7, changed)])
    np.testing.assert_array_equal(before.items_BL[0], before.items_BL[1])
    assert before.level_B[0] != before.level_B[1]


@FAMILIES
def test_struck_rows_look_like_unknown_users_and_items(
    make: Callable[..., SequenceLearner], family: str
) -> None:
    learner = make(family, id_dropout=0.999999, user_dropout=0.999999)
    rows = next(learner.batches(torch.Generator().manual_seed(0)))
    struck = learner.rate(rows, torch.Generator().manual_seed(0))
    looks = learner._looks_IK
    looks[BARE] = looks[rows.items_B[0]]
    unknown = learner.rate(Rows(torch.tensor([UNKNOWN]), torch.tensor([BARE])), None)
    torch.testing.assert_close(struck[:1], unknown)


@FAMILIES
def test_asked_from_an_earlier_moment_reads_a_beginning_of_the_past(
    make: Callable[..., SequenceLearner],
    answer: Callable[..., Recommender],
    book: UserBook,
    family: str,
) -> None:
    learner = make(family, timeless_share=1.0, id_dropout=0.0, user_dropout=0.0, length=2 * ITEMS)
    rows = rows_of(book)
    starts_W, ends_W = learner._timeline.starts_U, learner._timeline.ends_U
    whole = WindowRows(*vars(rows).values(), starts_W=starts_W, ends_W=ends_W)
    rated = learner.rate(whole, torch.Generator().manual_seed(0)).detach().numpy()
    model = answer(learner, family)
    for place in range(len(book.items_N)):
        item, asker = past_of(book, place)
        beginnings = [
            Asker(asker.user, History(*(values[:n] for values in vars(asker.history).values())))
            for n in range(len(asker.history) + 1)
        ]
        items = model.known_items().take(np.array([item]))
        possible_B = rate_pairs(model.mean, model.fold_users(beginnings), items)
        assert np.abs(possible_B - rated[place]).min() < 2e-5


@FAMILIES
def test_mixed_precision_stays_near_and_gives_every_parameter_a_finite_gradient(
    make: Callable[..., SequenceLearner], family: str
) -> None:
    learner = make(family)
    rows = next(learner.batches(torch.Generator().manual_seed(0)))
    exact = learner.rate(rows, torch.Generator().manual_seed(1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = learner.rate(rows, torch.Generator().manual_seed(1))
    torch.testing.assert_close(mixed.float(), exact, atol=0.1, rtol=0)
    mixed.float().square().mean().backward()
    for name, parameter in learner.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all()), name


@FAMILIES
def test_images_of_what_was_rated_are_learnt_from(
    make: Callable[..., SequenceLearner], book: UserBook, family: str
) -> None:
    learner = make(family)
    learner._looks_IK[0] = 0
    last = int(book.offsets[9]) - 1
    own = int(np.flatnonzero(book.items_N[: book.offsets[8]] == 0)[-1])
    assert last != own
    rows = rows_of(book, [own])
    assert len(past_of(book, own)[1].history)
    learner.rate(rows, None).sum().backward()
    assert float(learner.image.grad.abs().max()) > 1e-4


@FAMILIES
def test_penalty_grows_with_each_block_by_its_own_prior(
    make: Callable[..., SequenceLearner], family: str
) -> None:
    learner = make(
        family,
        factor_prior=2.0,
        bias_prior=3.0,
        image_prior=5.0,
        image_bias_prior=7.0,
        out_prior=11.0,
        network_prior=13.0,
    )
    for parameter in learner.parameters():
        parameter.data.zero_()
    assert float(learner.penalty().detach()) == 0
    network = next(p for n, p in learner.network.named_parameters() if "silence" not in n)
    for table, place in (
        (learner.item, (0, 0)),
        (learner.new_item, 0),
        (learner.item, (0, -1)),
        (learner.image, (0, 0)),
        (learner.image, (0, -1)),
        (learner.out, (0, 0)),
        (network, (0,) * network.dim()),
    ):
        table.data[place] = 1
    assert float(learner.penalty().detach()) == pytest.approx(2 + 2 + 3 + 5 + 7 + 11 + 13)


@FAMILIES
def test_fit_that_was_cut_goes_on_and_ends_bit_for_bit_the_same(
    choose: Callable[..., Params], book: UserBook, catalogue: Catalogue, tmp_path: Path, family: str
) -> None:
    params = choose(family=family, length=LENGTH)

    def learn(folder: str, epochs: int) -> dict[str, np.ndarray]:
        recipe = Recipe.of(params, catalogue, "cpu", tmp_path / folder, tmp_path / "live")
        return recipe.learn("evaluation", book, epochs).weights

    whole = learn("whole", 5)
    half = learn("cut", 2)
    resumed = learn("cut", 5)
    assert resumed.keys() == whole.keys()
    for name, table in whole.items():
        np.testing.assert_array_equal(resumed[name], table)
    assert not np.array_equal(half["out"], whole["out"])


@FAMILIES
def test_mood_of_the_last_minutes_is_learnt_where_it_tells(
    choose: Callable[..., Params], tmp_path: Path, family: str
) -> None:
    drawn = np.random.default_rng(0)
    items = pd.DataFrame({"item_id": [f"i{n:02d}" for n in range(60)]})
    bare = Catalogue(items, np.zeros((60, 1), np.float32), np.zeros(60, bool))
    rows = []
    for user in range(30):
        rated = drawn.permutation(60)[:40]
        for sitting, mood in enumerate(drawn.choice([-1.0, 1.0], 8)):
            begins = 1_000_000 + 500_000 * sitting + int(drawn.integers(100_000))
            for rank in range(5):
                rating = 3 + mood + drawn.normal(0, 0.3)
                item = f"i{rated[5 * sitting + rank]:02d}"
                rows.append((f"u{user}", item, rating, begins + 20 * rank, rank == 4))
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "rating", "timestamp", "asked"])
    known, asked = frame[~frame.asked], frame[frame.asked]
    book = UserBook.from_ratings(known, bare)
    params = choose(family=family, length=20, scales=(300.0,), batches=12, timeless_share=0.2)
    weights = Recipe.of(params, bare, "cpu", tmp_path / "c", tmp_path / "l").learn(
        "evaluation", book, 6
    )
    model = build(family, weights.weights, bare, book)
    askers = []
    for user, time in zip(book.find(asked.user_id.tolist()), asked.timestamp, strict=True):
        history = book.history(int(user))
        past_N = history.times_N < time
        past = History(*(values[past_N] for values in vars(history).values()))
        askers.append(Asker(int(user), past, int(time)))
    sides = model.known_items().take(bare.find(asked.item_id.tolist()))
    errors_B = rate_pairs(model.mean, model.fold_users(askers), sides) - asked.rating.to_numpy()
    assert np.sqrt(np.square(errors_B).mean()) < 0.7  # 1.04 without the mood, 0.3 at best


def test_width_that_the_heads_cannot_share_is_refused(choose: Callable[..., Params]) -> None:
    options = choose(family="sasrec").options.model_dump()
    with pytest.raises(ValueError, match="width 8 cannot be divided among 3 heads"):
        Sasrec.model_validate({**options, "heads": 3})

"""What every family must do, whatever it learnt."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from components.models.bundle import Bundle, load_bundle, save_bundle, seal_bundle
from components.models.catalogue import UNKNOWN, History
from components.models.families import FAMILIES
from components.models.predictor import Predictor
from components.models.protocol import Asker

NOTHING = np.zeros(0, np.int64)
UNRATED = "i021"  # has an image, nobody rated it
WITHOUT_IMAGE = "i023"  # nobody rated it, and it has none


@pytest.fixture(params=sorted(FAMILIES))
def bundle(request: pytest.FixtureRequest, learn: Callable[[str], Bundle]) -> Bundle:
    return learn(request.param)


@pytest.fixture
def predictor(bundle: Bundle) -> Predictor:
    return Predictor(bundle)


def test_saved_and_loaded_it_answers_the_same(
    bundle: Bundle, predictor: Predictor, tmp_path: Path
) -> None:
    save_bundle(bundle, tmp_path)
    seal_bundle(tmp_path)
    loaded = Predictor(load_bundle(tmp_path))
    for user in (*bundle.users.user_ids, "nobody"):
        before, after = predictor.fold_user(user), loaded.fold_user(user)
        np.testing.assert_array_equal(predictor.score(before), loaded.score(after))


def test_ratings_are_finite_and_on_the_scale_for_known_and_unknown(
    bundle: Bundle, predictor: Predictor
) -> None:
    users = [*bundle.users.user_ids, "nobody", ""]
    items = [*bundle.catalogue.items["item_id"], "nothing", ""]
    pairs = [(user, item) for user in users for item in items]
    ratings = predictor.predict([user for user, _ in pairs], [item for _, item in pairs])
    low, high = bundle.scale
    assert ratings.shape == (len(pairs),)
    assert ratings.dtype == np.float32
    assert np.isfinite(ratings).all()
    assert ((ratings >= low) & (ratings <= high)).all()


def test_known_items_are_the_catalogue_in_its_order(bundle: Bundle) -> None:
    model = bundle.recommender()
    items, users = model.known_items(), model.fold_users([Asker(0, bundle.users.history(0))])
    assert len(items) == len(bundle.catalogue) == len(items.vectors_BD) == len(items.paths)
    assert items.vectors_BD.shape[1] == users.vectors_BD.shape[1]
    assert items.vectors_BD.dtype == items.bias_B.dtype == np.float32
    assert set(items.paths) <= {"factors", "images", "prior"}
    assert set(users.paths) <= {"factors", "history", "prior"}


def test_user_is_folded_the_same_alone_and_among_others(bundle: Bundle) -> None:
    model, book = bundle.recommender(), bundle.users
    everybody = [Asker(user, book.history(user)) for user in range(len(book))]
    everybody.append(Asker(UNKNOWN, History.empty()))
    together = model.fold_users(everybody)
    backwards = model.fold_users(everybody[::-1])
    for row, one in enumerate(everybody):
        alone = model.fold_users([one])
        for other, place in ((together, row), (backwards, len(everybody) - 1 - row)):
            np.testing.assert_array_equal(alone.vectors_BD[0], other.vectors_BD[place])
            assert alone.bias_B[0] == other.bias_B[place]
            assert alone.paths[0] == other.paths[place]


def test_folding_does_not_depend_on_the_order_of_a_history(bundle: Bundle) -> None:
    model, history = bundle.recommender(), bundle.users.history(2)
    shuffled = np.random.default_rng(0).permutation(len(history))
    other = History(
        history.items_N[shuffled], history.ratings_N[shuffled], history.times_N[shuffled]
    )
    side = model.fold_users([Asker(2, history), Asker(2, other)])
    np.testing.assert_allclose(side.vectors_BD[0], side.vectors_BD[1], atol=1e-5)
    np.testing.assert_allclose(side.bias_B[0], side.bias_B[1], atol=1e-5)


def test_nobody_gets_a_list_of_the_whole_catalogue(bundle: Bundle, predictor: Predictor) -> None:
    side = predictor.fold_user(None)
    assert side.paths == ("prior",)
    ranked = predictor.rank(side, 5, NOTHING)
    assert len({one.item_id for one in ranked}) == 5


def test_empty_history_is_no_history(predictor: Predictor) -> None:
    nobody, silent = predictor.fold_user(None), predictor.fold_user(None, History.empty())
    np.testing.assert_array_equal(predictor.score(nobody), predictor.score(silent))


def test_list_leaves_out_what_is_excluded_and_comes_best_first(
    bundle: Bundle, predictor: Predictor
) -> None:
    side = predictor.fold_user(bundle.users.user_ids[0])
    whole = predictor.rank(side, len(bundle.catalogue), NOTHING)
    scores = [one.score for one in whole]
    assert scores == sorted(scores, reverse=True)
    best = bundle.catalogue.find([whole[0].item_id])
    assert [one.item_id for one in predictor.rank(side, 4, best)] == [
        one.item_id for one in whole[1:5]
    ]


def test_list_longer_than_the_catalogue_holds_all_that_is_left(
    bundle: Bundle, predictor: Predictor
) -> None:
    side = predictor.fold_user(bundle.users.user_ids[0])
    seen = bundle.users.history(0).items_N
    ranked = predictor.rank(side, 10_000, seen)
    assert len(ranked) == len(bundle.catalogue) - len(seen)


def test_score_of_many_users_is_the_score_of_each(bundle: Bundle, predictor: Predictor) -> None:
    users = [*bundle.users.user_ids[:5], None]
    together = predictor.score_users(predictor.fold_all(users))
    for row, user in enumerate(users):
        alone = predictor.score(predictor.fold_user(user))
        np.testing.assert_allclose(together[row], alone, atol=1e-5)


def test_item_that_nobody_rated_is_rated_like_its_image_uploaded(
    bundle: Bundle, predictor: Predictor
) -> None:
    index = bundle.catalogue.find([UNRATED])
    uploaded = predictor.fold_image(bundle.catalogue.embeddings_IE[index[0]])
    known = bundle.recommender().known_items().take(index)
    np.testing.assert_allclose(uploaded.vectors_BD, known.vectors_BD, atol=1e-5)
    np.testing.assert_allclose(uploaded.bias_B, known.bias_B, atol=1e-5)


def test_unknown_item_is_rated_like_one_without_image(bundle: Bundle, predictor: Predictor) -> None:
    users = [bundle.users.user_ids[0]] * 2
    unknown, bare = predictor.predict(users, ["nothing", WITHOUT_IMAGE])
    assert unknown == pytest.approx(bare, abs=1e-5)


def test_catalogue_item_that_nobody_rated_can_be_in_a_history(predictor: Predictor) -> None:
    history, unknown = predictor.read_history([(UNRATED, 5.0), ("nothing", 1.0)])
    assert unknown == ["nothing"]
    assert np.isfinite(predictor.score(predictor.fold_user(None, history))).all()


@pytest.mark.parametrize("family", ["biases", "content", "mf", "svdpp", "hybrid", "gru", "sasrec"])
def test_rating_high_moves_what_one_is_shown(learn: Callable[[str], Bundle], family: str) -> None:
    predictor = Predictor(learn(family))
    history = predictor.read_history([("i000", 5.0), ("i001", 5.0)])[0]
    liked = predictor.score(predictor.fold_user(None, history))
    assert liked.mean() > predictor.score(predictor.fold_user(None)).mean()


@pytest.mark.parametrize("family", ["content", "hybrid", "gru", "sasrec"])
def test_family_that_reads_images_tells_new_ones_apart(
    learn: Callable[[str], Bundle], family: str
) -> None:
    bundle = learn(family)
    predictor = Predictor(bundle)
    sides = bundle.recommender().fold_items(bundle.catalogue.embeddings_IE[:4])
    user = predictor.fold_user(bundle.users.user_ids[0])
    assert sides.paths == ("images",) * 4
    assert len(np.unique(predictor.rate(user, sides))) == 4

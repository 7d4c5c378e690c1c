"""Our side of the comparison: real fits on a small folder of real files."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.comparison.answers import STATIC, digest_rows
from benchmarks.comparison.dataset import read_dataset
from benchmarks.comparison.draws import SPLITS, Draw, draw
from benchmarks.comparison.ours import (
    IN_SESSION,
    PREQUENTIAL,
    SITUATIONS,
    Ours,
    predict_in_session,
    rate_by_user_mean,
)
from components.models.bundle import Bundle
from components.models.catalogue import Floats, UserBook
from components.models.predictor import Predictor
from components.models.protocol import Asker, Side
from components.params import Params, load_params
from components.settings import Settings


@pytest.fixture(scope="module")
def ours(
    tmp_path_factory: pytest.TempPathFactory,
    write_data: Callable[[Path], None],
    shrink: Callable[..., Params],
) -> Ours:
    folder = tmp_path_factory.mktemp("posters")
    write_data(folder / "data")
    params = shrink(load_params(Path(__file__).parents[2] / "params.yaml"))
    dataset = read_dataset(folder / "data", folder / "cache", params, Settings())
    return Ours(dataset, params, Settings(), "cpu")


@pytest.mark.parametrize("split", SPLITS)
def test_every_test_row_is_rated_in_every_situation_that_makes_a_difference(
    ours: Ours, split: str
) -> None:
    drawn = draw(ours.dataset.ratings, split, 0)
    answer = ours.fit("biases", 0, drawn)
    # Biases read no times: in a session they answer the same as ever.
    assert set(answer.predicted) == {STATIC, *SITUATIONS[split]} - {IN_SESSION}
    for predicted_N in answer.predicted.values():
        assert len(predicted_N) == len(drawn.test)
        assert np.isfinite(predicted_N).all()
    assert answer.train.wall > 0


def test_what_the_user_rates_in_the_test_changes_the_prequential_ratings(ours: Ours) -> None:
    answer = ours.fit("biases", 0, draw(ours.dataset.ratings, "cold_item", 1))
    assert np.abs(answer.predicted[PREQUENTIAL] - answer.predicted[STATIC]).max() > 0.01


class Watching:
    """A predictor that keeps who asked."""

    def __init__(self, predictor: Predictor) -> None:
        self.bundle, self.item_side, self._fold = (
            predictor.bundle,
            predictor.item_side,
            predictor.fold,
        )
        self.asked: list[Asker] = []

    def fold(self, askers: Sequence[Asker]) -> Side:
        self.asked += askers
        return self._fold(askers)

    def rate(self, users: Side, items: Side) -> Floats:
        return np.zeros(len(items), np.float32)


def test_in_session_all_train_rows_are_read_and_the_second_is_told(ours: Ours) -> None:
    drawn = draw(ours.dataset.ratings, "random", 0)
    book = UserBook.from_ratings(drawn.train, ours.dataset.catalogue)
    bundle = Bundle(
        "mean", {"mean": np.float32([3])}, ours.dataset.catalogue, book, (0, 5), {}, {}, {}
    )
    watching = Watching(Predictor(bundle))
    predict_in_session(watching, drawn.test)
    rated = drawn.train["user_id"].value_counts()
    expected = zip(
        drawn.test["timestamp"].tolist(),
        (rated.get(user, 0) for user in drawn.test["user_id"]),
        strict=True,
    )
    asked = [(asker.now, len(asker.history)) for asker in watching.asked]
    assert sorted(asked) == sorted(expected)


def test_a_fit_by_the_loop_says_its_epochs_and_repeats_itself(ours: Ours) -> None:
    drawn = draw(ours.dataset.ratings, "random", 0)
    once, again, other = (ours.fit("mf", seed, drawn) for seed in (0, 0, 1))
    assert once.facts["epochs"] >= 1
    np.testing.assert_array_equal(once.predicted[STATIC], again.predicted[STATIC])
    assert not np.array_equal(once.predicted[STATIC], other.predicted[STATIC])


def test_a_key_names_the_family_its_options_the_seed_and_the_rows(ours: Ours) -> None:
    first, second = (draw(ours.dataset.ratings, "random", number) for number in (0, 1))
    keys = [
        ours.key("mf", 0, first),
        ours.key("biases", 0, first),
        ours.key("mf", 1, first),
        ours.key("mf", 0, second),
    ]
    assert len({str(key) for key in keys}) == len(keys)
    assert keys[0]["train"] == digest_rows(first.train)
    assert ours.key("mf", 0, first) == keys[0]


def test_the_user_mean_is_shrunk_and_a_new_user_gets_the_mean_of_all() -> None:
    train = pd.DataFrame({"user_id": ["a", "a", "b"], "rating": [5.0, 4.0, 1.5]})
    test = pd.DataFrame({"user_id": ["b", "new", "a"]})
    mean = 3.5
    expected = [mean - 2.0 / (1 + 2), mean, mean + 2.0 / (2 + 2)]
    found = rate_by_user_mean(Draw("random", 0, train, test), prior=2.0)
    assert found.tolist() == pytest.approx(expected)

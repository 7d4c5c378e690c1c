"""The store of answers: a killed run goes on, and nothing half-written is believed."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.comparison.answers import STATIC, Answer, AnswerStore, Seconds, digest_rows


def make_answer() -> Answer:
    predicted = {STATIC: np.array([3.5, 4.25], np.float32), "prequential": np.float32([1, 2])}
    return Answer(predicted, Seconds(2.0, 1.5), Seconds(0.5, 0.25), {"epochs": 7})


def refuse() -> Answer:
    raise AssertionError("it was made before")


def test_an_answer_is_made_once_and_read_back_whole(tmp_path: Path) -> None:
    made, stood = AnswerStore(tmp_path).get({"model": "mf", "seed": 0}, make_answer)
    found, stood_then = AnswerStore(tmp_path).get({"seed": 0, "model": "mf"}, refuse)
    assert (stood, stood_then) == (False, True)
    assert (found.train, found.predict, found.facts) == (made.train, made.predict, made.facts)
    assert found.predicted.keys() == made.predicted.keys()
    for name, predicted in made.predicted.items():
        np.testing.assert_array_equal(found.predicted[name], predicted)
        assert found.predicted[name].dtype == np.float32


def test_another_key_is_another_answer(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path)
    store.get({"seed": 0}, make_answer)
    assert store.get({"seed": 1}, make_answer)[1] is False


def test_a_fit_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail() -> Answer:
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        AnswerStore(tmp_path).get({"seed": 0}, fail)
    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_left_half_written_is_made_again(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path)
    store.get({"seed": 0}, make_answer)
    [folder] = tmp_path.iterdir()
    (folder / "answer.json").unlink()
    assert store.get({"seed": 0}, make_answer)[1] is False
    assert store.get({"seed": 0}, refuse)[1] is True


def test_seconds_add_up_over_blocks() -> None:
    seconds = Seconds()
    with seconds.added():
        sum(range(100_000))
    once = seconds.wall
    with seconds.added():
        sum(range(100_000))
    assert seconds.wall > once > 0


def test_a_digest_of_rows_sees_values_and_order() -> None:
    rows = pd.DataFrame({"item_id": ["a", "b"], "rating": [1.0, 2.0]})
    same, changed = rows.copy(), rows.assign(rating=[1.0, 2.5])
    assert digest_rows(rows) == digest_rows(same)
    assert len({digest_rows(rows), digest_rows(changed), digest_rows(rows[::-1])}) == 3

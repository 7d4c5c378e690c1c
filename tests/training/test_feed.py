"""Pictures read ahead."""

import threading

import numpy as np
import pytest

from components.errors import ImageError
from components.training.feed import Waiting, feed

SIDE = 2


def picture(number: int) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), number, np.uint8)


def numbers(pixels: object) -> list[int]:
    return np.asarray(pixels)[:, 0, 0, 0].tolist()


def test_batches_come_in_order_and_whole() -> None:
    batches, waiting = [[1, 2, 3], [], [4], [5, 6]], Waiting()
    fed = list(feed(batches, picture, SIDE, 3, waiting))
    assert [numbers(pixels) for pixels in fed] == batches
    assert {tuple(pixels.shape[1:]) for pixels in fed} == {(SIDE, SIDE, 3)}
    assert waiting.pictures == 6
    assert 0 <= waiting.waited <= waiting.total
    assert 0 <= waiting.share <= 1


def test_nothing_to_feed_is_no_batch_and_no_waiting() -> None:
    waiting = Waiting()
    assert list(feed([], picture, SIDE, 2, waiting)) == []
    assert waiting.waited == waiting.pictures == waiting.share == 0


def test_next_batches_are_made_while_one_is_looked_at() -> None:
    made = {number: threading.Event() for number in range(6)}

    def prepare(number: int) -> np.ndarray:
        made[number].set()
        return picture(number)

    fed = feed([[0, 1], [2, 3], [4, 5]], prepare, SIDE, 1, Waiting())
    next(fed)
    assert made[3].wait(timeout=30)  # of the batch that nobody has asked for yet


def test_picture_that_cannot_be_read_is_an_error_in_its_turn() -> None:
    def prepare(number: int) -> np.ndarray:
        if number == 3:
            raise ImageError("the image is damaged")
        return picture(number)

    fed = feed([[1, 2], [3, 4]], prepare, SIDE, 2, Waiting())
    assert numbers(next(fed)) == [1, 2]
    with pytest.raises(ImageError, match="damaged"):
        next(fed)


def test_waiting_for_slow_pictures_is_measured() -> None:
    gate, waiting = threading.Event(), Waiting()

    def prepare(number: int) -> np.ndarray:
        assert gate.wait(timeout=30)
        return picture(number)

    opener = threading.Timer(0.05, gate.set)
    opener.start()
    list(feed([[1]], prepare, SIDE, 1, waiting))
    opener.join()
    assert waiting.waited > 0.02
    assert waiting.share > 0.5

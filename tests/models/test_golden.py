import math
from hashlib import sha256
from pathlib import Path

import pytest

from components.errors import CorruptFileError
from components.models.golden import (
    Golden,
    GoldenImage,
    GoldenPair,
    largest_difference,
    read_golden,
    read_golden_image,
    write_golden,
)

CONTENT = b"the bytes of an image"
NAME = sha256(CONTENT).hexdigest()
GOLDEN = Golden(
    (GoldenPair("u1", "i1", 3.25),),
    (GoldenImage(NAME, f"{NAME}.png", (0.5, -1.0), (("u1", 4.5),)),),
)


def test_golden_questions_read_back_as_written(tmp_path: Path):
    write_golden(tmp_path, GOLDEN, {NAME: CONTENT})
    assert read_golden(tmp_path) == GOLDEN
    assert read_golden_image(tmp_path, GOLDEN.images[0]) == CONTENT


def test_flipped_byte_in_an_image_is_noticed(tmp_path: Path):
    write_golden(tmp_path, GOLDEN, {NAME: CONTENT})
    (tmp_path / f"{NAME}.png").write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(CorruptFileError, match="sha256"):
        read_golden_image(tmp_path, GOLDEN.images[0])


@pytest.mark.parametrize(
    "text",
    ['{"pairs": []}', '{"pairs": [{"user_id": "u1"}], "images": []}', "[]"],
)
def test_something_else_than_questions_is_corrupt(tmp_path: Path, text: str):
    (tmp_path / "questions.json").write_text(text)
    with pytest.raises(CorruptFileError, match="golden questions"):
        read_golden(tmp_path)


def test_file_outside_the_folder_is_corrupt(tmp_path: Path):
    (tmp_path / "questions.json").write_text(
        '{"pairs": [], "images": [{"sha256": "0", "file": "../a.png",'
        ' "embedding": [], "ratings": []}]}'
    )
    with pytest.raises(CorruptFileError, match="plain name"):
        read_golden(tmp_path)


def test_largest_difference_takes_the_worst_pair():
    assert largest_difference([(3.0, 3.5), (4.0, 3.0), (2.0, 2.0)]) == 1.0
    assert largest_difference([]) == 0.0


@pytest.mark.parametrize("answered", [math.nan, math.inf])
def test_largest_difference_with_a_non_finite_answer_is_infinite(answered: float):
    assert largest_difference([(1.0, 1.0), (answered, 1.0), (1.0, 1.0)]) == math.inf

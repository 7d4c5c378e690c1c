"""Golden questions: what a served bundle must still answer wherever it is asked.

    golden/
      questions.json           pairs (user_id, item_id, rating), and
                               images (sha256, file, embedding, ratings by user)
      <sha256>.<jpg|png|webp>  the images' bytes, as they were encoded

The trainer writes down what it had itself; the endpoint's self-check and the trial ask again.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from components.errors import CorruptFileError
from components.files import read_json, write_bytes, write_json

QUESTIONS = "questions.json"


@dataclass(frozen=True)
class GoldenPair:
    """The rating that the trainer predicted for a user and an item."""

    user_id: str
    item_id: str
    rating: float


@dataclass(frozen=True)
class GoldenImage:
    """The embedding that the trainer had for an image, and the image's ratings by user."""

    sha256: str
    file: str
    embedding: tuple[float, ...]
    ratings: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Golden:
    """All golden questions of a bundle."""

    pairs: tuple[GoldenPair, ...]
    images: tuple[GoldenImage, ...]


def write_golden(folder: Path, golden: Golden, contents: Mapping[str, bytes]) -> None:
    """Write the questions and the images' bytes (by sha256); the same input, the same bytes."""
    for image in golden.images:
        write_bytes(folder / image.file, contents[image.sha256])
    write_json(
        folder / QUESTIONS,
        {
            "pairs": [vars(pair) for pair in golden.pairs],
            "images": [
                {
                    "sha256": image.sha256,
                    "file": image.file,
                    "embedding": list(image.embedding),
                    "ratings": [
                        {"user_id": user_id, "rating": rating} for user_id, rating in image.ratings
                    ],
                }
                for image in golden.images
            ],
        },
    )


def read_golden(folder: Path) -> Golden:
    """Read the questions; raise CorruptFileError if they are not such as `write_golden` writes."""
    content = read_json(folder / QUESTIONS)
    try:
        pairs = tuple(GoldenPair(**pair) for pair in content["pairs"])
        images = tuple(_read_image(image) for image in content["images"])
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptFileError(
            f"{folder / QUESTIONS} holds no golden questions: {error}"
        ) from error
    return Golden(pairs, images)


def read_golden_image(folder: Path, image: GoldenImage) -> bytes:
    """Return an image's bytes; raise CorruptFileError if they are not those that were encoded."""
    content = (folder / image.file).read_bytes()
    if sha256(content).hexdigest() != image.sha256:
        raise CorruptFileError(f"{folder / image.file} does not have the sha256 in its name")
    return content


def largest_difference(answers: Iterable[tuple[float, float]]) -> float:
    """Return the largest |answered − expected|; infinite if any is not finite, 0 for none."""
    largest = 0.0
    for answered, expected in answers:
        difference = abs(answered - expected)
        if not math.isfinite(difference):
            return math.inf
        largest = max(largest, difference)
    return largest


def _read_image(image: dict[str, Any]) -> GoldenImage:
    name = Path(image["file"]).name
    if name != image["file"]:
        raise ValueError(f"file {image['file']!r} is no plain name")
    return GoldenImage(
        image["sha256"],
        name,
        tuple(float(value) for value in image["embedding"]),
        tuple((rated["user_id"], float(rated["rating"])) for rated in image["ratings"]),
    )

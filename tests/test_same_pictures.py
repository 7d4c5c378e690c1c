"""The same picture under another name."""

import io
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from components.images import inspect_image
from components.same_pictures import Pictures, find_copies

THRESHOLD = 0.996


def paint(seed: int) -> Image.Image:
    """Return a smooth picture of a few colours, as a photograph is at a distance."""
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((120, 160), Image.Resampling.BICUBIC)


def encode(picture: Image.Image, kind: str = "PNG", **options: int) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def collect(*contents: bytes) -> Pictures:
    return Pictures(
        [sha256(content).hexdigest() for content in contents],
        [inspect_image(content, max_megapixels=1).thumbnail for content in contents],
    )


@pytest.fixture(scope="module")
def known() -> Pictures:
    return collect(*(encode(paint(seed)) for seed in range(10)))


@pytest.mark.parametrize(
    "change",
    [
        lambda picture: encode(picture, "JPEG", quality=40),
        lambda picture: encode(picture.resize((60, 80))),
        lambda picture: encode(picture.resize((47, 81)), "WEBP", quality=60),
        lambda picture: encode(ImageEnhance.Brightness(picture).enhance(0.9)),
        lambda picture: encode(picture.crop((1, 1, 119, 159))),
    ],
    ids=["compressed", "smaller", "another shape", "darker", "without its edge"],
)
def test_changed_copy_is_found_under_its_own_number(
    known: Pictures, change: Callable[[Image.Image], bytes]
) -> None:
    found = find_copies(collect(*(change(paint(seed)) for seed in range(10))), known, THRESHOLD)
    assert found == list(range(10))


def test_other_picture_is_new(known: Pictures) -> None:
    others = collect(*(encode(paint(seed)) for seed in range(100, 120)))
    assert find_copies(others, known, THRESHOLD) == [None] * 20


def test_same_bytes_are_a_copy_even_of_one_flat_colour_and_another_flat_one_is_new() -> None:
    flat = [encode(Image.new("RGB", (9, 9), colour)) for colour in ("red", "blue")]
    assert find_copies(collect(*flat), collect(flat[0]), THRESHOLD) == [0, None]


def test_of_the_same_bytes_twice_the_first_is_named() -> None:
    twice = collect(*[encode(paint(0))] * 2)
    assert find_copies(twice, twice, THRESHOLD) == [0, 0]


@pytest.mark.parametrize(("asked", "known"), [(0, 3), (3, 0), (0, 0)])
def test_nothing_asked_or_nothing_known_is_no_copy(asked: int, known: int) -> None:
    contents = [encode(paint(seed)) for seed in range(3)]
    found = find_copies(collect(*contents[:asked]), collect(*contents[:known]), THRESHOLD)
    assert found == [None] * asked


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.2, 0.999))
def test_correlation_is_that_of_numpy_about_each_colours_mean(seed: int, threshold: float) -> None:
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 256, (9, 64, 3), dtype=np.uint8)
    pixels[5:] = pixels[:4] // 2 + generator.integers(0, 128, (4, 64, 3), dtype=np.uint8)
    centred = (pixels - pixels.mean(1, keepdims=True)).reshape(9, -1)
    alike = np.corrcoef(centred)[5:, :5]
    names = [str(row) for row in range(9)]
    shown = [one.tobytes().hex() for one in pixels]
    found = find_copies(Pictures(names[5:], shown[5:]), Pictures(names[:5], shown[:5]), threshold)
    for row, one in zip(alike, found, strict=True):
        if abs(row.max() - threshold) > 1e-4:
            assert one == (int(row.argmax()) if row.max() >= threshold else None)


def test_blocks_do_not_change_what_is_found(
    known: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = collect(*(encode(paint(seed), "JPEG") for seed in range(5, 15)))
    whole = find_copies(asked, known, THRESHOLD)
    assert None in whole
    assert 9 in whole
    monkeypatch.setattr("components.same_pictures._CELLS_AT_ONCE", 30)
    assert find_copies(asked, known, THRESHOLD) == whole


@pytest.mark.real_data
def test_poster_is_found_when_smaller_and_compressed_anew_and_no_two_are_one(posters: Path) -> None:
    contents = [path.read_bytes() for path in sorted((posters / "images").iterdir())[::20]]
    known = collect(*contents)
    pictures = [Image.open(io.BytesIO(content)).convert("RGB") for content in contents[:40]]
    halves = [picture.resize((picture.width // 2, picture.height // 2)) for picture in pictures]
    copies = collect(*(encode(half, "JPEG", quality=60) for half in halves))
    assert find_copies(copies, known, THRESHOLD) == list(range(40))
    for row in range(0, len(contents), 10):
        others = Pictures(
            [*known.sha256s[:row], *known.sha256s[row + 1 :]],
            [*known.thumbnails[:row], *known.thumbnails[row + 1 :]],
        )
        alone = Pictures(known.sha256s[row : row + 1], known.thumbnails[row : row + 1])
        assert find_copies(alone, others, THRESHOLD) == [None]

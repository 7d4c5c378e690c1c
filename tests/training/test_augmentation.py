"""Pictures changed while they are learnt from."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from components.family_params import Augmentation
from components.features.preprocessing import Preprocessing
from components.training.augmentation import Draw, augment, draw_changes, place_crop

STRETCH = Preprocessing("stretch", 24, 24, "bicubic", mean=(0.5,) * 3, std=(0.5,) * 3)
CROP = Preprocessing("crop", 24, 28, "bilinear", mean=(0.4,) * 3, std=(0.2,) * 3)
NOTHING = Augmentation(
    crop=1, aspect=1, rotation=0, flip=0, brightness=0, contrast=0, saturation=0, hue=0
)
ALL = Augmentation(
    crop=0.5,
    aspect=1.3,
    rotation=20,
    flip=0.5,
    brightness=0.3,
    contrast=0.3,
    saturation=0.3,
    hue=0.1,
)
SHARES = st.floats(0, 1, exclude_max=True)
DRAWS = st.builds(Draw, *[SHARES] * len(Draw._fields))


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    blocks = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((40, 60), Image.Resampling.BICUBIC)


def draws(seed: int, count: int = 6) -> list[Draw]:
    return draw_changes(count, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("preprocessing", [STRETCH, CROP])
def test_pixels_change_but_not_their_shape(
    picture: Image.Image, preprocessing: Preprocessing
) -> None:
    plain = preprocessing.prepare(picture)
    changed = [augment(picture, draw, ALL, preprocessing) for draw in draws(0)]
    assert {pixels.shape for pixels in changed} == {plain.shape}
    assert {pixels.dtype for pixels in changed} == {np.dtype(np.uint8)}
    assert len({pixels.tobytes() for pixels in (plain, *changed)}) == 1 + len(changed)


def test_same_seed_makes_the_same_pictures_and_another_makes_others(picture: Image.Image) -> None:
    first, again, other = (
        [augment(picture, draw, ALL, STRETCH).tobytes() for draw in draws(seed)]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert not set(first) & set(other)


@given(DRAWS)
def test_options_that_change_nothing_give_what_the_encoder_sees(draw: Draw) -> None:
    picture = Image.linear_gradient("L").resize((33, 47)).convert("RGB")
    np.testing.assert_array_equal(
        augment(picture, draw, NOTHING, STRETCH), STRETCH.prepare(picture)
    )


@pytest.mark.parametrize(
    "option",
    [
        {"crop": 0.5},
        {"aspect": 1.5},
        {"rotation": 30},
        {"flip": 1},
        {"brightness": 0.5},
        {"contrast": 0.5},
        {"saturation": 0.5},
        {"hue": 0.3},
    ],
)
def test_every_option_changes_the_picture_by_itself(
    picture: Image.Image, option: dict[str, float]
) -> None:
    options = NOTHING.model_copy(update=option)
    assert not np.array_equal(
        augment(picture, draws(3)[0], options, STRETCH), STRETCH.prepare(picture)
    )


@given(DRAWS, st.integers(1, 500), st.integers(1, 500), st.booleans())
def test_crop_lies_inside_the_picture(draw: Draw, width: int, height: int, square: bool) -> None:
    top, left, cut_height, cut_width = place_crop(width, height, draw, ALL, square=square)
    assert 0 <= left <= left + cut_width <= width
    assert 0 <= top <= top + cut_height <= height
    assert cut_width >= 1
    assert cut_height >= 1


@given(DRAWS)
def test_crop_keeps_at_least_the_share_of_the_area_that_was_asked_for(draw: Draw) -> None:
    options = NOTHING.model_copy(update={"crop": 0.5})
    _, _, height, width = place_crop(400, 300, draw, options, square=False)
    assert 0.49 * 400 * 300 <= height * width <= 400 * 300


def test_corners_that_a_turn_lays_bare_are_the_encoders_nothing() -> None:
    white = Image.new("RGB", (50, 50), "white")
    turned = Draw(area=0.5, aspect=0.5, left=0, top=0, turn=1, flip=0.9, brightness=0, contrast=0,
                  saturation=0, hue=0)  # fmt: skip
    pixels = augment(white, turned, NOTHING.model_copy(update={"rotation": 45}), STRETCH)
    np.testing.assert_allclose(pixels[0, 0], 255 * np.array(STRETCH.mean), atol=3)
    assert (pixels[12, 12] == 255).all()

import contextlib
import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from components.errors import ImageError
from components.images import decode_image, inspect_image, read_header

LIMIT = 25.0


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def halves(left: int = 40, right: int = 220, size: tuple[int, int] = (64, 48)) -> Image.Image:
    pixels = np.full((size[1], size[0], 3), left, np.uint8)
    pixels[:, size[0] // 2 :] = right
    return Image.fromarray(pixels)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_image_of_each_format_decodes_to_rgb(kind: str) -> None:
    image = decode_image(encode(halves(), kind), max_megapixels=LIMIT)
    assert (image.mode, image.size) == ("RGB", (64, 48))
    assert np.abs(np.asarray(image, int)[:, 60] - 220).max() < 6


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PPM"])
def test_image_of_another_format_is_refused(kind: str) -> None:
    with pytest.raises(ImageError, match="not a JPEG, PNG or WebP image"):
        decode_image(encode(halves(), kind), max_megapixels=LIMIT)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_truncated_image_is_refused(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content = encode(Image.fromarray(noise), kind)
    with pytest.raises(ImageError, match=r"damaged|not a JPEG"):
        decode_image(content[: len(content) // 2], max_megapixels=LIMIT)


def test_empty_upload_is_refused_by_name() -> None:
    with pytest.raises(ImageError, match="empty"):
        decode_image(b"", max_megapixels=LIMIT)


def test_text_is_refused() -> None:
    with pytest.raises(ImageError, match="not a JPEG"):
        read_header(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")


def test_small_file_of_many_pixels_is_refused_from_its_header() -> None:
    content = encode(Image.new("1", (9000, 9000)))
    assert len(content) < 20_000
    with pytest.raises(ImageError, match="9000 × 9000 pixels, more than 25 megapixels"):
        decode_image(content, max_megapixels=LIMIT)


def test_image_beyond_every_limit_is_refused() -> None:
    content = bytearray(encode(Image.new("1", (8, 8))))
    content[16:24] = (100_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    with pytest.raises(ImageError, match="too many pixels"):
        decode_image(bytes(content), max_megapixels=LIMIT)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    upright = halves(size=(64, 32))
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = upright if undo is None else upright.transpose(undo)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = decode_image(encode(stored, exif=exif), max_megapixels=LIMIT)
    assert np.array_equal(np.asarray(image), np.asarray(upright))
    assert image.info == {}


def test_transparent_pixels_become_white() -> None:
    layer = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    for content in (encode(layer), encode(layer.convert("LA")), encode(layer, "WEBP")):
        assert decode_image(content, max_megapixels=LIMIT).getpixel((1, 1)) == (255, 255, 255)


def test_transparent_colour_of_a_palette_becomes_white() -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 0, 255, 0])
    assert decode_image(encode(image), max_megapixels=LIMIT).getpixel((0, 0)) == (0, 255, 0)
    content = encode(image, transparency=1)
    assert decode_image(content, max_megapixels=LIMIT).getpixel((0, 0)) == (255, 255, 255)


def test_sixteen_bits_of_grey_are_scaled_not_clipped() -> None:
    ramp = np.array([[0, 257 * 100, 65535]], np.uint16)
    image = decode_image(encode(Image.fromarray(ramp)), max_megapixels=LIMIT)
    assert [image.getpixel((x, 0))[0] for x in range(3)] == [0, 100, 255]


@pytest.mark.parametrize("mode", ["1", "L", "CMYK"])
def test_stored_mode_is_told_and_pixels_are_rgb(mode: str) -> None:
    content = encode(halves().convert(mode), "JPEG" if mode == "CMYK" else "PNG")
    facts = inspect_image(content, max_megapixels=LIMIT)
    assert facts.header.mode == mode
    assert decode_image(content, max_megapixels=LIMIT).mode == "RGB"
    assert facts.brightness == pytest.approx(0.51, abs=0.05)


def test_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    content = encode(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    assert decode_image(content, max_megapixels=LIMIT).getpixel((0, 0)) == (255, 0, 0)


def test_facts_of_two_halves_are_their_mean_and_spread() -> None:
    facts = inspect_image(encode(halves(0, 255)), max_megapixels=LIMIT)
    assert (facts.header.format, facts.header.width, facts.header.height) == ("PNG", 64, 48)
    assert (facts.brightness, facts.contrast) == pytest.approx((0.5, 0.5))


def test_thumbnail_is_the_picture_at_eight_by_eight() -> None:
    blocks = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    picture = Image.fromarray(blocks.repeat(4, 0).repeat(3, 1))
    facts = inspect_image(encode(picture), max_megapixels=LIMIT)
    assert bytes.fromhex(facts.thumbnail) == blocks.tobytes()


def test_blank_image_has_no_contrast() -> None:
    assert inspect_image(encode(Image.new("RGB", (9, 9))), max_megapixels=LIMIT).contrast == 0


def test_same_picture_smaller_and_compressed_again_keeps_its_hash() -> None:
    rng = np.random.default_rng(1)
    blocks = rng.integers(0, 256, (8, 9, 3), dtype=np.uint8).repeat(32, 0).repeat(32, 1)
    picture = Image.fromarray(blocks)
    other = Image.fromarray(rng.integers(0, 256, blocks.shape, dtype=np.uint8))
    contents = [encode(picture), encode(picture.resize((144, 128)), "JPEG", quality=70)]
    hashes = [int(inspect_image(c, max_megapixels=LIMIT).dhash, 16) for c in contents]
    assert (hashes[0] ^ hashes[1]).bit_count() <= 3
    stranger = int(inspect_image(encode(other), max_megapixels=LIMIT).dhash, 16)
    assert (hashes[0] ^ stranger).bit_count() > 10


_SAMPLES = [encode(halves(), kind) for kind in ("JPEG", "PNG", "WEBP")]


@settings(max_examples=150, deadline=None)
@given(
    content=st.sampled_from(_SAMPLES),
    flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), max_size=8),
    cut=st.integers(0, 200),
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow tells of odd metadata that way
def test_damaged_bytes_decode_or_raise_image_error(
    content: bytes, flips: list[tuple[int, int]], cut: int
) -> None:
    damaged = bytearray(content)
    for place, mask in flips:
        damaged[place % len(damaged)] ^= mask
    with contextlib.suppress(ImageError):
        image = decode_image(bytes(damaged[: len(damaged) - cut]), max_megapixels=LIMIT)
        assert image.mode == "RGB"


@pytest.mark.real_data
def test_greyscale_poster_is_told_apart(posters: Path) -> None:
    content = (posters / "images/1789.jpg").read_bytes()
    assert inspect_image(content, max_megapixels=LIMIT).header.mode == "L"

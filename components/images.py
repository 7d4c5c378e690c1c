"""Safe decoding of images from anywhere, and the facts that are judged about them.

Pillow and numpy only: the endpoint, validation and the encoder all decode by this one way, so an
upload is seen exactly as a picture of the training set is.
"""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from components.errors import ImageError

FORMATS = ("JPEG", "PNG", "WEBP")

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_HASH_SIDE = 8
_THUMBNAIL_SIDE = 8


@dataclass(frozen=True)
class ImageHeader:
    """What the first bytes of an image say: `mode` is Pillow's name of how pixels are stored."""

    format: str
    width: int
    height: int
    mode: str

    @property
    def megapixels(self) -> float:
        """Millions of pixels."""
        return self.width * self.height / 1e6


@dataclass(frozen=True)
class ImageFacts:
    """What the decoded pixels say.

    `brightness` is the mean and `contrast` the standard deviation of the luminance (ITU-R 601),
    both in 0 to 1; `dhash` is 16 hex digits, of which near duplicates share almost all bits;
    `thumbnail` is the picture itself at 8 × 8 pixels, three bytes each (RGB), in hex.
    """

    header: ImageHeader
    brightness: float
    contrast: float
    dhash: str
    thumbnail: str


def read_header(content: bytes) -> ImageHeader:
    """Read format, size and mode without decoding a pixel; raise ImageError if it is no image."""
    with _open(content) as image:
        return _describe(image)


def decode_image(content: bytes, *, max_megapixels: float) -> Image.Image:
    """Decode the first frame as the eye sees it, in RGB: turned as EXIF says, alpha over white.

    Raises ImageError, with a sentence fit for whoever sent the bytes, if they are not a whole
    JPEG, PNG or WebP image of at most `max_megapixels`.
    """
    return _decode(content, max_megapixels)[1]


def inspect_image(content: bytes, *, max_megapixels: float) -> ImageFacts:
    """Decode an image and measure it; raises what `decode_image` raises."""
    header, image = _decode(content, max_megapixels)
    grey = image.convert("L")
    brightness, contrast = _measure(grey)
    small = image.resize((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE), Image.Resampling.BOX)
    return ImageFacts(header, brightness, contrast, hash_look(grey), small.tobytes().hex())


def hash_look(grey: Image.Image) -> str:
    """Return the difference hash: whether each of 8 × 8 cells is darker than its right neighbour.

    See N. Krawetz, "Kind of Like That" (2013).
    """
    small = np.asarray(grey.resize((_HASH_SIDE + 1, _HASH_SIDE), Image.Resampling.BOX))
    darker = small[:, :-1] < small[:, 1:]
    return np.packbits(darker).tobytes().hex()


def _open(content: bytes) -> Image.Image:
    if not content:
        raise ImageError("the image is empty (0 bytes)")
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        # The warning comes as an error only where warnings are made errors.
        raise ImageError("the image has too many pixels") from error
    except Exception as error:  # Pillow's parsers raise anything at all on hostile bytes
        raise ImageError("the file is not a JPEG, PNG or WebP image") from error


def _describe(image: Image.Image) -> ImageHeader:
    # A JPEG of several pictures is known to Pillow as MPO.
    name = "JPEG" if image.format == "MPO" else image.format
    return ImageHeader(name or "", image.width, image.height, image.mode)


def _decode(content: bytes, max_megapixels: float) -> tuple[ImageHeader, Image.Image]:
    with _open(content) as image:
        header = _describe(image)
        if header.megapixels > max_megapixels:
            raise ImageError(
                f"the image has {header.width} × {header.height} pixels, "
                f"more than {max_megapixels:g} megapixels"
            )
        try:
            image.load()
            turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
            upright = image if turn is None else image.transpose(turn)
            rgb = _to_rgb(upright)
        except Exception as error:  # as above
            raise ImageError("the image is damaged or cut short and cannot be decoded") from error
    rgb.info = {}
    return header, rgb


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip at 255
        grey = np.clip(np.asarray(image, dtype=np.int64), 0, 65535) // 257
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def _measure(grey: Image.Image) -> tuple[float, float]:
    # From integer counts, so that the order of summing cannot show in the last digits.
    counts = np.array(grey.histogram(), dtype=np.int64)
    levels = np.arange(256, dtype=np.int64)
    total, first, second = (int((counts * levels**power).sum()) for power in (0, 1, 2))
    variance = (total * second - first**2) / total**2
    return first / total / 255, variance**0.5 / 255

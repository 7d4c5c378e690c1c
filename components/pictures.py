"""Small copies of the catalogue's pictures for people to look at, by the sha256 of the original.

    <folder>/<width>/<first two digits>/<sha256>.jpg

A copy is written whole or not at all and never changes; the folder is a cache that may be deleted
at any time, and what is not in it has no picture.
"""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image

from components.files import write_bytes

WIDTHS = (160, 320)
MEDIA_TYPE = "image/jpeg"

_QUALITY = 80
# Of a strip as narrow as a thread a copy would be endless.
_MAX_HEIGHTS = 4


def picture_file(folder: Path, width: int, sha256: str) -> Path:
    """Return where the copy of an image lies, at one of WIDTHS."""
    return folder / str(width) / sha256[:2] / f"{sha256}.jpg"


def has_copies(folder: Path, sha256: str) -> bool:
    """Whether an image's copies are all there."""
    return all(picture_file(folder, width, sha256).is_file() for width in WIDTHS)


def write_copies(folder: Path, sha256: str, image: Image.Image) -> None:
    """Write an image's copies: no wider than each of WIDTHS, never enlarged, in proportion."""
    for width in WIDTHS:
        write_bytes(picture_file(folder, width, sha256), _shrink(image, width))


def first_images(images: Sequence[Sequence[str]]) -> list[str | None]:
    """Return the image that stands for each item: its first; None for an item without one."""
    return [str(hashes[0]) if len(hashes) else None for hashes in images]


def _shrink(image: Image.Image, width: int) -> bytes:
    small = image.copy()
    small.thumbnail((width, _MAX_HEIGHTS * width), Image.Resampling.LANCZOS, reducing_gap=3.0)
    buffer = BytesIO()
    small.save(buffer, "JPEG", quality=_QUALITY, optimize=True, progressive=True)
    return buffer.getvalue()

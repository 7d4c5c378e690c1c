"""Pictures inside a page: small copies as data URIs."""

import base64
import io

from components.images import decode_image

_WIDTH, _HEIGHT = 132, 176
_QUALITY = 72


def draw_thumbnail(content: bytes, *, max_megapixels: float) -> str:
    """Return a small copy of an image as a data URI; raise ImageError if it is none."""
    image = decode_image(content, max_megapixels=max_megapixels)
    image.thumbnail((_WIDTH, _HEIGHT))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()

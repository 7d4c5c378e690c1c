"""The report's pictures: small copies of items' images, inside the page."""

import base64
import io

from components.files import read_parquet
from components.images import decode_image
from components.models.catalogue import Catalogue
from components.paths import Workspace

_WIDTH, _HEIGHT = 132, 176
_QUALITY = 72


class Thumbnails:
    """Makes each item's thumbnail once, as a data URI."""

    def __init__(self, workspace: Workspace, catalogue: Catalogue, max_megapixels: float) -> None:
        images = read_parquet(workspace.accepted / "images.parquet", ["sha256", "path"])
        self._paths = dict(zip(images["sha256"], images["path"], strict=True))
        self._root, self._catalogue = workspace.root, catalogue
        self._max_megapixels = max_megapixels
        self._made: dict[int, str | None] = {}

    def of(self, item: int) -> str | None:
        """Return the thumbnail of an item's first image; None for an item without one."""
        if item not in self._made:
            images = list(self._catalogue.items["images"].iloc[item])
            self._made[item] = self._make(images[0]) if images else None
        return self._made[item]

    def _make(self, sha256: str) -> str:
        content = (self._root / self._paths[sha256]).read_bytes()
        image = decode_image(content, max_megapixels=self._max_megapixels)
        image.thumbnail((_WIDTH, _HEIGHT))
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=_QUALITY, optimize=True)
        return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()

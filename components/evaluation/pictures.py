"""The report's pictures: small copies of items' images, inside the page."""

from components.files import read_parquet
from components.models.catalogue import Catalogue
from components.pages.thumbnails import draw_thumbnail
from components.paths import Workspace


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
        return draw_thumbnail(content, max_megapixels=self._max_megapixels)

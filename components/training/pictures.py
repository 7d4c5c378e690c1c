"""The accepted images on this disk: verified, decoded, and smaller copies of the large ones."""

import hashlib
import logging
import math
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from threading import Lock

from PIL import Image

from components.errors import CorruptFileError
from components.files import read_parquet, write_bytes
from components.images import decode_image
from components.parallel import count_cores
from components.paths import Workspace
from components.settings import Settings

_QUALITY = 95
_DIGEST_BYTES = hashlib.sha256().digest_size
# Two threads that keep the same picture would write beside it under one name.
_keeping = Lock()

log = logging.getLogger(__name__)


def read_image_files(workspace: Workspace) -> dict[str, str]:
    """Return the path of each accepted image, from the workspace's root, by its sha256."""
    images = read_parquet(workspace.accepted / "images.parquet", ["sha256", "path"])
    return dict(zip(images["sha256"].tolist(), images["path"].tolist(), strict=True))


def read_image_bytes(root: Path, path: str, sha256: str) -> bytes:
    """Return an image's bytes; raise CorruptFileError if they are not those that were accepted."""
    file = root / path
    batch = Path(path).parents[1].name
    if not file.is_file():
        raise CorruptFileError(f"image {file} is missing; 'beholder fetch {batch}' brings it back")
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise CorruptFileError(
            f"image {file} does not have the sha256 {sha256}; run 'dvc checkout' or "
            f"'beholder fetch {batch}'"
        )
    return content


@dataclass(frozen=True)
class Pictures:
    """Where a family finds pixels, and the encoder that `embed` saw them through.

    Nothing is read before it is asked for. `kept` is a cache: it may be deleted at any time.
    """

    workspace: Workspace
    workers: int

    @classmethod
    def of(cls, workspace: Workspace, settings: Settings) -> "Pictures":
        """Return the pictures of a workspace, decoded by as many threads as torch may have."""
        return cls(workspace, settings.threads or count_cores())

    @property
    def encoder(self) -> Path:
        """The folder of the encoder that made the catalogue's embeddings."""
        return self.workspace.embeddings / "encoder"

    @cached_property
    def files(self) -> dict[str, str]:
        """The path of each accepted image, from the workspace's root, by its sha256, sorted."""
        return dict(sorted(read_image_files(self.workspace).items()))

    def read(self, sha256: str) -> Image.Image:
        """Return an image upright and in RGB; raise CorruptFileError if it is not as accepted."""
        content = read_image_bytes(self.workspace.root, self.files[sha256], sha256)
        # What validation let in is not judged a second time.
        return decode_image(content, max_megapixels=math.inf)

    def read_small(self, sha256: str, side: int) -> Image.Image:
        """Return an image whose shorter side is at most `side` pixels.

        Made of a larger one it is kept as a JPEG in the cache, and always seen through that JPEG:
        so it is the same picture whether it was kept before or not.
        """
        path = self.workspace.cache / "thumbnails" / str(side) / sha256[:2] / f"{sha256}.jpg"
        content = _open_kept(path)
        if content is None:
            image = self.read(sha256)
            if min(image.size) <= side:
                return image
            content = _shrink(image, side)
            with _keeping:
                write_bytes(path, hashlib.sha256(content).digest() + content)
        return decode_image(content, max_megapixels=math.inf)


def _open_kept(path: Path) -> bytes | None:
    """Return the JPEG that was kept; None where there is none, or where a byte has changed."""
    if not path.is_file():
        return None
    kept = path.read_bytes()
    digest, content = kept[:_DIGEST_BYTES], kept[_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        log.warning("thumbnail damaged, making it again file=%s", path.name)
        return None
    return content


def _shrink(image: Image.Image, side: int) -> bytes:
    scale = side / min(image.size)
    width, height = (max(1, round(length * scale)) for length in image.size)
    buffer = BytesIO()
    small = image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
    small.save(buffer, "JPEG", quality=_QUALITY, subsampling=0)
    return buffer.getvalue()

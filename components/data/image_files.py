"""Image files at the door: which file a name means, and whether it may come in.

Nothing is decoded here: that is validation's work, which remembers its verdicts.
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath

_HEAD_BYTES = 16
_CHUNK_BYTES = 1 << 20


class UnfitImageError(Exception):
    """An image that may not come in; the text is the reason, without the name."""


@dataclass(frozen=True)
class ImageFile:
    """An image that may come in: where it lies, the name it came with, what it is."""

    path: Path
    source: str
    sha256: str
    suffix: str
    size: int

    @property
    def file(self) -> str:
        """Its name in a batch."""
        return f"{self.sha256}.{self.suffix}"


class ImageFolder:
    """A folder of images, of which nothing outside it can be reached."""

    def __init__(self, root: Path, max_bytes: int) -> None:
        self.root = root.resolve()
        self._max_bytes = max_bytes
        self._seen: dict[Path, ImageFile] = {}

    @cached_property
    def names(self) -> list[Path]:
        """Every file below the folder but hidden ones, sorted, as paths from it."""
        found = []
        for place, folders, files in os.walk(self.root):
            folders[:] = [name for name in folders if not name.startswith(".")]
            below = Path(place).relative_to(self.root)
            found += [below / name for name in files if not name.startswith(".")]
        return sorted(found)

    @cached_property
    def _by_base_name(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for name in self.names:
            found.setdefault(name.name, []).append(name)
        return found

    def find(self, name: str) -> Path:
        """Return the path, from the folder, that a name in a table means.

        Tried in turn: below the folder, below its parent (so `images/1.jpg` in `images/`), and as
        the base name of one file anywhere in the folder. Raises UnfitImageError.
        """
        parts = PurePosixPath(name).parts
        if not parts:
            raise UnfitImageError("does not exist in the image folder")
        if "\0" in name or ".." in parts or ".." in PureWindowsPath(name).parts:
            raise UnfitImageError("leads out of the image folder")
        if PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive:
            raise UnfitImageError("is an absolute path; paths within the image folder are wanted")
        tried = [Path(*parts)]
        if len(parts) > 1 and parts[0] == self.root.name:
            tried.append(Path(*parts[1:]))
        for path in tried:
            if os.path.lexists(self.root / path):
                return path
        same = self._by_base_name.get(parts[-1], [])
        if len(same) > 1:
            raise UnfitImageError(f"names {len(same)} files ({same[0]}, {same[1]})")
        if not same:
            raise UnfitImageError("does not exist in the image folder")
        return same[0]

    def inspect(self, path: Path) -> ImageFile:
        """Return what a file (a path from the folder) is, reading it once, a piece at a time.

        Raises UnfitImageError if it lies outside by a link, is no regular file, is empty, too
        large, unreadable or neither JPEG, PNG nor WebP.
        """
        if path not in self._seen:
            try:
                self._seen[path] = self._inspect(path)
            except (OSError, RuntimeError) as error:  # a circle of links is a RuntimeError
                raise UnfitImageError(f"cannot be read ({type(error).__name__})") from error
        return self._seen[path]

    def _inspect(self, path: Path) -> ImageFile:
        real = (self.root / path).resolve(strict=True)
        if self.root not in real.parents:
            raise UnfitImageError("is a link that leads out of the image folder")
        facts = real.stat()
        if not stat.S_ISREG(facts.st_mode):  # before opening: a pipe would wait for ever
            raise UnfitImageError("is no regular file")
        if facts.st_size == 0:
            raise UnfitImageError("is empty")
        if facts.st_size > self._max_bytes:
            raise UnfitImageError(
                f"has {facts.st_size:,} bytes, more than the {self._max_bytes:,} allowed "
                "(ingest.max_image_megabytes in params.yaml)"
            )
        with real.open("rb") as file:
            suffix = _sniff(file.read(_HEAD_BYTES))
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return ImageFile(real, path.as_posix(), digest, suffix, facts.st_size)


def _sniff(head: bytes) -> str:
    if head.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    raise UnfitImageError("is neither JPEG, PNG nor WebP")


def copy_image(image: ImageFile, target: Path) -> None:
    """Copy an image's bytes; raise UnfitImageError if they are no longer those inspected."""
    digest = hashlib.sha256()
    with image.path.open("rb") as source, target.open("xb") as copy:
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
            copy.write(chunk)
    if digest.hexdigest() != image.sha256:
        raise UnfitImageError("changed while it was being copied")

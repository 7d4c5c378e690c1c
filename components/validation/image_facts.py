"""What the pixels of an image say, measured once in its life and kept by the hash of its bytes."""

import hashlib
import logging
from functools import partial
from pathlib import Path

import pandas as pd

from components.errors import CorruptFileError, ImageError
from components.files import hash_json, read_parquet, write_parquet
from components.images import inspect_image, read_header
from components.parallel import count_cores, map_ahead
from components.progress import track

COLUMNS = (
    "sha256",
    "format",
    "width",
    "height",
    "mode",
    "brightness",
    "contrast",
    "dhash",
    "thumbnail",
    "problem",
)
_NUMBERS = ("width", "height", "brightness", "contrast")
# Raise it when the same bytes would be measured otherwise.
_FORMAT = 2
_ROWS_A_PART = 4096
_AHEAD = 64

log = logging.getLogger(__name__)


class FactStore:
    """The facts on this machine, in append-only parts; a cache, so a damaged part is dropped."""

    def __init__(self, root: Path, max_megapixels: float) -> None:
        self.max_megapixels = max_megapixels
        rules = {"format": _FORMAT, "max_megapixels": max_megapixels}
        self.folder = root / hash_json(rules)[:16]
        for leftover in self.folder.glob(".*.tmp"):  # of a process that was killed
            leftover.unlink()

    def read(self) -> pd.DataFrame:
        """Return all facts, one row a hash."""
        parts = []
        for path in self._parts():
            try:
                parts.append(read_parquet(path))
            except CorruptFileError:
                log.warning("image facts damaged and dropped file=%s", path.name)
                path.unlink()
        if not parts:
            return _frame([])
        return pd.concat(parts, ignore_index=True).drop_duplicates("sha256")

    def append(self, rows: list[tuple[object, ...]]) -> None:
        """Add one part, whole or not at all."""
        if not rows:
            return
        ordinal = max((int(path.stem) for path in self._parts()), default=-1) + 1
        write_parquet(self.folder / f"{ordinal:06d}.parquet", _frame(rows))

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*.parquet"))


def gather_facts(store: FactStore, files: list[tuple[str, Path, bool]]) -> pd.DataFrame:
    """Return one row of facts for each distinct hash of `files`, decoding only new ones.

    `files` are (sha256, file, whether its bytes were hashed before). The bytes of every file that
    is new in either sense are hashed; raises CorruptFileError naming the first whose bytes are
    not what its hash says.
    """
    known = set(store.read()["sha256"])
    work = []
    for sha256, path, is_verified in files:
        if sha256 not in known or not is_verified:
            work.append((sha256, path, sha256 not in known))
            known.add(sha256)
    log.info("image facts files=%s to_read=%s", len(files), len(work))
    measure = partial(_read_checked, store.max_megapixels)
    rows = map_ahead(measure, work, threads=count_cores(), ahead=_AHEAD)
    waiting: list[tuple[object, ...]] = []
    for row in track(rows, "check images", total=len(work)):
        if row is not None:
            waiting.append(row)
        if len(waiting) == _ROWS_A_PART:
            store.append(waiting)
            waiting = []
    store.append(waiting)
    # Read back even when all is new, so that a column has the same type in every run.
    facts = store.read()
    wanted = facts["sha256"].isin({sha256 for sha256, _, _ in files})
    return facts[wanted].sort_values("sha256", ignore_index=True)


def _read_checked(max_megapixels: float, work: tuple[str, Path, bool]) -> tuple[object, ...] | None:
    sha256, path, is_wanted = work
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        batch = path.parents[1].name
        raise CorruptFileError(
            f"image {path} has other bytes than were ingested; "
            f"'beholder fetch {batch}' brings it back"
        )
    return (sha256, *_measure(content, max_megapixels)) if is_wanted else None


def _measure(content: bytes, max_megapixels: float) -> tuple[object, ...]:
    """Return the columns after the hash; what cannot be known is None."""
    try:
        header = read_header(content)
    except ImageError as error:
        return (None,) * 8 + (str(error),)
    stored = (header.format, header.width, header.height, header.mode)
    if header.megapixels > max_megapixels:  # judged by its size; too large to be decoded
        return (*stored, None, None, None, None, None)
    try:
        facts = inspect_image(content, max_megapixels=max_megapixels)
    except ImageError as error:
        return (*stored, None, None, None, None, str(error))
    return (*stored, facts.brightness, facts.contrast, facts.dhash, facts.thumbnail, None)


def _frame(rows: list[tuple[object, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    return frame.astype(dict.fromkeys(_NUMBERS, "float64"))

"""How often a key may ask: a token bucket, shared by the workers of an endpoint."""

import fcntl
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from components.keys import Key, Rate

_FORM = struct.Struct("<dd")


@dataclass(frozen=True)
class Bucket:
    """So many requests are left at a moment (seconds of a steady clock)."""

    left: float
    at: float


def take(bucket: Bucket | None, rate: Rate, now: float) -> tuple[Bucket, float]:
    """Take one request out of a bucket (None: a full one), which fills at the rate up to its count.

    Returns the bucket and how many seconds to wait for the next one: 0 where this one is granted.
    """
    full = float(rate.count)
    # A clock that went back is that of another boot: the bucket has filled since.
    if bucket is None or bucket.at > now:
        bucket = Bucket(full, now)
    left = min(full, bucket.left + (now - bucket.at) * full / rate.seconds)
    if left >= 1:
        return Bucket(left - 1, now), 0.0
    return Bucket(left, now), (1 - left) * rate.seconds / full


class Allowance:
    """The buckets of all keys, one small file each below `folder`; in this process without one."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._buckets: dict[str, Bucket] = {}
        self._files: dict[str, int] = {}

    def ask(self, key: Key, now: float) -> float:
        """Return 0 if a key may ask now, else how many seconds it has to wait."""
        if key.rate is None:
            return 0.0
        if self._folder is None:
            bucket, wait = take(self._buckets.get(key.sha256), key.rate, now)
            self._buckets[key.sha256] = bucket
            return wait
        file = self._open(self._folder, key)
        # Held for microseconds; the kernel frees it if this process is killed.
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            content = os.pread(file, _FORM.size, 0)
            before = Bucket(*_FORM.unpack(content)) if len(content) == _FORM.size else None
            bucket, wait = take(before, key.rate, now)
            os.pwrite(file, _FORM.pack(bucket.left, bucket.at), 0)
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
        return wait

    def _open(self, folder: Path, key: Key) -> int:
        if key.sha256 not in self._files:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{key.sha256[:32]}.rate"
            self._files[key.sha256] = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        return self._files[key.sha256]

"""The API keys of an endpoint: a file of their hashes, which workers watch while they run."""

import hashlib
import logging
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components.errors import ConflictError, CorruptFileError, DataError
from components.files import read_json, write_json
from components.locking import hold_lock
from components.paths import Workspace
from components.settings import Settings

# What a key may open; `operate` is for whoever runs the endpoint.
SCOPES = ("recommend", "feedback", "operate")

_PREFIX = "bhk_"
_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RATE = re.compile(r"([0-9]{1,9})/(s|m|h)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_WAIT_SECONDS = 10

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rate:
    """So many requests in so many seconds; as many may come at once."""

    count: int
    seconds: int

    def __str__(self) -> str:
        unit = {seconds: name for name, seconds in _SECONDS.items()}[self.seconds]
        return f"{self.count}/{unit}"


@dataclass(frozen=True)
class Key:
    """A key: its name, the hash of its token, what it opens, how often, and since when it is."""

    name: str
    sha256: str
    scopes: tuple[str, ...]
    rate: Rate | None
    made_at: int


def find_key_file(workspace: Workspace, settings: Settings) -> Path:
    """Return where a workspace's keys are."""
    return (settings.keys_file or workspace.keys).resolve()


def hash_token(token: str) -> str:
    """Return what is stored of a token; 256 random bits cannot be guessed, so no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def parse_scopes(text: str) -> tuple[str, ...]:
    """Return the scopes of a list with commas, in their order; raise DataError on any other."""
    wanted = {part.strip() for part in text.split(",") if part.strip()}
    unknown = sorted(wanted - set(SCOPES))
    if unknown or not wanted:
        what = f"{unknown[0]!r} is none" if unknown else "none is named"
        raise DataError(f"scopes: {what}; there are {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in wanted)


def parse_rate(text: str) -> Rate:
    """Return the rate of a text such as 100/s, 1000/m or 5000/h; raise DataError on any other."""
    match = _RATE.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise DataError(f"rate: {text!r} is none; write 100/s, 1000/m or 5000/h")
    return Rate(int(match[1]), _SECONDS[match[2]])


def make_key(file: Path, name: str, scopes: tuple[str, ...], rate: Rate | None) -> str:
    """Add a key and return its token, which is nowhere kept; raise ConflictError if it exists."""
    if not _NAME.fullmatch(name):
        raise DataError(
            f"name: {name!r} is none; letters, digits, '.', '_' and '-', at most 64 of them"
        )
    token = _PREFIX + secrets.token_urlsafe(_BYTES)
    with _hold(file):
        keys = read_keys(file)
        if any(key.name == name for key in keys):
            raise ConflictError(
                f"a key {name!r} exists; revoke it first by 'beholder keys revoke {name}', or "
                "take another name"
            )
        made = Key(name, hash_token(token), scopes, rate, int(time.time()))
        _write(file, [*keys, made])
    return token


def revoke_key(file: Path, name: str) -> None:
    """Take a key away; raise DataError naming those there are if there is none such."""
    with _hold(file):
        keys = read_keys(file)
        if all(key.name != name for key in keys):
            names = ", ".join(key.name for key in keys) or "none"
            raise DataError(f"no key {name!r} (there: {names})")
        _write(file, [key for key in keys if key.name != name])


def read_keys(file: Path) -> tuple[Key, ...]:
    """Return the keys of a file, none where it is missing; raise CorruptFileError if it is none."""
    if not file.exists():
        return ()
    content = read_json(file)
    try:
        return tuple(_parse_key(line) for line in content["keys"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptFileError(
            f"{file} is no file of keys ({error!r}); restore it, or remove it and make keys anew"
        ) from error


def _parse_key(line: dict[str, Any]) -> Key:
    rate = line["rate"]
    scopes = tuple(line["scopes"])
    if not set(scopes) <= set(SCOPES) or not re.fullmatch("[0-9a-f]{64}", line["sha256"]):
        raise ValueError(line["name"])
    limit = None if rate is None else Rate(int(rate["count"]), int(rate["seconds"]))
    if limit is not None and (limit.count < 1 or limit.seconds not in _SECONDS.values()):
        raise ValueError(line["name"])
    return Key(str(line["name"]), line["sha256"], scopes, limit, int(line["made_at"]))


def _write(file: Path, keys: Iterable[Key]) -> None:
    write_json(file, {"keys": [asdict(key) for key in keys]})
    file.chmod(0o600)


def _hold(file: Path) -> Any:
    return hold_lock(
        file.with_name(f"{file.name}.lock"), wait_seconds=_WAIT_SECONDS, what="the file of keys"
    )


class KeyRing:
    """The keys of a file as it is now: what is made or revoked counts within half a second."""

    LOOK_SECONDS = 0.5

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._looked = -self.LOOK_SECONDS
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[str, Key] = {}

    def find(self, token: str, now: float) -> Key | None:
        """Return the key of a token, None if there is none such; `now` counts seconds, steadily."""
        self._look(now)
        # By hash: how long a look-up takes tells nothing of the token.
        return self._keys.get(hash_token(token))

    def is_empty(self, now: float) -> bool:
        """Whether there is no key at all."""
        self._look(now)
        return not self._keys

    def _look(self, now: float) -> None:
        if self._file is None or now - self._looked < self.LOOK_SECONDS:
            return
        self._looked = now
        try:
            facts = self._file.stat()
        except FileNotFoundError:
            self._seen, self._keys = None, {}
            return
        seen = (facts.st_ino, facts.st_mtime_ns, facts.st_size)
        if seen == self._seen:
            return
        self._seen, self._keys = seen, {}
        try:
            self._keys = {key.sha256: key for key in read_keys(self._file)}
        except (CorruptFileError, OSError) as error:  # then nobody is let in
            log.error("keys not understood reason=%s", error)
        log.info("keys read keys=%d", len(self._keys))

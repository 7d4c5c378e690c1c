"""Who is told, and of what: kept in a file that only its owner may read, for the URL is a secret.

Whoever knows the URL of a webhook may post there; most receivers ask for nothing else.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from components.errors import CorruptFileError, ParameterError, WorkspaceError
from components.files import read_json, write_secret
from components.notices.notice import KINDS, Kind
from components.paths import Workspace

Form = Literal["json", "slack", "discord", "text"]
FORMS: tuple[Form, ...] = get_args(Form)

# What these understand is known; everybody else gets `json`.
_FORMS_BY_HOST: dict[str, Form] = {
    "hooks.slack.com": "slack",
    "chat.googleapis.com": "slack",
    "discord.com": "discord",
    "discordapp.com": "discord",
    "ntfy.sh": "text",
}


@dataclass(frozen=True)
class Receiver:
    """Where notices go, in which form, and which kinds of them."""

    url: str
    form: Form
    on: tuple[Kind, ...]

    def __repr__(self) -> str:
        """Return it without its secret, for whatever shows it by accident."""
        return f"Receiver({self.shown_url}, {self.form}, {', '.join(self.on)})"

    @property
    def shown_url(self) -> str:
        """The URL as it may be shown: the host, and nothing that opens it."""
        parts = urlsplit(self.url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}/…"

    def hide(self, text: str) -> str:
        """Return a text with the URL and its secret parts taken out."""
        parts = urlsplit(self.url)
        secrets = (self.url, parts.path, parts.query, parts.username, parts.password)
        for secret in secrets:
            if secret and len(secret) > 1:
                text = text.replace(secret, "…")
        return text


def make_receiver(url: str, form: str | None, on: str | None) -> Receiver:
    """Return a receiver as a person names it; raise ParameterError, which tells no secret.

    Without a form it is the one that the host is known to understand, else `json`.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ParameterError("the address is no URL; copy it whole") from error
    if parts.scheme not in ("http", "https") or not host or any(c.isspace() for c in url):
        raise ParameterError("the address is no http:// or https:// URL; copy it whole")
    known = _FORMS_BY_HOST.get(host, "json")
    return Receiver(url, _read_form(form) if form else known, read_kinds(on))


def read_kinds(on: str | None) -> tuple[Kind, ...]:
    """Return the kinds that a list with commas names, all of them for None or `all`."""
    if on is None or on.strip() == "all":
        return KINDS
    named = {name.strip() for name in on.split(",") if name.strip()}
    unknown = sorted(named - set(KINDS))
    if unknown or not named:
        raise ParameterError(
            f"--on {on}: {', '.join(unknown) or 'nothing'} is none of {', '.join(KINDS)}"
        )
    return tuple(kind for kind in KINDS if kind in named)


def _read_form(form: str) -> Form:
    if form not in FORMS:
        raise ParameterError(f"--kind {form} is none of {', '.join(FORMS)}")
    return form


def keep_receiver(workspace: Workspace, receiver: Receiver) -> None:
    """Keep who is told, for the owner's eyes only."""
    write_secret(workspace.receiver, {**asdict(receiver), "on": list(receiver.on)})


def find_receiver(workspace: Workspace) -> Receiver | None:
    """Return who is told; None if nobody is.

    Raises WorkspaceError if others may read the file, CorruptFileError if it is not what was
    written.
    """
    path = workspace.receiver
    if not path.exists():
        return None
    if path.stat().st_mode & 0o077:
        raise WorkspaceError(
            f"{path} holds a secret URL and is open to others; run 'chmod 600 {path}'"
        )
    content: Any = read_json(path)
    try:
        on: Sequence[str] = content["on"]
        return make_receiver(content["url"], content["form"], ",".join(on))
    except (KeyError, TypeError, ParameterError) as error:
        raise CorruptFileError(
            f"{path} says no more who is told; run 'beholder notify URL' again"
        ) from error

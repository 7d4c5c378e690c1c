"""What somebody holds in their hand, an id or a line of an answer, and which version it names."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, get_args

from components.errors import ParameterError
from components.promotion.moving import CHAMPION, PREVIOUS

Kind = Literal[
    "version", "lineage", "run", "bento", "bundle", "batch", "data", "image", "item", "user",
    "request",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)
ACCEPTED = (
    "a version's number or alias, a lineage id, an MLflow run, a Bento's tag or digest, the line "
    "of an answer's header, a batch, a data version, or item:ID, user:ID, image:SHA256, request:ID"
)

# What is said of an alias that names nothing yet.
_NEXT = {
    CHAMPION: "no version is champion yet; 'beholder retrain' makes the first",
    PREVIOUS: "no version was champion before the one of now; 'beholder trace champion' shows "
    "that, 'beholder ledger' how it became it",
}
_LEAST_PREFIX = 4
_SHOWN = 6
_BENTO = "beholder"
_MODEL = re.compile(r"models:/[^/@]+[/@](?P<name>.+)")
_NUMBER = re.compile(r"(?:v|version\s*)(?P<name>\d+)", re.IGNORECASE)
_LINE = re.compile(r"(?P<label>[A-Za-z][\w-]*):\s*(?P<value>\S.*)", re.DOTALL)


@dataclass(frozen=True)
class Question:
    """What is asked for: a text, and what kind of thing it names if that was said."""

    text: str
    kind: Kind | None = None


@dataclass(frozen=True)
class Name:
    """A text that names a version (by number), or data: a batch or a data version."""

    kind: Kind
    text: str
    version: int | None = None

    @property
    def target(self) -> int | tuple[Kind, str]:
        """What it names: equal for two names of one thing."""
        return (self.kind, self.text) if self.version is None else self.version

    def describe(self) -> str:
        """Return the name for people."""
        about = "" if self.version is None or self.kind == "version" else f" (v{self.version})"
        return f"{self.kind} {self.text}{about}"


def read_question(given: str) -> Question:
    """Return what a text asks for: an id, `kind:id`, a header's line, or an answer's JSON."""
    text = given.strip().strip("'\"").strip()
    if text.startswith("HTTP/"):  # with its headers, as curl -i prints it
        text = re.split(r"\r?\n\r?\n", text, maxsplit=1)[-1]
    if text.startswith("{"):
        return _read_answer(text)
    if match := _MODEL.fullmatch(text) or _NUMBER.fullmatch(text):
        return Question(match["name"], "version")
    if match := _LINE.fullmatch(text):
        value = match["value"].strip().strip("'\"")
        return Question(value, _read_label(match["label"].lower()))
    return Question(text)


def _read_answer(text: str) -> Question:
    try:
        content = json.loads(text)
        return Question(str(content.get("model", content)["lineage_id"]), "lineage")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ParameterError(
            f"{text[:60]!r} is no answer of the endpoint, which names its model's lineage_id; "
            f"give the id itself: {ACCEPTED}"
        ) from error


def _read_label(label: str) -> Kind | None:
    """Return the kind that a label names: one of ours, a Bento's name, or that of a header."""
    if label == _BENTO:
        return "bento"
    words = label.split("-")
    named = [kind for kind in KINDS if kind in words]
    return named[0] if named else None


def find_names(question: Question, names: Iterable[Name]) -> list[Name]:
    """Return the names that are meant: those that are equal, else those that begin so."""
    wanted = question.text.lower()
    fitting = [name for name in names if question.kind in (None, name.kind)]
    equal = [name for name in fitting if name.text.lower() == wanted]
    if not equal and len(wanted) >= _LEAST_PREFIX:
        # A version's number has no beginning: 1 is not short for 12.
        return [n for n in fitting if n.kind != "version" and n.text.lower().startswith(wanted)]
    # A bare number is a version's, whatever else is called so.
    versions = [name for name in equal if name.kind == "version"]
    return versions or equal


def choose_name(question: Question, names: Sequence[Name]) -> Name | None:
    """Return the one name that is meant, None if none is; of equal ones the newest version's.

    Raises ParameterError if the text is the beginning of several.
    """
    found = find_names(question, names)
    if len({name.target for name in found}) > 1 and len({name.text for name in found}) > 1:
        shown = ", ".join(name.describe() for name in found[:_SHOWN])
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise ParameterError(f"{question.text!r} may be {shown}{more}; give more of it")
    return max(found, key=lambda name: name.version or 0, default=None)


def explain_unknown(question: Question, names: Sequence[Name]) -> ParameterError:
    """Return the error that says that nothing is called so, what may be asked, and what is near."""
    if question.kind in (None, "version") and question.text.lower() in _NEXT:
        return ParameterError(_NEXT[question.text.lower()])
    texts = {name.text.lower(): name for name in names}
    # An id's beginning is what people have: a mistake in it still shows.
    heads = {text[: max(len(question.text), _LEAST_PREFIX)]: name for text, name in texts.items()}
    wanted = question.text.lower()
    near = [texts[text] for text in get_close_matches(wanted, texts, n=3)]
    near += [heads[text] for text in get_close_matches(wanted, heads, n=3)]
    shown = ", ".join(dict.fromkeys(name.describe() for name in near))
    hint = f"; nearest: {shown}" if shown else ""
    kind = "version or data" if question.kind is None else question.kind
    return ParameterError(
        f"no {kind} is called {question.text!r}{hint}; accepted are {ACCEPTED}; "
        "'beholder ledger' shows all versions"
    )

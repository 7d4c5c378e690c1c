"""The tables of the answer log, and how an answer lies in them."""

import json
import math
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Float, Index, Integer, MetaData, RowMapping, String, Table

from components.answers.answered import Answered, Glance
from components.sqlite import Layout

metadata = MetaData()

# `items`, `ratings`, `users` and `paths` are JSON lists; a request id may be there twice, for
# callers make up their own.
answers = Table(
    "answers",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("request_id", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("route", String, nullable=False),
    Column("version", String, nullable=False),
    Column("lineage_id", String, nullable=False),
    Column("caller", String, nullable=False),
    Column("user_id", String),
    Column("path", String),
    Column("items", String),
    Column("ratings", String, nullable=False),
    Column("users", String),
    Column("paths", String),
    Column("catalogue", String),
)
Index("answers_of_request", answers.c.request_id)
Index("answers_by_time", answers.c.at)

# Answers that were given and could not be kept, by the worker that noticed.
losses = Table(
    "losses",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("answers", Integer, nullable=False),
)

# A power cut may take the last second; whoever waits for a disk here would wait for statistics.
LAYOUT = Layout("answer log", "BEHOLDER_ANSWERS_URL", metadata, 1, "NORMAL")

FIELDS = Answered._fields
GLANCED = Glance._fields
INSERT = f"INSERT INTO answers ({', '.join(FIELDS)}) VALUES ({', '.join('?' * len(FIELDS))})"  # noqa: S608 - our own names

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_LISTS = ("items", "ratings", "users", "paths")


def pack(answered: Answered) -> tuple[Any, ...]:
    """Return an answer as a row of values in the order of INSERT."""
    return (
        *answered[:9],
        _pack_texts(answered.items),
        _pack_numbers(answered.ratings),
        _pack_texts(answered.users),
        _pack_texts(answered.paths),
        answered.catalogue,
    )


def unpack(row: RowMapping) -> Answered:
    """Return the answer that a row holds, its ratings to six digits."""
    return Answered._make(_unpack(row[name]) if name in _LISTS else row[name] for name in FIELDS)


def glance(row: RowMapping) -> Glance:
    """Return what a row with the columns of GLANCED says."""
    return Glance._make(_unpack(row[name]) if name in _LISTS else row[name] for name in GLANCED)


def _pack_texts(texts: Sequence[str] | None) -> str | None:
    if not texts:
        return None if texts is None else "[]"
    whole = "".join(texts)
    # What needs no escaping, as ids seldom do, needs no encoder, which takes six times as long.
    if whole.isprintable() and '"' not in whole and "\\" not in whole:
        return '["' + '","'.join(texts) + '"]'
    return _encode(texts)


def _pack_numbers(numbers: tuple[float | None, ...]) -> str:
    if None not in numbers:
        # By one format for all: several times faster, and a worker has better things to do.
        text = f"[{('%.6g,' * len(numbers))[:-1] % numbers}]"
        if "n" not in text:  # neither nan nor inf, which are no JSON
            return text
    return f"[{','.join(map(_pack_number, numbers))}]"


def _pack_number(number: float | None) -> str:
    return "null" if number is None or not math.isfinite(number) else f"{number:.6g}"


def _unpack(text: str | None) -> tuple[Any, ...] | None:
    return None if text is None else tuple(json.loads(text))

"""The tables of the book of triggers; its commits last through a power cut."""

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
)

from components.sqlite import Layout

metadata = MetaData()

# One row a retraining that was asked for: open until `begun_at`, at work until `ended_at`.
# `attempt` grows where a flow run that should have begun it ended before it could.
rounds = Table(
    "rounds",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("opened_at", Float, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("flow_run", String),
    Column("begun_at", Float),
    Column("data_version", String),
    Column("params", String),
    Column("ended_at", Float),
    Column("outcome", String),
    Column("reason", String),
    Column("evidence", String),
    Column("version", Integer),
)

# One row who asked. `key` names what was asked, so that the same is written once; `tries` counts
# the rounds with it that were cut off.
asked = Table(
    "asked",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("round", ForeignKey("rounds.number"), nullable=False),
    Column("kind", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("evidence", String, nullable=False),
    Column("key", String, unique=True),
    Column("at", Float, nullable=False),
    Column("tries", Integer, nullable=False),
)
Index("asked_by_round", asked.c.round)

LAYOUT = Layout("book of triggers", "BEHOLDER_WORKSPACE", metadata, 1, "FULL")

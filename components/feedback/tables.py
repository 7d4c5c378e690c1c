"""The tables of the feedback log; its commits last through a power cut."""

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

from components.sqlite import Layout

metadata = MetaData()

# One row a call of `beholder feedback export` that found something; open while `batch` is null.
exports = Table(
    "exports",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("begun_at", Float, nullable=False),
    Column("batch", String),
    Column("ended_at", Float),
)

# `number` grows in the order of commits; `sent` is the hash of what the sender told.
events = Table(
    "events",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("caller", String, nullable=False),
    Column("event_id", String, nullable=False),
    Column("user_id", String, nullable=False),
    Column("item_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("value", Float),
    Column("timestamp", Integer, nullable=False),
    Column("request_id", String),
    Column("version", String),
    Column("lineage_id", String),
    Column("sent", String, nullable=False),
    Column("stored_at", Float, nullable=False),
    Column("export", ForeignKey("exports.number")),
    UniqueConstraint("caller", "event_id"),
)
Index("events_of_user", events.c.user_id, events.c.kind, events.c.timestamp, events.c.number)
Index("events_of_export", events.c.kind, events.c.export)

LAYOUT = Layout("feedback log", "BEHOLDER_FEEDBACK_URL", metadata, 1, "FULL")

"""The audit log."""

from sqlalchemy import Column, Index, Table, Text, Uuid

from adapters.postgres.tables.base import MOMENT, metadata

# No foreign key: events outlive their user.
events = Table(
    "events",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("action", Text, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("actor_id", Uuid),
    Column("created_at", MOMENT, nullable=False),
    Column("ip", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("detail", Text, nullable=False),
)
Index("ix_events_user_id_id", events.c.user_id, events.c.id)

"""Programs that may introspect and revoke tokens."""

from sqlalchemy import Column, LargeBinary, Table, Text, Uuid

from adapters.postgres.tables.base import MOMENT, metadata

clients = Table(
    "clients",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("secret_digest", LargeBinary, nullable=False),
    Column("created_at", MOMENT, nullable=False),
)

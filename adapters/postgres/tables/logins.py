"""Sessions, and the Redis server whose copy of the revocations counts."""

from sqlalchemy import (
    ARRAY,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Interval,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)

from adapters.postgres.tables.base import MOMENT, metadata

sessions = Table(
    "sessions",
    metadata,
    Column("id", Uuid, primary_key=True),
    # A session outlives its user: its revocation must stay known as long as its tokens could be valid.
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="SET NULL")),
    Column("generation", Integer, nullable=False),
    Column("floor", Integer, nullable=False, key="min_generation"),
    Column("created_at", MOMENT, nullable=False),
    Column("rotated_at", MOMENT, nullable=False),
    Column("expires_at", MOMENT, nullable=False),
    Column("ended_at", MOMENT),
    Column("end_reason", Text),
    Column("user_agent", Text, nullable=False),
    Column("ip", Text, nullable=False),
    Column("raised_at", MOMENT, key="revoked_at"),
    # How far the clock that wrote rotated_at was ahead of the database's; NULL if unknown.
    Column("rotated_ahead", Interval),
    Column("unpublished", Boolean, nullable=False, server_default=text("false"), key="revocation_pending"),
    # How and when the person logged in; NULL in sessions of the previous release, which were opened with a password.
    Column("amr", ARRAY(Text)),
    Column("authenticated_at", MOMENT),
    # Of the secret in the cookie; NULL unless it is a browser session.
    Column("secret_digest", LargeBinary),
)
Index("ix_sessions_user_id_id", sessions.c.user_id, sessions.c.id)
Index("ix_sessions_alive", sessions.c.user_id, postgresql_where=sessions.c.ended_at.is_(None))
Index("ix_sessions_raised_at", sessions.c.revoked_at, postgresql_where=sessions.c.revoked_at.is_not(None))
Index("ix_sessions_unpublished", sessions.c.id, postgresql_where=sessions.c.revocation_pending)

# The Redis server whose copy of the revocations counts, with its epoch (fencing token): one row.
blocklist_primary = Table(
    "seats",
    metadata,
    Column("id", Boolean, primary_key=True, server_default=text("true")),
    Column("server", Text, nullable=False, key="run_id"),
    Column("number", Integer, nullable=False, server_default="1", key="epoch"),
    CheckConstraint("id", name="one"),
)

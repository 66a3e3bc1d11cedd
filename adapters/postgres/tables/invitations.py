"""Invitations."""

from sqlalchemy import CheckConstraint, Column, Index, Table, Text, Uuid

from adapters.postgres.tables.base import MOMENT, metadata

# No foreign keys, which would lock users. A row is purged after a month, and with the history of its user.
invitations = Table(
    "invitations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("email", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("invited_by", Uuid, nullable=False),
    Column("created_at", MOMENT, nullable=False),
    # The user who accepted it.
    Column("user_id", Uuid),
    Column("accepted_at", MOMENT),
    Column("revoked_at", MOMENT),
    CheckConstraint("role IN ('member', 'moderator', 'admin')", name="role"),
)
Index(
    "uq_invitations_open",
    invitations.c.email,
    unique=True,
    postgresql_where=invitations.c.accepted_at.is_(None) & invitations.c.revoked_at.is_(None),
)
Index("ix_invitations_email", invitations.c.email)
Index("ix_invitations_user_id", invitations.c.user_id, postgresql_where=invitations.c.user_id.is_not(None))

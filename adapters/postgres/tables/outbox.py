"""The outbox."""

from sqlalchemy import Column, Index, Integer, Table, Text, Uuid, func

from adapters.postgres.tables.base import MOMENT, metadata

mails = Table(
    "mails",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    # No foreign key: a notice is sent even if its user was deleted.
    Column("user_id", Uuid),
    Column("change_id", Uuid),
    Column("created_at", MOMENT, nullable=False),
    Column("due_at", MOMENT, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("outcome", Text),
    Column("settled_at", MOMENT),
    Column("note", Text, nullable=False),
    # The client that caused the mail; empty in mails of earlier releases.
    Column("ip", Text),
    Column("user_agent", Text),
    # What the client prefers; the language that the user has chosen takes precedence.
    Column("language", Text),
    # Mails of one lane are sent one after another, and lanes in turn. The default is for the previous release.
    Column("lane", Text),
    Column("turn_at", MOMENT, nullable=False, server_default=func.now()),
)
Index("ix_mails_due_at", mails.c.due_at, postgresql_where=mails.c.outcome.is_(None))
Index("ix_mails_turn_at", mails.c.turn_at, postgresql_where=mails.c.outcome.is_(None))
Index("ix_mails_lane", mails.c.lane, mails.c.turn_at, postgresql_where=mails.c.outcome.is_(None))
Index("ix_mails_parked", mails.c.id, postgresql_where=mails.c.outcome == "parked")
Index("ix_mails_recipient", mails.c.recipient)
Index("ix_mails_user_id", mails.c.user_id, postgresql_where=mails.c.user_id.is_not(None))

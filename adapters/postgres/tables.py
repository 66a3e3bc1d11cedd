"""The schema, which Alembic reads. Times have a time zone; ids are UUIDv7."""

from sqlalchemy import (
    ARRAY,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    collate,
    func,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
_moment = DateTime(timezone=True)

users = Table(
    "users",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("email", Text, nullable=False),
    Column("username", Text),
    Column("password_hash", Text, nullable=False),
    Column("role", Text, nullable=False, server_default="member"),
    Column("verified_at", _moment),
    Column("disabled_at", _moment),
    Column("credential_version", Integer, nullable=False, server_default="1"),
    Column("created_at", _moment, nullable=False),
    Column("recovery_lag", Integer, nullable=False, server_default="0"),
    Column("reset_link_at", _moment),
    # Set on a deleted user. The row stays, without address and name, until the history has been removed.
    Column("deleted_at", _moment),
    # NULL in rows that the previous release has inserted since the migration: see provenance.py.
    Column("provenance", Text),
    Column("imported_at", _moment),
    # The kinds of the user's factors in use, so that no login or request needs to join them.
    Column("factors", ARRAY(Text), nullable=False, server_default="{}"),
    Column("factor_version", Integer, nullable=False, server_default="0"),
    CheckConstraint("role IN ('member', 'moderator', 'admin')", name="role"),
    CheckConstraint("email = lower(email)", name="email_lower"),
)
# Like Python's lower() for ASCII usernames. In a Turkish locale, the database's lower() changes I to another letter.
username_key = func.lower(collate(users.c.username, "C"))
# Pages are in byte order: the columns are ASCII, and one index serves prefixes and cursors.
email_order = collate(users.c.email, "C")
# Unique among verified users only: several unverified users may share an address or name.
Index("uq_users_email_verified", users.c.email, unique=True, postgresql_where=users.c.verified_at.is_not(None))
Index("uq_users_username_key", username_key, unique=True, postgresql_where=users.c.verified_at.is_not(None))
Index("ix_users_email", users.c.email, postgresql_ops={"email": "text_pattern_ops"})
Index("ix_users_username_key", username_key, users.c.id)
# For the previous release, whose processes look up names by the database's locale.
_locale_key = func.lower(users.c.username)
Index("uq_users_username_verified", _locale_key, unique=True, postgresql_where=users.c.verified_at.is_not(None))
_name_key = _locale_key.label("name_key")
Index("ix_users_username", _name_key, postgresql_ops={"name_key": "text_pattern_ops"})
# The collation is given as an operator class, since Alembic would report it as a changed expression otherwise.
Index("ix_users_email_id", users.c.email, users.c.id, postgresql_ops={"email": 'COLLATE "C"'})
Index("ix_users_username_id", _name_key, users.c.id, postgresql_ops={"name_key": 'COLLATE "C"'})
Index("ix_users_claims", users.c.id, postgresql_where=users.c.verified_at.is_(None))
Index("ix_users_role", users.c.role, users.c.id)
Index("ix_users_unknown_provenance", users.c.id, postgresql_where=users.c.provenance.is_(None))

# One row for each deleted user until nothing is left of them. No foreign key, which would lock users.
deletions = Table(
    "deletions",
    metadata,
    Column("id", Uuid, primary_key=True),
    # Only if the user had verified it.
    Column("email", Text),
    Column("username", Text),
    Column("role", Text, nullable=False),
    Column("deleted_at", _moment, nullable=False),
    # The deletion can be undone until then; NULL if it cannot.
    Column("until", _moment),
    # The last event of the user that has been cleaned.
    Column("cleaned_to", Uuid),
)

Index("ix_deletions_email", deletions.c.email, postgresql_where=deletions.c.email.is_not(None))

sessions = Table(
    "sessions",
    metadata,
    Column("id", Uuid, primary_key=True),
    # A session outlives its user: its revocation must stay known as long as its tokens could be valid.
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="SET NULL")),
    Column("generation", Integer, nullable=False),
    Column("floor", Integer, nullable=False, key="min_generation"),
    Column("created_at", _moment, nullable=False),
    Column("rotated_at", _moment, nullable=False),
    Column("expires_at", _moment, nullable=False),
    Column("ended_at", _moment),
    Column("end_reason", Text),
    Column("user_agent", Text, nullable=False),
    Column("ip", Text, nullable=False),
    Column("raised_at", _moment, key="revoked_at"),
    # How far the clock that wrote rotated_at was ahead of the database's; NULL if unknown.
    Column("rotated_ahead", Interval),
    Column("unpublished", Boolean, nullable=False, server_default=text("false"), key="revocation_pending"),
    # How and when the person logged in; NULL in sessions of the previous release, which were opened with a password.
    Column("amr", ARRAY(Text)),
    Column("authenticated_at", _moment),
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

mails = Table(
    "mails",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    # No foreign key: a notice is sent even if its user was deleted.
    Column("user_id", Uuid),
    Column("change_id", Uuid),
    Column("created_at", _moment, nullable=False),
    Column("due_at", _moment, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("outcome", Text),
    Column("settled_at", _moment),
    Column("note", Text, nullable=False),
    # The client that caused the mail; empty in mails of earlier releases.
    Column("ip", Text),
    Column("user_agent", Text),
    # Mails of one lane are sent one after another, and lanes in turn. The default is for the previous release.
    Column("lane", Text),
    Column("turn_at", _moment, nullable=False, server_default=func.now()),
)
Index("ix_mails_due_at", mails.c.due_at, postgresql_where=mails.c.outcome.is_(None))
Index("ix_mails_turn_at", mails.c.turn_at, postgresql_where=mails.c.outcome.is_(None))
Index("ix_mails_lane", mails.c.lane, mails.c.turn_at, postgresql_where=mails.c.outcome.is_(None))
Index("ix_mails_parked", mails.c.id, postgresql_where=mails.c.outcome == "parked")
Index("ix_mails_recipient", mails.c.recipient)
Index("ix_mails_user_id", mails.c.user_id, postgresql_where=mails.c.user_id.is_not(None))

address_changes = Table(
    "address_changes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("old_email", Text, nullable=False),
    Column("new_email", Text, nullable=False),
    Column("credential_version", Integer, nullable=False),
    Column("asked_at", _moment, nullable=False),
    Column("confirmed_at", _moment),
    Column("closed_at", _moment),
    Column("factor_version", Integer),
)
Index("ix_address_changes_user_id_id", address_changes.c.user_id, address_changes.c.id)
Index("ix_address_changes_old_email", address_changes.c.old_email)

# No foreign key: events outlive their user.
events = Table(
    "events",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("action", Text, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("actor_id", Uuid),
    Column("created_at", _moment, nullable=False),
    Column("ip", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("detail", Text, nullable=False),
)
Index("ix_events_user_id_id", events.c.user_id, events.c.id)

# Digests of imported addresses, kept while the import may be run again, also after the user was deleted.
import_digests = Table(
    "arrivals",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
)

clients = Table(
    "clients",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("secret_digest", LargeBinary, nullable=False),
    Column("created_at", _moment, nullable=False),
)

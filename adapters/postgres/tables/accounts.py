"""Users, what is left of deleted ones, changes of address, and imported addresses."""

from sqlalchemy import ARRAY, CheckConstraint, Column, Index, Integer, LargeBinary, Table, Text, Uuid, collate, func

from adapters.postgres.tables.base import MOMENT, metadata, owner_column

users = Table(
    "users",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("email", Text, nullable=False),
    Column("username", Text),
    Column("password_hash", Text, nullable=False),
    Column("role", Text, nullable=False, server_default="member"),
    Column("verified_at", MOMENT),
    Column("disabled_at", MOMENT),
    Column("credential_version", Integer, nullable=False, server_default="1"),
    Column("created_at", MOMENT, nullable=False),
    Column("recovery_lag", Integer, nullable=False, server_default="0"),
    Column("reset_link_at", MOMENT),
    # Set on a deleted user. The row stays, without address and name, until the history has been removed.
    Column("deleted_at", MOMENT),
    # NULL in rows that the previous release has inserted since the migration: see provenance.py.
    Column("provenance", Text),
    Column("imported_at", MOMENT),
    # The kinds of the user's factors in use, so that no login or request needs to join them.
    Column("factors", ARRAY(Text), nullable=False, server_default="{}"),
    Column("factor_version", Integer, nullable=False, server_default="0"),
    # Stays when the user is deleted, for the mails about the deletion.
    Column("locale", Text),
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
    Column("deleted_at", MOMENT, nullable=False),
    # The deletion can be undone until then; NULL if it cannot.
    Column("until", MOMENT),
    # The last event of the user that has been cleaned.
    Column("cleaned_to", Uuid),
)

Index("ix_deletions_email", deletions.c.email, postgresql_where=deletions.c.email.is_not(None))

address_changes = Table(
    "address_changes",
    metadata,
    Column("id", Uuid, primary_key=True),
    owner_column(),
    Column("old_email", Text, nullable=False),
    Column("new_email", Text, nullable=False),
    Column("credential_version", Integer, nullable=False),
    Column("asked_at", MOMENT, nullable=False),
    Column("confirmed_at", MOMENT),
    Column("closed_at", MOMENT),
    Column("factor_version", Integer),
)
Index("ix_address_changes_user_id_id", address_changes.c.user_id, address_changes.c.id)
Index("ix_address_changes_old_email", address_changes.c.old_email)

# Digests of imported addresses, kept while the import may be run again, also after the user was deleted.
import_digests = Table(
    "arrivals",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
)

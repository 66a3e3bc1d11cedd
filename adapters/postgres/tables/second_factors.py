"""Second factors, used challenges, undo points, and whether factors may be added."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)

from adapters.postgres.tables.base import MOMENT, metadata, owner_column


def _version_columns() -> list[Column[Any]]:
    """The factor versions of the user between which the row is in use; `removed_in` is NULL while it is."""
    return [
        Column("added_in", Integer, nullable=False),
        Column("removed_in", Integer),
        Column("removed_at", MOMENT),
    ]


# Passkeys and TOTP secrets. A removed factor stays while its removal can be undone; its credential id stays unique.
factors = Table(
    "factors",
    metadata,
    Column("id", Uuid, primary_key=True),
    owner_column(),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", MOMENT, nullable=False),
    Column("last_used_at", MOMENT),
    *_version_columns(),
    # Of a passkey.
    Column("credential_id", LargeBinary, unique=True),
    Column("public_key", LargeBinary),
    Column("sign_count", BigInteger),
    Column("backup_eligible", Boolean),
    Column("backed_up", Boolean),
    # Of a TOTP factor.
    Column("encrypted_secret", LargeBinary),
    Column("last_step", BigInteger),
    CheckConstraint("kind IN ('passkey', 'totp')", name="kind"),
)
Index("ix_factors_user_id_id", factors.c.user_id, factors.c.id)
Index("ix_factors_removed", factors.c.id, postgresql_where=factors.c.removed_at.is_not(None))

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("id", Uuid, primary_key=True),
    owner_column(),
    Column("digest", LargeBinary, nullable=False),
    Column("created_at", MOMENT, nullable=False),
    Column("used_at", MOMENT),
    *_version_columns(),
)
Index("ix_recovery_codes_user_id_digest", recovery_codes.c.user_id, recovery_codes.c.digest)
Index("ix_recovery_codes_removed", recovery_codes.c.id, postgresql_where=recovery_codes.c.removed_at.is_not(None))

# Challenges that were used, until they expire.
spent = Table(
    "spent",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("expires_at", MOMENT, nullable=False),
)
Index("ix_spent_expires_at", spent.c.expires_at)

undo_points = Table(
    "undo_points",
    metadata,
    Column("id", Uuid, primary_key=True),
    owner_column(),
    Column("kind", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("factor_version", Integer, nullable=False),
    Column("changed_at", MOMENT, nullable=False),
    Column("closed_at", MOMENT),
)
Index("ix_undo_points_user_id", undo_points.c.user_id)

# One row once factors may be added. Processes of a release without factors would accept the password alone.
factor_enrolment = Table(
    "factor_enrolment",
    metadata,
    Column("id", Boolean, primary_key=True, server_default=text("true")),
    CheckConstraint("id", name="one"),
)

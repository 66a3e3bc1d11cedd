"""Add second factors: passkeys, TOTP secrets, recovery codes and undo points. Locks only users."""

import sqlalchemy as sa
from alembic import op

revision = "7c1e94a2f0b8"
down_revision = "d3b7e6142f90"
branch_labels = None
depends_on = None

_moment = sa.DateTime(timezone=True)
_REMOVED = sa.text("removed_at IS NOT NULL")


def upgrade() -> None:
    kinds = sa.ARRAY(sa.Text())
    op.add_column("users", sa.Column("factors", kinds, nullable=False, server_default="{}"), if_not_exists=True)
    version = sa.Integer()
    op.add_column(
        "users", sa.Column("factor_version", version, nullable=False, server_default="0"), if_not_exists=True
    )
    op.create_table(
        "factors",
        sa.Column("id", sa.Uuid(), primary_key=True),
        _user(),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", _moment, nullable=False),
        sa.Column("last_used_at", _moment),
        sa.Column("added_in", sa.Integer(), nullable=False),
        sa.Column("removed_in", sa.Integer()),
        sa.Column("removed_at", _moment),
        sa.Column("credential_id", sa.LargeBinary()),
        sa.Column("public_key", sa.LargeBinary()),
        sa.Column("sign_count", sa.BigInteger()),
        sa.Column("backup_eligible", sa.Boolean()),
        sa.Column("backed_up", sa.Boolean()),
        sa.Column("encrypted_secret", sa.LargeBinary()),
        sa.Column("last_step", sa.BigInteger()),
        sa.CheckConstraint("kind IN ('passkey', 'totp')", name=op.f("ck_factors_kind")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_factors_credential_id")),
        if_not_exists=True,
    )
    op.create_index("ix_factors_user_id_id", "factors", ["user_id", "id"], if_not_exists=True)
    op.create_index("ix_factors_removed", "factors", ["id"], postgresql_where=_REMOVED, if_not_exists=True)
    op.create_table(
        "recovery_codes",
        sa.Column("id", sa.Uuid(), primary_key=True),
        _user(),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", _moment, nullable=False),
        sa.Column("used_at", _moment),
        sa.Column("added_in", sa.Integer(), nullable=False),
        sa.Column("removed_in", sa.Integer()),
        sa.Column("removed_at", _moment),
        if_not_exists=True,
    )
    op.create_index("ix_recovery_codes_user_id_digest", "recovery_codes", ["user_id", "digest"], if_not_exists=True)
    op.create_index(
        "ix_recovery_codes_removed", "recovery_codes", ["id"], postgresql_where=_REMOVED, if_not_exists=True
    )
    op.create_table(
        "spent",
        sa.Column("digest", sa.LargeBinary(), primary_key=True),
        sa.Column("expires_at", _moment, nullable=False),
        if_not_exists=True,
    )
    op.create_index("ix_spent_expires_at", "spent", ["expires_at"], if_not_exists=True)
    op.create_table(
        "undo_points",
        sa.Column("id", sa.Uuid(), primary_key=True),
        _user(),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("factor_version", sa.Integer(), nullable=False),
        sa.Column("changed_at", _moment, nullable=False),
        sa.Column("closed_at", _moment),
        if_not_exists=True,
    )
    op.create_index("ix_undo_points_user_id", "undo_points", ["user_id"], if_not_exists=True)
    op.create_table(
        "factor_enrolment",
        sa.Column("id", sa.Boolean(), primary_key=True, server_default=sa.text("true")),
        sa.CheckConstraint("id", name=op.f("ck_factor_enrolment_one")),
        if_not_exists=True,
    )
    # A new installation has no processes of an earlier release. In an upgrade, an operator opens the enrolment.
    op.execute("INSERT INTO factor_enrolment SELECT WHERE NOT EXISTS (SELECT FROM users) ON CONFLICT DO NOTHING")


def _user() -> sa.Column[object]:
    """A new column object for each table."""
    return sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False)


def downgrade() -> None:
    for name in ("factor_enrolment", "undo_points", "spent", "recovery_codes", "factors"):
        op.drop_table(name, if_exists=True)
    op.drop_column("users", "factor_version", if_exists=True)
    op.drop_column("users", "factors", if_exists=True)

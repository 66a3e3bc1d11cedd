"""Add invitations. Locks no other table."""

import sqlalchemy as sa
from alembic import op

revision = "e4a6d07b93c1"
down_revision = "c19b74e8a2d5"
branch_labels = None
depends_on = None

_OPEN = sa.text("accepted_at IS NULL AND revoked_at IS NULL")
_ACCEPTED = sa.text("user_id IS NOT NULL")


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "invitations",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("invited_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("accepted_at", moment),
        sa.Column("revoked_at", moment),
        sa.CheckConstraint("role IN ('member', 'moderator', 'admin')", name=op.f("ck_invitations_role")),
        if_not_exists=True,
    )
    op.create_index(
        "uq_invitations_open", "invitations", ["email"], unique=True, postgresql_where=_OPEN, if_not_exists=True
    )
    op.create_index("ix_invitations_email", "invitations", ["email"], if_not_exists=True)
    op.create_index(
        "ix_invitations_user_id", "invitations", ["user_id"], postgresql_where=_ACCEPTED, if_not_exists=True
    )


def downgrade() -> None:
    op.drop_table("invitations", if_exists=True)

"""Add the version of reset links, and deletions that can be undone."""

import sqlalchemy as sa
from alembic import op

revision = "5e8a71c0d3f4"
down_revision = "5a8e2d71c0f4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("recovery_lag", sa.Integer(), server_default="0", nullable=False))
    op.add_column("users", sa.Column("reset_link_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("users", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "deletions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("username", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cleaned_to", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deletions")),
    )


def downgrade() -> None:
    op.drop_table("deletions")
    op.drop_column("users", "deleted_at")
    op.drop_column("users", "reset_link_at")
    op.drop_column("users", "recovery_lag")

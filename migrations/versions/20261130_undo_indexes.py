"""Build indexes concurrently by which a reset finds actions that can be undone."""

import sqlalchemy as sa
from alembic import op

revision = "91c4be07d2a6"
down_revision = "9c4d1e7b3a52"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        _drop()
        op.create_index(
            "ix_address_changes_old_email", "address_changes", ["old_email"], postgresql_concurrently=True
        )
        op.create_index(
            "ix_deletions_email",
            "deletions",
            ["email"],
            postgresql_where=sa.text("email IS NOT NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        _drop()


def _drop() -> None:
    """Also called before building, because a failed build leaves an invalid index."""
    op.drop_index(
        "ix_address_changes_old_email", table_name="address_changes", postgresql_concurrently=True, if_exists=True
    )
    op.drop_index("ix_deletions_email", table_name="deletions", postgresql_concurrently=True, if_exists=True)

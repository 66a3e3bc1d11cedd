"""Add indexes on a username key that is the same in every locale. Those on lower(username) serve release 0.2."""

import sqlalchemy as sa
from alembic import op

revision = "c2d95b17e4a8"
down_revision = "5e8a71c0d3f4"
branch_labels = None
depends_on = None

_KEY = 'lower(username COLLATE "C")'


def upgrade() -> None:
    with op.get_context().autocommit_block():
        _drop()  # a failed build leaves an invalid index
        op.create_index(
            "uq_users_username_key",
            "users",
            [sa.text(_KEY)],
            unique=True,
            postgresql_where=sa.text("verified_at IS NOT NULL"),
            postgresql_concurrently=True,
        )
        op.create_index("ix_users_username_key", "users", [sa.text(_KEY), "id"], postgresql_concurrently=True)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        _drop()


def _drop() -> None:
    for name in ("uq_users_username_key", "ix_users_username_key"):
        op.drop_index(name, table_name="users", postgresql_concurrently=True, if_exists=True)

"""Add mails.change_id, and build indexes for listing and purging concurrently."""

from collections.abc import Mapping

import sqlalchemy as sa
from alembic import op

revision = "b4f09a2e6c17"
down_revision = "7c1d0e5a94b2"
branch_labels = None
depends_on = None

_Indexes = Mapping[str, tuple[str, list[str], str | None]]

_NEW: _Indexes = {
    "ix_mails_recipient": ("mails", ["recipient"], None),
    "ix_mails_user_id": ("mails", ["user_id"], "user_id IS NOT NULL"),
    "ix_sessions_user_id_id": ("sessions", ["user_id", "id"], None),
    "ix_sessions_alive": ("sessions", ["user_id"], "ended_at IS NULL"),
    "ix_users_email_id": ("users", ['email COLLATE "C"', "id"], None),
    "ix_users_username_id": ("users", ['lower(username) COLLATE "C"', "id"], None),
    "ix_users_claims": ("users", ["id"], "verified_at IS NULL"),
}
_OLD: _Indexes = {"ix_sessions_user_id": ("sessions", ["user_id"], None)}


def upgrade() -> None:
    # Not in the transaction that creates the tables: it would lock users and mails together, which other transactions
    # lock in another order. The column exists already if an earlier attempt failed to build an index.
    op.add_column("mails", sa.Column("change_id", sa.Uuid(), nullable=True), if_not_exists=True)
    with op.get_context().autocommit_block():
        _build(_NEW)
        _drop(_OLD)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        _build(_OLD)
        _drop(_NEW)
    op.drop_column("mails", "change_id", if_exists=True)


def _build(indexes: _Indexes) -> None:
    for name, (table, columns, where) in indexes.items():
        # A failed build leaves an invalid index.
        _drop({name: (table, columns, where)})
        op.create_index(
            name,
            table,
            [column if column.isidentifier() else sa.text(column) for column in columns],
            postgresql_where=None if where is None else sa.text(where),
            postgresql_concurrently=True,
        )


def _drop(indexes: _Indexes) -> None:
    for name, (table, _, _) in indexes.items():
        op.drop_index(name, table_name=table, postgresql_concurrently=True, if_exists=True)

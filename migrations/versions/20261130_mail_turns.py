"""Order the outbox: networks take turns, and notices are sent after mails for which a person waits."""

import sqlalchemy as sa
from alembic import op

revision = "9c4d1e7b3a52"
down_revision = "c2d95b17e4a8"
branch_labels = None
depends_on = None

_INDEXES = {"ix_mails_turn_at": ["turn_at"], "ix_mails_lane": ["lane", "turn_at"]}


def upgrade() -> None:
    op.add_column("mails", sa.Column("lane", sa.Text(), nullable=True), if_not_exists=True)
    # The default is for mails that the previous release queues.
    turn_at = sa.Column("turn_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()"))
    op.add_column("mails", turn_at, if_not_exists=True)
    with op.get_context().autocommit_block():
        for name, columns in _INDEXES.items():
            # A failed build leaves an invalid index.
            op.drop_index(name, table_name="mails", postgresql_concurrently=True, if_exists=True)
            op.create_index(
                name, "mails", columns, postgresql_where=sa.text("outcome IS NULL"), postgresql_concurrently=True
            )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for name in _INDEXES:
            op.drop_index(name, table_name="mails", postgresql_concurrently=True, if_exists=True)
    op.drop_column("mails", "turn_at", if_exists=True)
    op.drop_column("mails", "lane", if_exists=True)

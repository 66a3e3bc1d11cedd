"""Store who created a user, which was derived from events before."""

import sqlalchemy as sa
from alembic import op

revision = "d3b7e6142f90"
down_revision = "91c4be07d2a6"
branch_labels = None
depends_on = None

_INDEX = "ix_users_unknown_provenance"

# Follows the primary key of events, 2,000 in a transaction, to lock users briefly and in the order of their ids.
_BACKFILL = """
DO $$
DECLARE
    done uuid DEFAULT '00000000-0000-0000-0000-000000000000';
    upto uuid;
BEGIN
    LOOP
        SELECT id INTO upto FROM (SELECT id FROM events WHERE id > done ORDER BY id LIMIT 2000) AS batch
        ORDER BY id DESC LIMIT 1;
        EXIT WHEN upto IS NULL;
        UPDATE users SET
            provenance = CASE source.action WHEN 'imported' THEN 'import' ELSE 'operator' END,
            imported_at = CASE source.action WHEN 'imported' THEN source.created_at END
        FROM (
            SELECT theirs.id, events.action, events.created_at
            FROM events JOIN users AS theirs ON theirs.id = events.user_id
            WHERE events.id > done AND events.id <= upto AND events.action IN ('created', 'imported')
                AND theirs.provenance = 'self'
            ORDER BY theirs.id FOR NO KEY UPDATE OF theirs
        ) AS source
        WHERE users.id = source.id;
        COMMIT;
        done = upto;
    END LOOP;
END $$
"""


def upgrade() -> None:
    # The default fills existing rows. Rows that the previous release inserts later have NULL: who created them is
    # unknown.
    op.add_column("users", sa.Column("provenance", sa.Text(), server_default="self"), if_not_exists=True)
    op.alter_column("users", "provenance", server_default=None)
    op.add_column("users", sa.Column("imported_at", sa.DateTime(timezone=True)), if_not_exists=True)
    with op.get_context().autocommit_block():
        op.execute(_BACKFILL)
        op.drop_index(_INDEX, table_name="users", postgresql_concurrently=True, if_exists=True)
        op.create_index(
            _INDEX,
            "users",
            ["id"],
            postgresql_where=sa.text("provenance IS NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(_INDEX, table_name="users", postgresql_concurrently=True, if_exists=True)
    op.drop_column("users", "imported_at", if_exists=True)
    op.drop_column("users", "provenance", if_exists=True)

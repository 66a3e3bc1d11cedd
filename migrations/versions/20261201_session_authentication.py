"""Store how and when the person logged in. NULL in sessions of the previous release, which knows only passwords."""

import sqlalchemy as sa
from alembic import op

revision = "a85f03c6de17"
down_revision = "7c1e94a2f0b8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("amr", sa.ARRAY(sa.Text())), if_not_exists=True)
    op.add_column("sessions", sa.Column("authenticated_at", sa.DateTime(timezone=True)), if_not_exists=True)


def downgrade() -> None:
    op.drop_column("sessions", "authenticated_at", if_exists=True)
    op.drop_column("sessions", "amr", if_exists=True)

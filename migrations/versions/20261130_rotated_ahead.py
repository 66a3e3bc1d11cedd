"""Add how far the clock of the process that refreshed a session was ahead of the database's."""

import sqlalchemy as sa
from alembic import op

revision = "5a8e2d71c0f4"
down_revision = "5e21f7a90c3d"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("rotated_ahead", sa.Interval(), nullable=True), if_not_exists=True)


def downgrade() -> None:
    op.drop_column("sessions", "rotated_ahead", if_exists=True)

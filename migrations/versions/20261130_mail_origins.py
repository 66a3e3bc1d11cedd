"""Add the IP address and user agent of the client whose request caused a mail."""

import sqlalchemy as sa
from alembic import op

revision = "5e21f7a90c3d"
down_revision = "b4f09a2e6c17"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("mails", sa.Column("ip", sa.Text(), nullable=True), if_not_exists=True)
    op.add_column("mails", sa.Column("user_agent", sa.Text(), nullable=True), if_not_exists=True)


def downgrade() -> None:
    op.drop_column("mails", "user_agent", if_exists=True)
    op.drop_column("mails", "ip", if_exists=True)

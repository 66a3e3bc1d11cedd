"""Store the language of the request of a mail. NULL if it is unknown. Locks only mails."""

import sqlalchemy as sa
from alembic import op

revision = "5f2c08d9e6a4"
down_revision = "b70d5e1c83f2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("mails", sa.Column("language", sa.Text()), if_not_exists=True)


def downgrade() -> None:
    op.drop_column("mails", "language", if_exists=True)

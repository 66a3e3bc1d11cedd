"""Store the language that a user has chosen. NULL leaves it to each request. Locks only users."""

import sqlalchemy as sa
from alembic import op

revision = "b70d5e1c83f2"
down_revision = "c3d9f0a7b214"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("locale", sa.Text()), if_not_exists=True)


def downgrade() -> None:
    op.drop_column("users", "locale", if_exists=True)

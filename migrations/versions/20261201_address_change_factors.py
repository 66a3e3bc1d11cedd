"""Store the factor version before a change of address, so that undoing it restores the factors. NULL: unknown."""

import sqlalchemy as sa
from alembic import op

revision = "c19b74e8a2d5"
down_revision = "a85f03c6de17"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("address_changes", sa.Column("factor_version", sa.Integer()), if_not_exists=True)


def downgrade() -> None:
    op.drop_column("address_changes", "factor_version", if_exists=True)

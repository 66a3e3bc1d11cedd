"""Store the digest of the secret in the cookie of a browser session. NULL in all other sessions."""

import sqlalchemy as sa
from alembic import op

revision = "c3d9f0a7b214"
down_revision = "e4a6d07b93c1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("secret_digest", sa.LargeBinary()), if_not_exists=True)


def downgrade() -> None:
    op.drop_column("sessions", "secret_digest", if_exists=True)

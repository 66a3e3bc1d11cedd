"""Create users, sessions and mails."""

import sqlalchemy as sa
from alembic import op

revision = "33bd2ac7ed58"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mails",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
    )
    op.create_index("ix_mails_due_at", "mails", ["due_at"], unique=False, postgresql_where=sa.text("outcome IS NULL"))
    op.create_index("ix_mails_parked", "mails", ["id"], unique=False, postgresql_where=sa.text("outcome = 'parked'"))
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), server_default="member", nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("credential_version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('member', 'moderator', 'admin')", name=op.f("ck_users_role")),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_users_email_lower")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
    )
    op.create_index("ix_users_email", "users", ["email"], unique=False, postgresql_ops={"email": "text_pattern_ops"})
    op.create_index("ix_users_role", "users", ["role", "id"], unique=False)
    op.create_index(
        "ix_users_username",
        "users",
        [sa.literal_column("lower(username)").label("name_key")],
        unique=False,
        postgresql_ops={"name_key": "text_pattern_ops"},
    )
    op.create_index(
        "uq_users_email_verified",
        "users",
        ["email"],
        unique=True,
        postgresql_where=sa.text("verified_at IS NOT NULL"),
    )
    op.create_index(
        "uq_users_username_verified",
        "users",
        [sa.literal_column("lower(username)")],
        unique=True,
        postgresql_where=sa.text("verified_at IS NOT NULL"),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("floor", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rotated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.Column("ip", sa.Text(), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("unpublished", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index(
        "ix_sessions_raised_at",
        "sessions",
        ["raised_at"],
        unique=False,
        postgresql_where=sa.text("raised_at IS NOT NULL"),
    )
    op.create_index("ix_sessions_unpublished", "sessions", ["id"], unique=False, postgresql_where="unpublished")
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_sessions_user_id"), table_name="sessions")
    op.drop_index("ix_sessions_unpublished", table_name="sessions", postgresql_where="unpublished")
    op.drop_index("ix_sessions_raised_at", table_name="sessions", postgresql_where=sa.text("raised_at IS NOT NULL"))
    op.drop_table("sessions")
    op.drop_index(
        "uq_users_username_verified", table_name="users", postgresql_where=sa.text("verified_at IS NOT NULL")
    )
    op.drop_index("uq_users_email_verified", table_name="users", postgresql_where=sa.text("verified_at IS NOT NULL"))
    op.drop_index("ix_users_username", table_name="users", postgresql_ops={"name_key": "text_pattern_ops"})
    op.drop_index("ix_users_role", table_name="users")
    op.drop_index("ix_users_email", table_name="users", postgresql_ops={"email": "text_pattern_ops"})
    op.drop_table("users")
    op.drop_index("ix_mails_parked", table_name="mails", postgresql_where=sa.text("outcome = 'parked'"))
    op.drop_index("ix_mails_due_at", table_name="mails", postgresql_where=sa.text("outcome IS NULL"))
    op.drop_table("mails")

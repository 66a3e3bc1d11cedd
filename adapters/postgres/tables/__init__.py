"""The schema, which Alembic reads."""

from adapters.postgres.tables.accounts import (
    address_changes,
    deletions,
    email_order,
    import_digests,
    username_key,
    users,
)
from adapters.postgres.tables.api_clients import clients
from adapters.postgres.tables.audit_log import events
from adapters.postgres.tables.base import metadata
from adapters.postgres.tables.invitations import invitations
from adapters.postgres.tables.logins import blocklist_primary, sessions
from adapters.postgres.tables.outbox import mails
from adapters.postgres.tables.second_factors import factor_enrolment, factors, recovery_codes, spent, undo_points

__all__ = [
    "address_changes",
    "blocklist_primary",
    "clients",
    "deletions",
    "email_order",
    "events",
    "factor_enrolment",
    "factors",
    "import_digests",
    "invitations",
    "mails",
    "metadata",
    "recovery_codes",
    "sessions",
    "spent",
    "undo_points",
    "username_key",
    "users",
]

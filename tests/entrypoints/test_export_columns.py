"""The export has every stored column about the caller, except those that are listed here with a reason."""

import pytest
from msgspec.structs import fields
from sqlalchemy import Table

from adapters.postgres import tables
from entrypoints.http import export_schemas as schemas
from entrypoints.http.factor_schemas import RecoveryCodeCountResponse
from entrypoints.http.routes.events import EventResponse
from entrypoints.http.schemas import UserResponse

EXPORTED = {
    tables.users: (UserResponse, schemas.ExportedAccount),
    tables.address_changes: (schemas.ExportedAddressChange,),
    tables.factors: (schemas.ExportedFactor,),
    tables.recovery_codes: (RecoveryCodeCountResponse,),
    tables.undo_points: (schemas.ExportedUndoPoint,),
    tables.invitations: (schemas.ExportedInvitation,),
    tables.sessions: (schemas.ExportedSession,),
    tables.events: (EventResponse,),
    tables.mails: (schemas.ExportedMail,),
}
NOT_ABOUT_ONE_USER = {
    *(tables.metadata.tables[name] for name in ("seats", "factor_enrolment", "clients", "spent", "arrivals")),
    tables.deletions,  # the user is gone
}
RENAMED = {
    ("users", "verified_at"): "verified",
    ("users", "disabled_at"): "disabled",
    ("users", "locale"): "language",
    ("sessions", "rotated_at"): "last_used_at",
    ("sessions", "secret_digest"): "kind",
    ("recovery_codes", "used_at"): "left",
}
OWNER = "user_id"
"""The user, except in events, whose users are two."""

INTERNAL = {
    "users": {"credential_version", "recovery_lag", "reset_link_at", "factor_version", "deleted_at"},
    "address_changes": {"credential_version", "factor_version"},
    "factors": {"added_in", "removed_in", "backup_eligible", "sign_count", "last_step"},
    "recovery_codes": {"id", "added_in", "removed_in", "removed_at"},
    "undo_points": {"factor_version"},
    "sessions": {"generation", "min_generation", "revoked_at", "rotated_ahead", "revocation_pending"},
    "mails": {"change_id", "due_at", "attempts", "lane", "turn_at"},
}
"""Versions, schedules, and what only the service compares."""

SECRET = {
    "users": {"password_hash"},
    "factors": {"credential_id", "public_key", "encrypted_secret"},
    "recovery_codes": {"digest"},
}
FOR_OPERATORS = {"mails": {"note"}}
"""How the mail server answered the last attempt."""

OF_OTHERS = {"invitations": {"invited_by"}}
EXCLUDED = (INTERNAL, SECRET, FOR_OPERATORS, OF_OTHERS)


def test_every_table_is_exported_or_not_about_a_user() -> None:
    assert set(tables.metadata.tables.values()) == set(EXPORTED) | NOT_ABOUT_ONE_USER


@pytest.mark.parametrize("table", EXPORTED, ids=str)
def test_every_column_is_exported_or_excluded_for_a_reason(table: Table) -> None:
    names = {field.encode_name for schema in EXPORTED[table] for field in fields(schema)}
    excluded = {column for reason in EXCLUDED for column in reason.get(table.name, ())}
    columns = {column.key for column in table.columns} - ({OWNER} if table is not tables.events else set())
    assert excluded <= columns
    exported = {RENAMED.get((table.name, column), column) for column in columns - excluded}
    assert exported <= names
    assert not excluded & names

"""Converts rows to entities and back."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Column, ColumnElement, Table, Text, Uuid, any_, case, func, literal, select
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.types import TypeEngine

from adapters.postgres.connection import Row
from adapters.postgres.tables import sessions, users
from domain.audit import AuditEvent, EventType
from domain.authentication import Authentication, AuthenticationMethod
from domain.client import Client
from domain.client_info import ClientInfo
from domain.deletion import Deletion
from domain.factor import FactorKind
from domain.outbox import DeliveryOutcome, MailKind, OutboxMail
from domain.role import Role
from domain.session import ENDED, EndReason, Session
from domain.user import Provenance, User

MIN_GENERATION = case((sessions.c.ended_at.is_not(None), ENDED), else_=sessions.c.min_generation).label(
    "min_generation"
)
"""The minimum generation of valid access tokens of a session."""


def among(column: Column[UUID], ids: Sequence[UUID]) -> ColumnElement[bool]:
    """`= ANY` with one array parameter, because the protocol allows only 32,767 parameters."""
    return column == any_(literal(list(ids), ARRAY(Uuid)))


def among_texts(expression: ColumnElement[Any], texts: Collection[str]) -> ColumnElement[bool]:
    return expression == any_(literal(list(texts), ARRAY(Text)))


def insert_all(table: Table, rows: Sequence[Mapping[str, Any]]) -> Insert:
    """An INSERT with one array parameter per column, so that the statement is the same for any number of rows."""
    arrays = {name: literal([row[name] for row in rows], ARRAY(_plain(table.c[name].type))) for name in rows[0]}
    unnested = func.unnest(*arrays.values()).table_valued(*arrays, name="added").render_derived()
    return insert(table).from_select(list(arrays), select(unnested))


def _plain(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """Arrays of text have no collation."""
    return Text() if isinstance(kind, Text) else kind


OWNER = [column.label(f"owner_{column.name}") for column in users.c]
"""The columns of a user in a joined row. Pass the prefix of their names to `user_of`."""


def user_of(row: Row, prefix: str = "") -> User:
    return User(
        id=row[f"{prefix}id"],
        email=row[f"{prefix}email"],
        username=row[f"{prefix}username"],
        password_hash=row[f"{prefix}password_hash"],
        role=Role(row[f"{prefix}role"]),
        verified=row[f"{prefix}verified_at"] is not None,
        disabled=row[f"{prefix}disabled_at"] is not None,
        credential_version=row[f"{prefix}credential_version"],
        created_at=row[f"{prefix}created_at"],
        recovery_lag=row[f"{prefix}recovery_lag"],
        reset_link_at=row[f"{prefix}reset_link_at"],
        provenance=Provenance(row[f"{prefix}provenance"] or Provenance.SELF),
        imported_at=row[f"{prefix}imported_at"],
        factors=tuple(map(FactorKind, row[f"{prefix}factors"])),
        factor_version=row[f"{prefix}factor_version"],
        locale=row[f"{prefix}locale"],
    )


def row_of_user(user: User) -> dict[str, Any]:
    """The row of an unverified user. The statements that verify or disable users set the times."""
    return {
        "id": user.id,
        "email": user.email,
        "username": user.username,
        "password_hash": user.password_hash,
        "role": user.role.value,
        "credential_version": user.credential_version,
        "created_at": user.created_at,
        "provenance": user.provenance.value,
        "imported_at": user.imported_at,
        "locale": user.locale,
    }


def deletion_of(row: Row) -> Deletion:
    return Deletion(
        user_id=row["id"],
        email=row["email"],
        version=row["credential_version"],
        deleted_at=row["deleted_at"],
        until=row["until"],
    )


_REASONS = frozenset(EndReason)


def session_of(row: Row) -> Session:
    reason = row["end_reason"]
    return Session(
        id=row["id"],
        user_id=row["user_id"],
        generation=row["generation"],
        min_generation=row["floor"],
        created_at=row["created_at"],
        rotated_at=row["rotated_at"],
        expires_at=row["expires_at"],
        ended_at=row["ended_at"],
        # A newer release may have ended the session for another reason.
        end_reason=EndReason(reason) if reason in _REASONS else None,
        client_info=ClientInfo(ip=row["ip"], user_agent=row["user_agent"]),
        authentication=_authentication_of(row),
        secret_digest=row["secret_digest"],
    )


def _authentication_of(row: Row) -> Authentication:
    if row["amr"] is None:
        return Authentication.by_password(row["created_at"])
    return Authentication(methods=tuple(map(AuthenticationMethod, row["amr"])), at=row["authenticated_at"])


def row_of_session(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "user_id": session.user_id,
        "generation": session.generation,
        "min_generation": session.min_generation,
        "created_at": session.created_at,
        "rotated_at": session.rotated_at,
        "expires_at": session.expires_at,
        "user_agent": session.client_info.user_agent,
        "ip": session.client_info.ip,
        "amr": [method.value for method in session.authentication.methods],
        "authenticated_at": session.authentication.at,
        "secret_digest": session.secret_digest,
    }


def mail_of(row: Row) -> OutboxMail:
    return OutboxMail(
        id=row["id"],
        kind=MailKind(row["kind"]),
        recipient=row["recipient"],
        user_id=row["user_id"],
        change_id=row["change_id"],
        created_at=row["created_at"],
        due_at=row["due_at"],
        attempts=row["attempts"],
        outcome=None if row["outcome"] is None else DeliveryOutcome(row["outcome"]),
        settled_at=row["settled_at"],
        note=row["note"],
        client_info=ClientInfo(
            ip=row["ip"] or "", user_agent=row["user_agent"] or "", language=row["language"] or ""
        ),
    )


def row_of_mail(mail: OutboxMail) -> dict[str, Any]:
    return {
        "id": mail.id,
        "kind": mail.kind.value,
        "recipient": mail.recipient,
        "user_id": mail.user_id,
        "change_id": mail.change_id,
        "created_at": mail.created_at,
        "due_at": mail.due_at,
        "attempts": mail.attempts,
        "note": mail.note,
        "ip": mail.client_info.ip,
        "user_agent": mail.client_info.user_agent,
        "language": mail.client_info.language or None,
    }


def event_of(row: Row) -> AuditEvent:
    return AuditEvent(
        id=row["id"],
        action=EventType(row["action"]),
        user_id=row["user_id"],
        actor_id=row["actor_id"],
        created_at=row["created_at"],
        client_info=ClientInfo(ip=row["ip"], user_agent=row["user_agent"]),
        detail=row["detail"],
    )


def row_of_event(event: AuditEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "action": event.action.value,
        "user_id": event.user_id,
        "actor_id": event.actor_id,
        "created_at": event.created_at,
        "ip": event.client_info.ip,
        "user_agent": event.client_info.user_agent,
        "detail": event.detail,
    }


def client_of(row: Row) -> Client:
    return Client(id=row["id"], name=row["name"], secret_digest=row["secret_digest"], created_at=row["created_at"])


def holder_first(statement: Any) -> Any:
    """Of the users who share a name: the verified one, or else the newest."""
    return statement.order_by(users.c.verified_at.is_(None), users.c.id.desc()).limit(1)

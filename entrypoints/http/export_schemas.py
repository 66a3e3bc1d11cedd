"""The document of the export: everything stored about the caller, without secrets."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Struct

from domain.authentication import AuthenticationMethod
from domain.email_change import EmailChange
from domain.factor import ChangeKind, Factor, FactorKind, UndoPoint
from domain.invitation import Invitation
from domain.outbox import DeliveryOutcome, MailKind, OutboxMail
from domain.role import Role
from domain.session import EndReason, Session
from domain.user import Provenance, User
from entrypoints.http.factor_schemas import BackedUp, FactorName, RecoveryCodeCountResponse
from entrypoints.http.fields import Email, IpAddress, RowId, SessionId, Timestamp, UserAgent, documented
from entrypoints.http.routes.events import EventResponse
from entrypoints.http.schemas import UserResponse

_LANGUAGE = documented("A language tag (RFC 5646).", "de")


class ExportedAccount(Struct, frozen=True, kw_only=True):
    """What `user` leaves out. `language` is null if each request decides it."""

    language: Annotated[str | None, _LANGUAGE]
    provenance: Annotated[Provenance, documented("Who created the account.", "self")]
    imported_at: Annotated[datetime | None, Timestamp]

    @classmethod
    def of(cls, user: User) -> "ExportedAccount":
        return cls(language=user.locale, provenance=user.provenance, imported_at=user.imported_at)


class ExportedSession(Struct, frozen=True, kw_only=True):
    """`last_used_at` is the time of the login or last refresh."""

    id: SessionId
    kind: Annotated[Literal["browser", "token"], documented("A cookie, or tokens.", "token")]
    created_at: Annotated[datetime, Timestamp]
    last_used_at: Annotated[datetime, Timestamp]
    expires_at: Annotated[datetime, Timestamp]
    ended_at: Annotated[datetime | None, Timestamp]
    end_reason: EndReason | None
    user_agent: UserAgent
    ip: IpAddress
    amr: Annotated[list[AuthenticationMethod], documented("How the person logged in (RFC 8176).", ["pwd"])]
    authenticated_at: Annotated[datetime, Timestamp]

    @classmethod
    def of(cls, session: Session) -> "ExportedSession":
        return cls(
            id=session.id,
            kind="browser" if session.is_browser else "token",
            created_at=session.created_at,
            last_used_at=session.rotated_at,
            expires_at=session.expires_at,
            ended_at=session.ended_at,
            end_reason=session.end_reason,
            user_agent=session.client_info.user_agent,
            ip=session.client_info.ip,
            amr=list(session.authentication.methods),
            authenticated_at=session.authentication.at,
        )


class ExportedAddressChange(Struct, frozen=True, kw_only=True):
    id: RowId
    old_email: Email
    new_email: Email
    asked_at: Annotated[datetime, Timestamp]
    confirmed_at: Annotated[datetime | None, Timestamp]
    closed_at: Annotated[datetime | None, Timestamp]

    @classmethod
    def of(cls, change: EmailChange) -> "ExportedAddressChange":
        return cls(
            id=change.id,
            old_email=change.old_email,
            new_email=change.new_email,
            asked_at=change.asked_at,
            confirmed_at=change.confirmed_at,
            closed_at=change.closed_at,
        )


class ExportedMail(Struct, frozen=True, kw_only=True):
    """A mail and its outcome. Its text is rendered when it is sent, and not stored."""

    id: RowId
    kind: MailKind
    recipient: Email
    ip: IpAddress
    user_agent: UserAgent
    language: Annotated[str | None, _LANGUAGE]
    created_at: Annotated[datetime, Timestamp]
    settled_at: Annotated[datetime | None, Timestamp]
    outcome: DeliveryOutcome | None

    @classmethod
    def of(cls, mail: OutboxMail) -> "ExportedMail":
        return cls(
            id=mail.id,
            kind=mail.kind,
            recipient=mail.recipient,
            ip=mail.client_info.ip,
            user_agent=mail.client_info.user_agent,
            language=mail.client_info.language or None,
            created_at=mail.created_at,
            settled_at=mail.settled_at,
            outcome=mail.outcome,
        )


class ExportedFactor(Struct, frozen=True, kw_only=True):
    """Without its key or secret. A removed factor is kept while its removal can be undone."""

    id: RowId
    kind: FactorKind
    name: FactorName
    created_at: Annotated[datetime, Timestamp]
    last_used_at: Annotated[datetime | None, Timestamp]
    backed_up: BackedUp
    removed_at: Annotated[datetime | None, Timestamp]

    @classmethod
    def of(cls, factor: Factor) -> "ExportedFactor":
        return cls(
            id=factor.id,
            kind=factor.kind,
            name=factor.name,
            created_at=factor.created_at,
            last_used_at=factor.last_used_at,
            backed_up=None if factor.passkey is None else factor.passkey.backed_up,
            removed_at=factor.removed_at,
        )


class ExportedUndoPoint(Struct, frozen=True, kw_only=True):
    """A change that the owner of the mailbox `email` can undo, or has undone at `closed_at`."""

    id: RowId
    kind: ChangeKind
    email: Email
    changed_at: Annotated[datetime, Timestamp]
    closed_at: Annotated[datetime | None, Timestamp]

    @classmethod
    def of(cls, point: UndoPoint) -> "ExportedUndoPoint":
        return cls(
            id=point.id,
            kind=point.kind,
            email=point.email,
            changed_at=point.changed_at,
            closed_at=point.closed_at,
        )


class ExportedInvitation(Struct, frozen=True, kw_only=True):
    """An invitation to the user."""

    id: RowId
    email: Email
    role: Role
    created_at: Annotated[datetime, Timestamp]
    accepted_at: Annotated[datetime | None, Timestamp]
    revoked_at: Annotated[datetime | None, Timestamp]

    @classmethod
    def of(cls, invitation: Invitation) -> "ExportedInvitation":
        return cls(
            id=invitation.id,
            email=invitation.email,
            role=invitation.role,
            created_at=invitation.created_at,
            accepted_at=invitation.accepted_at,
            revoked_at=invitation.revoked_at,
        )


class ExportResponse(Struct, frozen=True, kw_only=True):
    """Everything newest first."""

    user: UserResponse
    account: ExportedAccount
    address_changes: list[ExportedAddressChange]
    factors: list[ExportedFactor]
    recovery_codes: RecoveryCodeCountResponse | None
    undo_points: list[ExportedUndoPoint]
    invitations: list[ExportedInvitation]
    sessions: list[ExportedSession]
    events: list[EventResponse]
    mails: list[ExportedMail]

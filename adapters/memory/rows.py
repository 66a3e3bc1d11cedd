"""The rows of the memory store, and their isolation in a unit of work."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from application.ports import Clock
from domain.audit import AuditEvent
from domain.client import Client
from domain.deletion import Deletion
from domain.email_change import EmailChange
from domain.factor import Factor, RecoveryCode, UndoPoint
from domain.invitation import Invitation
from domain.outbox import OutboxMail
from domain.session import Session
from domain.user import User


@dataclass
class Rows:
    clock: Clock
    """The rows have their own clock, as a database has."""
    users: dict[UUID, User] = field(default_factory=dict)
    deletions: dict[UUID, tuple[Deletion, User]] = field(default_factory=dict)
    """With the user as it was."""
    sessions: dict[UUID, Session] = field(default_factory=dict)
    mails: dict[UUID, OutboxMail] = field(default_factory=dict)
    turns: dict[UUID, datetime] = field(default_factory=dict)
    """Of the mails."""
    events: dict[UUID, AuditEvent] = field(default_factory=dict)
    clients: dict[UUID, Client] = field(default_factory=dict)
    email_changes: dict[UUID, EmailChange] = field(default_factory=dict)
    import_digests: dict[UUID, str] = field(default_factory=dict)
    revoked_at: dict[UUID, datetime] = field(default_factory=dict)
    revocation_pending: set[UUID] = field(default_factory=set)
    factors: dict[UUID, Factor] = field(default_factory=dict)
    recovery_codes: dict[UUID, RecoveryCode] = field(default_factory=dict)
    undo_points: dict[UUID, UndoPoint] = field(default_factory=dict)
    invitations: dict[UUID, Invitation] = field(default_factory=dict)
    spent: dict[bytes, datetime] = field(default_factory=dict)
    """Used challenges: when each expires, by its digest."""
    enrolment_open: bool = True

    def copy(self) -> "Rows":
        return Rows(
            clock=self.clock,
            users=dict(self.users),
            deletions=dict(self.deletions),
            sessions=dict(self.sessions),
            mails=dict(self.mails),
            turns=dict(self.turns),
            events=dict(self.events),
            clients=dict(self.clients),
            email_changes=dict(self.email_changes),
            import_digests=dict(self.import_digests),
            revoked_at=dict(self.revoked_at),
            revocation_pending=set(self.revocation_pending),
            factors=dict(self.factors),
            recovery_codes=dict(self.recovery_codes),
            undo_points=dict(self.undo_points),
            invitations=dict(self.invitations),
            spent=dict(self.spent),
            enrolment_open=self.enrolment_open,
        )

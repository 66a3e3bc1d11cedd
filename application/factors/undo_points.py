"""Records undo points, and mails the owner the link to return to them."""

from dataclasses import dataclass

from application.mail.mail_queue import MailQueue
from application.ports import Clock, NewId
from application.repositories import UnitOfWork
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.factor import ChangeKind, UndoPoint
from domain.outbox import MailKind
from domain.user import User

MAILS = {
    ChangeKind.PASSKEY_ADDED: MailKind.FACTOR_ADDED,
    ChangeKind.TOTP_ADDED: MailKind.FACTOR_ADDED,
    ChangeKind.PASSKEY_REMOVED: MailKind.FACTOR_REMOVED,
    ChangeKind.TOTP_REMOVED: MailKind.FACTOR_REMOVED,
    ChangeKind.RECOVERY_CODES_REPLACED: MailKind.FACTOR_ADDED,
    ChangeKind.RECOVERY_CODE_USED: MailKind.RECOVERY_CODE_USED,
    ChangeKind.FACTORS_RESET: MailKind.FACTORS_RESET,
    ChangeKind.PASSWORD_CHANGED: MailKind.PASSWORD_CHANGED,
    ChangeKind.SESSION_STOLEN: MailKind.SESSION_STOLEN,
    ChangeKind.NEW_DEVICE: MailKind.NEW_DEVICE,
    ChangeKind.PASSKEY_CLONED: MailKind.NEW_DEVICE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoPoints:
    mail: MailQueue
    clock: Clock
    new_id: NewId

    async def add(
        self, work: UnitOfWork, before: User, kind: ChangeKind, *, client_info: ClientInfo = UNKNOWN_CLIENT
    ) -> None:
        """Record the state `before` a change and queue its mail. Does nothing for an unverified user, whose mailbox
        may be a stranger's."""
        if not before.verified:
            return
        point = UndoPoint(
            id=self.new_id(),
            user_id=before.id,
            kind=kind,
            email=before.email,
            factor_version=before.factor_version,
            changed_at=self.clock(),
        )
        await work.factors.add_undo_point(point)
        await self.mail.queue(
            work, MAILS[kind], before.email, user_id=before.id, change_id=point.id, client_info=client_info
        )

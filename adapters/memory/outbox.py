"""The outbox in a dictionary."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from anyio.lowlevel import checkpoint

from adapters.memory.rows import Rows
from application.repositories import Outbox
from domain.outbox import VERIFIED_USER, DeliveryOutcome, OutboxMail
from domain.user import User


class MemoryOutbox(Outbox):
    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.enqueued_ids: list[UUID] = []

    async def add(self, mail: OutboxMail) -> None:
        await checkpoint()
        ahead = [other for other in self._rows.mails.values() if other.lane == mail.lane and other.outcome is None]
        last = max((self._rows.turns[other.id] for other in ahead), default=None) if mail.lane else None
        self._rows.turns[mail.id] = mail.turn_at(last)
        self._rows.mails[mail.id] = mail
        self.enqueued_ids.append(mail.id)

    async def lease(
        self, *, hold: timedelta, limit: int, only: UUID | None = None, now: datetime | None = None
    ) -> Sequence[OutboxMail]:
        await checkpoint()
        now = now or self._rows.clock()
        due = [
            mail
            for mail in sorted(self._rows.mails.values(), key=lambda mail: self._rows.turns[mail.id])
            if mail.outcome is None and mail.due_at <= now and only in (None, mail.id)
        ]
        leased = [replace(mail, due_at=now + hold, attempts=mail.attempts + 1) for mail in due[:limit]]
        self._rows.mails.update({mail.id: mail for mail in leased})
        return [self._in_language_of_user(mail) for mail in sorted(leased, key=lambda mail: mail.id)]

    def _in_language_of_user(self, mail: OutboxMail) -> OutboxMail:
        present, deleted = self._rows.users.values(), (user for _, user in self._rows.deletions.values())
        if mail.user_id in (None, VERIFIED_USER):
            owners = [user for user in present if user.verified and user.email == mail.recipient]
        else:
            owners = [user for user in (*present, *deleted) if user.id == mail.user_id]
        locale = next((user.locale for user in owners), None)
        return replace(mail, client_info=replace(mail.client_info, language=locale or mail.client_info.language))

    async def record_outcome(
        self, mail: OutboxMail, outcome: DeliveryOutcome, *, now: datetime, note: str = ""
    ) -> None:
        await checkpoint()
        if self._is_leased(mail):
            self._rows.mails[mail.id] = replace(self._rows.mails[mail.id], outcome=outcome, settled_at=now, note=note)

    async def postpone(self, mail: OutboxMail, *, wait: timedelta, note: str, now: datetime | None = None) -> None:
        await checkpoint()
        if self._is_leased(mail):
            due_at = (now or self._rows.clock()) + wait
            self._rows.mails[mail.id] = replace(self._rows.mails[mail.id], due_at=due_at, note=note)

    async def page(self, user: User, *, limit: int, after: UUID | None) -> Sequence[OutboxMail]:
        await checkpoint()
        mails = [mail for mail in self._rows.mails.values() if _is_about(mail, user)]
        newest_first = sorted(mails, key=lambda mail: mail.id, reverse=True)
        return [mail for mail in newest_first if after is None or mail.id < after][:limit]

    async def parked(self, *, limit: int) -> Sequence[OutboxMail]:
        await checkpoint()
        parked = [mail for mail in self._rows.mails.values() if mail.outcome is DeliveryOutcome.PARKED]
        return sorted(parked, key=lambda mail: mail.id)[:limit]

    async def redrive(self, mail_id: UUID, *, now: datetime) -> bool:
        await checkpoint()
        mail = self._rows.mails.get(mail_id)
        if mail is None or mail.outcome is not DeliveryOutcome.PARKED:
            return False
        self._rows.mails[mail_id] = replace(mail, outcome=None, settled_at=None, attempts=0, due_at=now)
        self.enqueued_ids.append(mail_id)
        return True

    def _is_leased(self, mail: OutboxMail) -> bool:
        stored = self._rows.mails.get(mail.id)
        return stored is not None and stored.attempts == mail.attempts and stored.outcome is None


def _is_about(mail: OutboxMail, user: User) -> bool:
    to_them = user.verified and mail.recipient == user.email and mail.created_at >= user.created_at
    return mail.user_id == user.id or (mail.user_id in {None, VERIFIED_USER} and to_them)

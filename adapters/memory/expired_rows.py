"""Purges expired rows of the memory adapter."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from adapters.memory.deleted_users import clean
from adapters.memory.rows import Rows
from adapters.memory.sessions import MemorySessions
from adapters.memory.unit_of_work import MemoryStore
from adapters.memory.users import MemoryUsers
from adapters.uuid7 import lowest
from application.ports import ExpiredRows
from domain import retention
from domain.audit import AuditEvent
from domain.email_change import EmailChange
from domain.factor import Factor, RecoveryCode, UndoPoint
from domain.outbox import DeliveryOutcome, OutboxMail
from domain.retention import PurgeResult, RetentionCategory
from domain.session import Session
from domain.user import Provenance, User


class MemoryExpiredRows(ExpiredRows):
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def purge(self, kind: RetentionCategory, *, now: datetime, after: UUID | None, limit: int) -> PurgeResult:
        if kind is RetentionCategory.DELETED_USER:
            return await self._purge_deleted(now=now, after=after, limit=limit)
        if kind is RetentionCategory.USED_CHALLENGE:
            return await self._purge_challenges(now=now, limit=limit)
        name, minimum_age, over = _RULES[kind]
        async with self._store.alone() as rows:
            table: dict[UUID, Any] = getattr(rows, name)
            scanned = sorted(id for id in table if id < lowest(now - minimum_age) and (after is None or id > after))[
                :limit
            ]
            expired = [id for id in scanned if over(rows, table[id], now)]
            for id in expired:
                if kind is RetentionCategory.UNVERIFIED_USER:
                    await MemoryUsers(rows, MemorySessions(rows)).remove(id, now=now)
                else:
                    del table[id]
        return PurgeResult(len(expired), scanned[-1] if len(scanned) == limit else None)

    async def _purge_deleted(self, *, now: datetime, after: UUID | None, limit: int) -> PurgeResult:
        async with self._store.alone() as rows:
            due = sorted(id for id, (deletion, _) in rows.deletions.items() if not deletion.can_be_undone(now))
            user_ids = [id for id in due if after is None or id > after][:limit]
            changed = 0
            for id in user_ids:
                cleaned = clean(rows, id, limit=limit)
                changed += cleaned
                if cleaned >= limit:
                    return PurgeResult(changed, UUID(int=id.int - 1))
                del rows.deletions[id]
                changed += 1
        return PurgeResult(changed, user_ids[-1] if len(user_ids) == limit else None)

    async def _purge_challenges(self, *, now: datetime, limit: int) -> PurgeResult:
        async with self._store.alone() as rows:
            before = min(now - retention.USED_CHALLENGE, rows.clock())
            expired = [digest for digest, expires_at in rows.spent.items() if expires_at < before][:limit]
            for digest in expired:
                del rows.spent[digest]
        return PurgeResult(len(expired), UUID(int=0) if len(expired) == limit else None)


def _session(rows: Rows, session: Session, now: datetime) -> bool:
    over = (session.ended_at or session.expires_at) < now - retention.SESSION
    revoked_at = rows.revoked_at.get(session.id)
    quiet = revoked_at is None or revoked_at < rows.clock() - retention.SESSION
    return over and quiet and session.id not in rows.revocation_pending


def _mail(_: Rows, mail: OutboxMail, now: datetime) -> bool:
    retention_period = retention.PARKED_MAIL if mail.outcome is DeliveryOutcome.PARKED else retention.MAIL
    return mail.settled_at is not None and mail.settled_at < now - retention_period


def _email_change(rows: Rows, change: EmailChange, now: datetime) -> bool:
    user = rows.users.get(change.user_id)
    return change.asked_at < now - retention.EMAIL_CHANGE and user is not None and user.verified


def _undo_point(_: Rows, point: UndoPoint, now: datetime) -> bool:
    return point.changed_at < now - retention.UNDO_POINT


def _removed(_: Rows, one: Factor | RecoveryCode, now: datetime) -> bool:
    return one.removed_at is not None and one.removed_at < now - retention.FACTOR


def _unverified_user(rows: Rows, user: User, now: datetime) -> bool:
    before = now - retention.UNVERIFIED_USER
    if user.verified or user.disabled or user.created_at >= before or user.provenance is not Provenance.SELF:
        return False
    displaced = any(change.is_pending_at(user) for change in rows.email_changes.values())
    alive = any(session.user_id == user.id and session.alive(now) for session in rows.sessions.values())
    recent = any(event.user_id == user.id and event.created_at >= before for event in rows.events.values())
    sent = [mail.created_at for mail in rows.mails.values() if mail.recipient == user.email]
    return not (displaced or alive or recent or any(at >= now - retention.LINK for at in sent))


def _event(_: Rows, event: AuditEvent, now: datetime) -> bool:
    return event.created_at < now - retention.EVENT


def _by_age_alone(*_: object) -> bool:
    return True


_RULES: dict[RetentionCategory, tuple[str, timedelta, Callable[[Rows, Any, datetime], bool]]] = {
    RetentionCategory.SESSION: ("sessions", retention.SESSION, _session),
    RetentionCategory.MAIL: ("mails", retention.MAIL, _mail),
    RetentionCategory.EMAIL_CHANGE: ("email_changes", retention.EMAIL_CHANGE, _email_change),
    RetentionCategory.UNDO_POINT: ("undo_points", retention.UNDO_POINT, _undo_point),
    RetentionCategory.FACTOR: ("factors", retention.FACTOR, _removed),
    RetentionCategory.RECOVERY_CODE: ("recovery_codes", retention.FACTOR, _removed),
    RetentionCategory.INVITATION: ("invitations", retention.INVITATION, _by_age_alone),
    RetentionCategory.UNVERIFIED_USER: ("users", retention.UNVERIFIED_USER, _unverified_user),
    RetentionCategory.EVENT: ("events", retention.EVENT, _event),
    RetentionCategory.IMPORT_DIGEST: ("import_digests", retention.IMPORT_DIGEST, _by_age_alone),
}

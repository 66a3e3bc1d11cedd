"""Deleted users: gone at once, and their history removed in batches."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from adapters.memory.rows import Rows
from domain.client_info import UNKNOWN_CLIENT
from domain.deletion import Deletion
from domain.invitation import Invitation
from domain.outbox import OutboxMail
from domain.user import NO_PASSWORD, User


def remove(rows: Rows, user_id: UUID, *, now: datetime, until: datetime | None) -> bool:
    user = rows.users.pop(user_id, None)
    if user is None:
        return False
    deleted_user = user.recovered(NO_PASSWORD)
    email = deleted_user.email if deleted_user.verified else None
    deletion = Deletion(
        user_id=user_id, email=email, version=deleted_user.credential_version, deleted_at=now, until=until
    )
    rows.deletions[user_id] = deletion, deleted_user
    return True


def restore(rows: Rows, user_id: UUID, *, email: str, now: datetime) -> User | None:
    entry = rows.deletions.get(user_id)
    if entry is None or not entry[0].can_be_undone(now):
        return None
    del rows.deletions[user_id]
    rows.users[user_id] = replace(entry[1], email=email, verified=False, disabled=False)
    return rows.users[user_id]


def clean(rows: Rows, user_id: UUID, *, limit: int) -> int:
    """The number of rows of the user's history that were removed or made anonymous."""
    deletion, _ = rows.deletions[user_id]
    remaining = limit
    for session in [it for it in rows.sessions.values() if it.user_id == user_id][:remaining]:
        rows.sessions[session.id] = replace(session, user_id=None, client_info=UNKNOWN_CLIENT)
        remaining -= 1
    for mail in [it for it in rows.mails.values() if it.outcome is not None and _is_about(it, deletion)][:remaining]:
        del rows.mails[mail.id]
        remaining -= 1
    placed = [it for it in rows.events.values() if it.user_id == user_id and it != it.of_deleted_user()]
    for event in placed[:remaining]:
        rows.events[event.id] = event.of_deleted_user()
        remaining -= 1
    for table in (rows.factors, rows.recovery_codes, rows.undo_points):
        for id in [it.id for it in table.values() if it.user_id == user_id]:
            del table[id]
    for invitation in [it for it in rows.invitations.values() if _names(it, deletion)][:remaining]:
        del rows.invitations[invitation.id]
        remaining -= 1
    for change in [it for it in rows.email_changes.values() if it.user_id == user_id][:remaining]:
        del rows.email_changes[change.id]
        remaining -= 1
    return limit - remaining


def _names(invitation: Invitation, deletion: Deletion) -> bool:
    to_them = invitation.email == deletion.email and invitation.created_at <= deletion.deleted_at
    return invitation.user_id == deletion.user_id or to_them


def _is_about(mail: OutboxMail, deletion: Deletion) -> bool:
    to_them = mail.recipient == deletion.email and mail.created_at <= deletion.deleted_at
    return mail.user_id == deletion.user_id or to_them

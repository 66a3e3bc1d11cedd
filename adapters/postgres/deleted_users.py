"""Deletes users at once and their history in batches, because it may be long and statements must be short."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, and_, case, delete, insert, literal, or_, select, update

from adapters.postgres.connection import Connection
from adapters.postgres.rows import among, deletion_of, user_of
from adapters.postgres.tables import deletions, events, invitations, mails, sessions, users
from domain.audit import EventType
from domain.deletion import Deletion
from domain.role import Role
from domain.user import NO_PASSWORD, User


async def remove(
    connection: Connection, user_ids: Sequence[UUID], *, now: datetime, until: datetime | None = None
) -> int:
    """The caller has locked the users and ended their sessions. For each user a row without address and name
    stays, and one in `deletions` with the name and a verified address, until the history has been removed."""
    present = and_(among(users.c.id, user_ids), users.c.deleted_at.is_(None))
    verified_email = case((users.c.verified_at.is_not(None), users.c.email))
    until_then = literal(until, DateTime(timezone=True))
    deleted = select(
        users.c.id, verified_email, users.c.username, users.c.role, literal(now, DateTime(timezone=True)), until_then
    ).where(present)
    columns = ["id", "email", "username", "role", "deleted_at", "until"]
    await connection.execute(insert(deletions).from_select(columns, deleted))
    emptied = {
        "email": "",
        "username": None,
        "password_hash": NO_PASSWORD,
        "role": Role.MEMBER.value,
        "verified_at": None,
        "disabled_at": now,  # for the previous release, which does not know deleted users
        "deleted_at": now,
        "credential_version": users.c.credential_version + 1,
    }
    return await connection.execute(update(users).where(present).values(emptied))


async def deletion_of_user(connection: Connection, user_id: UUID) -> Deletion | None:
    query = select(deletions, users.c.credential_version).join(users, users.c.id == deletions.c.id)
    row = await connection.fetch_row(query.where(deletions.c.id == user_id))
    return None if row is None else deletion_of(row)


async def undoable_deletion(connection: Connection, email: str, *, now: datetime) -> Deletion | None:
    query = select(deletions, users.c.credential_version).join(users, users.c.id == deletions.c.id)
    latest = query.where(deletions.c.email == email, deletions.c.until > now).order_by(deletions.c.deleted_at.desc())
    row = await connection.fetch_row(latest.limit(1))
    return None if row is None else deletion_of(row)


async def restore(connection: Connection, user_id: UUID, *, email: str, now: datetime) -> User | None:
    undone = delete(deletions).where(deletions.c.id == user_id, deletions.c.until > now).returning(deletions)
    row = await connection.fetch_row(undone)
    if row is None:
        return None
    values = {
        "email": email,
        "username": row["username"],
        "role": row["role"],
        "disabled_at": None,
        "deleted_at": None,
    }
    back = update(users).where(users.c.id == user_id).values(values).returning(users)
    restored_row = await connection.fetch_row(back)
    return None if restored_row is None else user_of(restored_row)


async def clean(connection: Connection, user_id: UUID, *, due: ColumnElement[bool], limit: int) -> tuple[int, bool]:
    """Remove a batch of history. Returns the number of rows changed, at most `limit` of each kind, and whether
    nothing is left. Skips a user who is locked or was restored."""
    query = select(deletions).where(deletions.c.id == user_id, due).with_for_update(skip_locked=True)
    deletion = await connection.fetch_row(query)
    if deletion is None:
        return 0, True
    session_ids = select(sessions.c.id).where(sessions.c.user_id == user_id).limit(limit)
    ids = await connection.fetch_column(session_ids)
    nameless = update(sessions).where(among(sessions.c.id, ids)).values(user_id=None, user_agent="", ip="")
    changed, finished = await connection.execute(nameless), len(ids) < limit

    about = mails.c.user_id == user_id
    if deletion["email"] is not None:
        # Keep mails to a user who has registered the address since.
        about = or_(about, and_(mails.c.recipient == deletion["email"], mails.c.created_at <= deletion["deleted_at"]))
    settled = select(mails.c.id).where(about, mails.c.outcome.is_not(None)).limit(limit)
    ids = await connection.fetch_column(settled)
    changed += await connection.execute(delete(mails).where(among(mails.c.id, ids)))
    finished = finished and len(ids) < limit

    invited = invitations.c.user_id == user_id
    if deletion["email"] is not None:
        to_them = invitations.c.email == deletion["email"]
        invited = or_(invited, and_(to_them, invitations.c.created_at <= deletion["deleted_at"]))
    ids = await connection.fetch_column(select(invitations.c.id).where(invited).limit(limit))
    changed += await connection.execute(delete(invitations).where(among(invitations.c.id, ids)))
    finished = finished and len(ids) < limit

    happened = select(events.c.id).where(events.c.user_id == user_id).order_by(events.c.id).limit(limit)
    if deletion["cleaned_to"] is not None:
        happened = happened.where(events.c.id > deletion["cleaned_to"])
    ids = await connection.fetch_column(happened)
    placed = and_(
        among(events.c.id, ids),
        events.c.action != EventType.DELETED.value,  # its IP address and device are those of the actor
        or_(events.c.ip != "", events.c.user_agent != ""),
    )
    nowhere = update(events).where(placed).values(ip="", user_agent="")
    changed += await connection.execute(nowhere)
    finished = finished and len(ids) < limit

    if finished:
        # This also deletes their changes of address (ON DELETE CASCADE).
        await connection.execute(delete(users).where(users.c.id == user_id))
        changed += await connection.execute(delete(deletions).where(deletions.c.id == user_id))
    elif ids:
        await connection.execute(update(deletions).where(deletions.c.id == user_id).values(cleaned_to=ids[-1]))
    return changed, finished

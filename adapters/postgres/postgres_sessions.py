"""Sessions as rows. What ends or is outdated here is noted, so that leaving the work can put it in force."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, case, cast, exists, func, insert, select, update
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.prepared import Prepared
from adapters.postgres.rows import among, holder_first, row_of_session, session_of, user_of
from adapters.postgres.tables import sessions, username_key, users
from application.store import Opened, Sessions
from domain.session import ENDED, EndReason, Session


def _alive(user_id: Any, now: Any) -> ColumnElement[bool]:
    return and_(sessions.c.user_id == user_id, sessions.c.ended_at.is_(None), sessions.c.expires_at > now)


_ADDED = ("id", "user_id", "generation", "floor", "created_at", "rotated_at", "expires_at", "user_agent", "ip")

# Made once: what each login and logout asks costs more to put together than to send.
_BY_ID = Prepared(select(sessions).where(sessions.c.id == bindparam("session")))
_WELCOME = Prepared(
    select(users)
    .where(
        users.c.id == bindparam("user"),
        users.c.credential_version == bindparam("version"),
        users.c.disabled_at.is_(None),
    )
    .with_for_update(key_share=True)
)
# The new one is not seen by the statement that adds it.
_OPEN = Prepared(
    select(sessions.c.id)
    .where(_alive(bindparam("user_id"), bindparam("created_at")))
    .order_by(sessions.c.created_at.desc(), sessions.c.id.desc())
    .offset(bindparam("others"))
    .add_cte(insert(sessions).values({name: bindparam(name) for name in _ADDED}).cte("opened"))
)
_AS_ENDED = {
    "ended_at": bindparam("now"),
    "end_reason": bindparam("reason"),
    "raised_at": func.now(),
    "unpublished": True,
}
_END = Prepared(
    update(sessions).where(sessions.c.id == bindparam("session"), sessions.c.ended_at.is_(None)).values(_AS_ENDED)
)


class PostgresSessions(Sessions):
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.raised: dict[UUID, int] = {}

    async def open(self, session: Session, *, credential_version: int, most: int) -> Opened | None:
        # One login after another, so that each counts the sessions of those before it; and not together with a reset
        # or a ban: either they see this session or it sees them.
        row = await _WELCOME.row(self._connection, user=session.user_id, version=credential_version)
        if row is None:
            return None
        opened = await _OPEN.rows(self._connection, **row_of_session(session), others=most - 1)
        evicted, now = tuple(row.id for row in opened), session.created_at
        if evicted:
            await self._end(
                and_(among(sessions.c.id, evicted), _alive(row.id, now)), now=now, reason=EndReason.EVICTED
            )
            self.raised.update(dict.fromkeys(evicted, ENDED))
        return Opened(user_of(row), evicted)

    async def by_id(self, session_id: UUID) -> Session | None:
        row = await _BY_ID.row(self._connection, session=session_id)
        return None if row is None else session_of(row)

    async def alive(self, user_id: UUID, *, now: datetime) -> Sequence[Session]:
        # Told to the database: those that are over are kept for good, and whoever logs in often has any number.
        theirs = select(sessions).where(_alive(user_id, now)).order_by(sessions.c.id.desc())
        return [session_of(row) for row in await self._connection.execute(theirs)]

    async def known_from(self, login: str, network: str, *, now: datetime) -> bool:
        # One statement with one answer, so that neither the user nor their sessions are told by the time it takes.
        named = users.c.email == login if "@" in login else username_key == login.lower()
        holder = holder_first(select(users.c.id).where(named)).scalar_subquery()
        newest = (
            select(sessions.c.ip, sessions.c.ended_at, sessions.c.expires_at)
            .where(sessions.c.user_id == holder)
            .order_by(sessions.c.id.desc())
            .limit(50)
            .subquery()
        )
        opened_in = cast(func.nullif(newest.c.ip, ""), INET)
        there = newest.c.ended_at.is_(None), newest.c.expires_at > now, opened_in.op("<<=")(cast(network, INET))
        return bool((await self._connection.execute(select(exists().where(*there)))).scalar_one())

    async def page(self, user_id: UUID, *, limit: int, after: UUID | None) -> Sequence[Session]:
        theirs = select(sessions).where(sessions.c.user_id == user_id).order_by(sessions.c.id.desc()).limit(limit)
        theirs = theirs if after is None else theirs.where(sessions.c.id < after)
        return [session_of(row) for row in await self._connection.execute(theirs)]

    async def end(self, session_id: UUID, *, now: datetime, reason: EndReason) -> bool:
        ended = await _END.count(self._connection, session=session_id, now=now, reason=reason.value)
        # Noted even if somebody else was quicker: whoever asked is told only when it is in force.
        self.raised[session_id] = ENDED
        return ended == 1

    async def end_all(self, user_id: UUID, *, now: datetime, reason: EndReason) -> int:
        # Held still, so that no login slips in behind: it waits, and then sees what this work has made of the user.
        await self._connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update())
        return await self.end_all_of([user_id], now=now, reason=reason)

    async def end_all_of(self, user_ids: Sequence[UUID], *, now: datetime, reason: EndReason) -> int:
        """The users are held still by the caller."""
        theirs = among(sessions.c.user_id, user_ids)
        ended = await self._end(and_(theirs, sessions.c.ended_at.is_(None)), now=now, reason=reason)
        # Among them what others have ended just now, and is not in force everywhere yet: this work waits for it too.
        fresh = await self._connection.execute(select(sessions.c.id).where(theirs, sessions.c.unpublished))
        self.raised.update(dict.fromkeys(fresh.scalars(), ENDED))
        return ended

    async def outdate_all(self, user_id: UUID) -> int:
        outdated = await self._connection.execute(
            update(sessions)
            .where(sessions.c.user_id == user_id, sessions.c.ended_at.is_(None))
            .values(floor=sessions.c.generation + 1, raised_at=func.now(), unpublished=True)
            .returning(sessions.c.id, sessions.c.floor)
        )
        floors = {row.id: row.floor for row in outdated}
        self.raised.update(floors)
        return len(floors)

    async def forget(self, user_ids: Sequence[UUID]) -> None:
        """Take out of the users' sessions what tells about a person."""
        theirs = among(sessions.c.user_id, user_ids)
        await self._connection.execute(update(sessions).where(theirs).values(user_agent="", ip=""))

    async def settled(self, user_id: UUID) -> None:
        floor = case((sessions.c.ended_at.is_not(None), ENDED), else_=sessions.c.floor).label("floor")
        theirs = select(sessions.c.id, floor).where(sessions.c.user_id == user_id, sessions.c.unpublished)
        self.raised.update({row.id: row.floor for row in await self._connection.execute(theirs)})

    async def _end(self, which: Any, *, now: datetime, reason: EndReason) -> int:
        ending = update(sessions).where(which).values(_AS_ENDED)
        return (await self._connection.execute(ending, {"now": now, "reason": reason.value})).rowcount

"""The outbox in PostgreSQL. A lease moves the due time ahead, so the lease of a dead worker simply expires."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Interval, Select, and_, bindparam, func, insert, or_, select, update

from adapters.postgres.connection import Connection
from adapters.postgres.rows import among_texts, mail_of, row_of_mail
from adapters.postgres.statements import CompiledStatement
from adapters.postgres.tables import mails, users
from application.repositories import Outbox
from domain.mail_timing import LANE_PACE, NOTICE_DELAY
from domain.outbox import VERIFIED_USER, DeliveryOutcome, MailKind, OutboxMail
from domain.user import User

# Kinds that only a newer release knows are left to it; it may run beside this one, or was rolled back.
_known = among_texts(mails.c.kind, [kind.value for kind in MailKind])

_ADDED = (
    *("id", "kind", "recipient", "user_id", "change_id", "created_at", "due_at", "attempts", "note"),
    *("ip", "user_agent", "language", "lane"),
)
# The database's clock decides what is due, because clocks of processes differ. Tests pass other times.
_NOW = func.coalesce(bindparam("now", type_=mails.c.due_at.type), func.now())
_DUE_AT = {"due_at": func.least(bindparam("due_at"), func.now())}
# Computes `OutboxMail.turn_at` in the statement that inserts the mail.
_earlier = mails.alias("ahead")
_last_of_lane = (
    select(func.max(_earlier.c.turn_at) + LANE_PACE)
    .where(_earlier.c.lane == bindparam("lane"), _earlier.c.outcome.is_(None))
    .scalar_subquery()
)
_TURN_AT = {"turn_at": func.greatest(_DUE_AT["due_at"] + bindparam("delay", type_=Interval), _last_of_lane)}
_ADD = CompiledStatement(insert(mails).values({name: bindparam(name) for name in _ADDED} | _DUE_AT | _TURN_AT))

_DUE = (
    select(mails.c.id)
    .where(mails.c.outcome.is_(None), mails.c.due_at <= _NOW, _known)
    .order_by(mails.c.turn_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)


# A deleted user is still there; several mails are about the deletion.
_LOCALE_BY_ID = select(users.c.locale).where(users.c.id == mails.c.user_id).scalar_subquery()
_no_user = or_(mails.c.user_id.is_(None), mails.c.user_id == VERIFIED_USER)
_LOCALE_BY_ADDRESS = (
    select(users.c.locale)
    .where(_no_user, users.c.email == mails.c.recipient, users.c.verified_at.is_not(None))
    .scalar_subquery()
)


def _lease_statement(due: Select[tuple[UUID]]) -> CompiledStatement:
    # A CTE runs once. A subquery may run again for every row, and then skips rows that it has locked itself.
    chosen = due.cte("chosen")
    leased = (
        update(mails)
        .where(mails.c.id == chosen.c.id)
        .values(due_at=_NOW + bindparam("hold", type_=Interval), attempts=mails.c.attempts + 1)
    )
    language = func.coalesce(_LOCALE_BY_ID, _LOCALE_BY_ADDRESS, mails.c.language).label("language")
    return CompiledStatement(leased.returning(*(column for column in mails.c if column.name != "language"), language))


_LEASE, _LEASE_ONE = _lease_statement(_DUE), _lease_statement(_DUE.where(mails.c.id == bindparam("only")))

# The lease is still ours if the number of attempts is unchanged.
_IF_LEASED = update(mails).where(
    mails.c.id == bindparam("mail"), mails.c.attempts == bindparam("tried"), mails.c.outcome.is_(None)
)
_SETTLE = CompiledStatement(
    _IF_LEASED.values(outcome=bindparam("how"), settled_at=bindparam("now"), note=bindparam("new_note"))
)
_POSTPONE = CompiledStatement(
    _IF_LEASED.values(due_at=_NOW + bindparam("hold", type_=Interval), note=bindparam("new_note"))
)


class PostgresOutbox(Outbox):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.enqueued_ids: list[UUID] = []

    async def add(self, mail: OutboxMail) -> None:
        delay = timedelta(0) if mail.kind.is_awaited else NOTICE_DELAY
        await self._connection.execute(_ADD, **row_of_mail(mail), lane=mail.lane, delay=delay)
        self.enqueued_ids.append(mail.id)

    async def lease(
        self, *, hold: timedelta, limit: int, only: UUID | None = None, now: datetime | None = None
    ) -> Sequence[OutboxMail]:
        statement, named = (_LEASE, {}) if only is None else (_LEASE_ONE, {"only": only})
        leased = await self._connection.fetch(statement, now=now, hold=hold, most=limit, **named)
        return sorted((mail_of(row) for row in leased), key=lambda mail: mail.id)

    async def record_outcome(
        self, mail: OutboxMail, outcome: DeliveryOutcome, *, now: datetime, note: str = ""
    ) -> None:
        await self._change(mail, _SETTLE, how=outcome.value, now=now, new_note=note)

    async def postpone(self, mail: OutboxMail, *, wait: timedelta, note: str, now: datetime | None = None) -> None:
        await self._change(mail, _POSTPONE, hold=wait, now=now, new_note=note)

    async def page(self, user: User, *, limit: int, after: UUID | None) -> Sequence[OutboxMail]:
        by_id = mails.c.user_id == user.id
        to_them = and_(mails.c.recipient == user.email, _no_user, mails.c.created_at >= user.created_at)
        query = select(mails).where(_known, or_(by_id, to_them) if user.verified else by_id)
        query = query if after is None else query.where(mails.c.id < after)
        rows = await self._connection.fetch(query.order_by(mails.c.id.desc()).limit(limit))
        return [mail_of(row) for row in rows]

    async def parked(self, *, limit: int) -> Sequence[OutboxMail]:
        rows = await self._connection.fetch(
            select(mails)
            .where(mails.c.outcome == DeliveryOutcome.PARKED.value, _known)
            .order_by(mails.c.id)
            .limit(limit)
        )
        return [mail_of(row) for row in rows]

    async def redrive(self, mail_id: UUID, *, now: datetime) -> bool:
        redriven = await self._connection.execute(
            update(mails)
            .where(mails.c.id == mail_id, mails.c.outcome == DeliveryOutcome.PARKED.value)
            .values(outcome=None, settled_at=None, attempts=0, due_at=func.least(now, func.now()))
        )
        if redriven:
            self.enqueued_ids.append(mail_id)
        return redriven == 1

    async def _change(self, mail: OutboxMail, change: CompiledStatement, **values: object) -> None:
        await self._connection.execute(change, mail=mail.id, tried=mail.attempts, **values)

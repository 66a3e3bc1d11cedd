"""Size and age of the outbox, for monitoring. Concurrent calls share one query."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, literal_column, select

from adapters.batching import Batcher
from adapters.postgres.database import Database
from adapters.postgres.outages import outages_as_refusals
from adapters.postgres.tables import mails
from application.ports import Clock
from domain.outbox import DeliveryOutcome


@dataclass(frozen=True, slots=True)
class Backlog:
    """`lag` is how late the most overdue mail is: workers are behind by that. `oldest_age` is the age of the oldest
    pending mail: it grows while the mail server refuses mails."""

    pending: int
    parked: int
    lag: timedelta
    oldest_age: timedelta


class PostgresBacklog:
    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._shared = Batcher(self._read_once)

    async def read(self) -> Backlog:
        return await self._shared(())

    async def _read_once(self, _: Collection[None]) -> Backlog:
        pending = mails.c.outcome.is_(None)
        # A literal, because a generic plan could not use the partial index of parked mails.
        parked = mails.c.outcome == literal_column(f"'{DeliveryOutcome.PARKED.value}'")
        given_up = select(func.count()).select_from(mails).where(parked).scalar_subquery()
        look = select(func.count(), given_up, func.min(mails.c.due_at), func.min(mails.c.created_at)).where(pending)
        with outages_as_refusals():
            async with self._database.connection() as connection:
                [row] = await connection.fetch(look)
        return Backlog(pending=row[0], parked=row[1], lag=self._since(row[2]), oldest_age=self._since(row[3]))

    def _since(self, moment: datetime | None) -> timedelta:
        return timedelta() if moment is None else max(timedelta(), self._clock() - moment)

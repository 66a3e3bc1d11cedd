"""How much mail waits, for whoever watches the service. One look at a time, however many ask."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.outages import outages_as_refusals
from adapters.postgres.tables import mails
from adapters.round_trip import RoundTrip
from application.ports import Clock
from domain.mail import Outcome


@dataclass(frozen=True, slots=True)
class Backlog:
    """`overdue` is how long the mail that is due for longest has been due: what workers are behind by."""

    owed: int
    parked: int
    overdue: timedelta


class PostgresBacklog:
    def __init__(self, engine: AsyncEngine, *, clock: Clock) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._clock = clock
        self._shared = RoundTrip(self._look)

    async def look(self) -> Backlog:
        return await self._shared(())

    async def _look(self, _: Collection[None]) -> Backlog:
        owed = mails.c.outcome.is_(None)
        # Written out, because a plan made for any parameter could not use the index of the parked.
        parked = mails.c.outcome == literal_column(f"'{Outcome.PARKED.value}'")
        counts = [select(func.count()).select_from(mails).where(which).scalar_subquery() for which in (owed, parked)]
        first = select(func.min(mails.c.due_at)).where(owed).scalar_subquery()
        with outages_as_refusals():
            async with self._engine.connect() as connection:
                row = (await connection.execute(select(*counts, first))).one()
        late = timedelta() if row[2] is None else self._clock() - row[2]
        return Backlog(owed=row[0], parked=row[1], overdue=max(timedelta(), late))

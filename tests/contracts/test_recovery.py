"""The thief and the owner of `tests/recovery.py` once more, over PostgreSQL."""

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connecting import make_engine
from adapters.postgres.tables import metadata
from tests.recovery import Theft
from tests.world import World


def test_the_owner_of_the_mailbox_recovers_over_postgresql(migrated: str) -> None:
    class InPostgres(Theft):
        engine: AsyncEngine

        @classmethod
        async def make_world(cls) -> World:
            cls.engine = make_engine(migrated)
            async with cls.engine.begin() as connection:
                await connection.execute(text(f"TRUNCATE {', '.join(metadata.tables)}"))
            return World(limited=False, engine=cls.engine)

        @classmethod
        async def close_world(cls) -> None:
            await cls.engine.dispose()

    run_state_machine_as_test(InPostgres, settings=settings(max_examples=40, stateful_step_count=25, deadline=None))

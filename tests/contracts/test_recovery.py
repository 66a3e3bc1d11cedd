"""Account recovery, as in `tests/support/recovery.py`, on PostgreSQL."""

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import text

from adapters.postgres.database import Database
from adapters.postgres.tables import metadata
from tests.support.recovery import Theft
from tests.support.world import World


def test_owner_of_the_mailbox_recovers_over_postgresql(migrated: str) -> None:
    class InPostgres(Theft):
        database: Database

        @classmethod
        async def make_world(cls) -> World:
            cls.database = Database(migrated)
            async with cls.database.connection() as connection:
                await connection.execute(text(f"TRUNCATE {', '.join(metadata.tables)}"))
            return World(limited=False, database=cls.database)

        @classmethod
        async def close_world(cls) -> None:
            await cls.database.close()

    run_state_machine_as_test(InPostgres, settings=settings(max_examples=40, stateful_step_count=25, deadline=None))

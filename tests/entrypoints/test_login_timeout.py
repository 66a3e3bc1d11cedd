"""A login that times out leaves no session, even if PostgreSQL finishes its statement later."""

import asyncpg
import pytest

from domain.refusals import ErrorCode, Refusal
from tests.support.app_under_test import open_app
from tests.support.service import Service
from tests.support.store_harness import wait_until

pytestmark = pytest.mark.anyio

WAITS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
OF_THEM = "SELECT action FROM events JOIN users ON users.id = events.user_id WHERE email = $1 ORDER BY events.id"
SESSIONS = "SELECT count(*) FROM sessions JOIN users ON users.id = sessions.user_id WHERE email = $1"


async def test_timed_out_login_opens_no_session(service: Service) -> None:
    email = service.user("member")
    database = await asyncpg.connect(service.environ["LATCHKEY_DATABASE_URL"])
    try:
        async with open_app(service) as app:
            before = await database.fetch(OF_THEM, email)
            held = database.transaction()
            await held.start()
            await database.execute("SELECT FROM users WHERE email = $1 FOR UPDATE", email)
            with pytest.raises(Refusal) as refused:
                await app.log_in(email)
            assert refused.value.code is ErrorCode.UNAVAILABLE
            await held.rollback()
            await wait_until(lambda: no_lock_is_waited_for(database))
            assert await database.fetch(OF_THEM, email) == before
            assert await database.fetchval(SESSIONS, email) == 0
            await app.log_in(email)
            assert await database.fetchval(SESSIONS, email) == 1
    finally:
        await database.close()


async def no_lock_is_waited_for(database: asyncpg.Connection) -> bool:
    return bool(await database.fetchval(WAITS) == 0)

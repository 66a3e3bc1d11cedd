"""An export may take any time; the deadline applies to each page of it."""

import asyncio

import pytest
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from adapters.postgres.deadline import DEADLINE, within_deadline
from entrypoints.container import Container
from entrypoints.http.app import create
from tests.support.in_process import inside
from tests.support.service import Service
from tests.support.sql import sql_engine

pytestmark = pytest.mark.anyio

PAGES = 4
EVENTS = """
INSERT INTO events (id, action, user_id, created_at, ip, user_agent, detail)
SELECT uuidv7(), 'logged_in', id, now(), '', '', '' FROM users, generate_series(1, 200 * %d) WHERE email = '%s'
"""


def slow_app(container: Container) -> ASGIApp:
    """An application whose database takes half of the deadline for each page."""
    app = create(container)

    async def with_slow_pages(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_slowly(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.body" and message["body"]:
                async with within_deadline():
                    await asyncio.sleep(DEADLINE / 2)

        await app(scope, receive, send_slowly)

    return with_slow_pages


async def test_slow_export_has_a_deadline_for_each_page(service: Service) -> None:
    member = service.member()
    engine = sql_engine(service.environ["LATCHKEY_DATABASE_URL"])
    async with engine.begin() as connection:
        await connection.exec_driver_sql(EVENTS % (PAGES, member.email))
    await engine.dispose()
    async with inside(service, build=slow_app) as client:
        answer = await client.get("/v1/me/export", headers={"Authorization": member.headers["Authorization"]})
    assert len(answer.json()["events"]) > 200 * PAGES

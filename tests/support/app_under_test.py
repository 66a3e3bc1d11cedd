"""The real container in the process of a test, with a record of the statements sent to PostgreSQL."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

from application.repositories import UnitOfWorkFactory
from domain.client_info import ClientInfo
from domain.tokens import AccessToken, TokenPair
from entrypoints.container import Container, close
from entrypoints.settings import load
from tests.support.service import PASSWORD, Service
from tests.support.statement_recorder import RecordingDatabase, StatementRecorder

CLIENT_INFO = ClientInfo(ip="203.0.113.7", user_agent="Lynx")


class AppUnderTest:
    """The real use cases and adapters, in this process."""

    def __init__(self, container: Container) -> None:
        self.container = container
        self.begin: UnitOfWorkFactory = container.begin()
        self.recorder = StatementRecorder(container.database())

    async def statements_of(self, verb: Awaitable[Any]) -> str:
        """The statements sent. Each transaction sends two more: BEGIN and COMMIT."""
        self.recorder.take()
        before = self.recorder.transactions
        await verb
        verbs = [statement.split()[0] for statement, _ in self.recorder.take()]
        return f"{' '.join(verbs)} ({self.recorder.transactions - before})"

    async def log_in(self, email: str) -> TokenPair:
        pair: TokenPair = await self.container.login()(login=email, password=PASSWORD, client_info=CLIENT_INFO)
        return pair

    def caller(self, pair: TokenPair) -> AccessToken:
        token: AccessToken = self.container.access_codec().decode(pair.access_token)
        return token


@asynccontextmanager
async def open_app(service: Service) -> AsyncIterator[AppUnderTest]:
    settings = load(service.environ)
    container = Container(settings=settings)
    container.database.override(RecordingDatabase(settings.database_url))
    try:
        app = AppUnderTest(container)
        await container.blocklist().renew()
        yield app
    finally:
        await close(container)

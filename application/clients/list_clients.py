"""For operators: list clients."""

from collections.abc import Sequence
from dataclasses import dataclass

from application.repositories import UnitOfWorkFactory
from domain.client import Client


@dataclass(frozen=True, slots=True, kw_only=True)
class ListClients:
    begin: UnitOfWorkFactory

    async def __call__(self) -> Sequence[Client]:
        async with self.begin() as work:
            return await work.clients.all()

"""Users looked up outside of any unit of work, in memory."""

from uuid import UUID

from anyio.lowlevel import checkpoint

from adapters.memory.memory_store import MemoryStore
from application.ports import Directory
from domain.user import User


class MemoryDirectory(Directory):
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def user(self, user_id: UUID) -> User | None:
        await checkpoint()
        return self._store.rows.users.get(user_id)

    async def holder(self, login: str) -> User | None:
        async with self._store.begin() as work:
            return await (work.users.by_email(login) if "@" in login else work.users.by_username(login))

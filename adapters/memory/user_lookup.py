"""Looks up users outside of units of work, in memory."""

from collections.abc import Sequence
from uuid import UUID

from anyio.lowlevel import checkpoint

from adapters.memory.unit_of_work import MemoryStore
from application.ports import UserLookup
from domain.user import User


class MemoryUserLookup(UserLookup):
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def user(self, user_id: UUID) -> User | None:
        await checkpoint()
        return self._store.rows.users.get(user_id)

    async def candidates(self, login: str) -> Sequence[User]:
        await checkpoint()
        people, name = self._store.rows.users.values(), login.lower()
        users = [user for user in people if name in (user.email, (user.username or "").lower())]
        users.sort(key=lambda user: (not user.verified, user.id))
        if users and users[0].verified:
            return users[:1]
        return users if len(users) <= 100 else users[:50] + users[-50:]

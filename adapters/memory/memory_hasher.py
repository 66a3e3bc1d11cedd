"""A hash that costs nothing, for tests of everything but hashing."""

import hashlib

from anyio.lowlevel import checkpoint

from application.ports import Hasher, Verdict
from domain.password import normal


class MemoryHasher(Hasher):
    def __init__(self) -> None:
        self.calls = 0

    async def hash(self, password: str) -> str:
        await self._work()
        return "memory$" + _digest(password)

    async def verify(self, password: str, password_hash: str | None) -> Verdict:
        """A hash that begins with `old$` is one that should be replaced."""
        await self._work()
        kind, _, digest = (password_hash or "").partition("$")
        return Verdict(fits=digest == _digest(password), outdated=kind == "old")

    async def _work(self) -> None:
        self.calls += 1
        await checkpoint()


def _digest(password: str) -> str:
    return hashlib.sha256(normal(password).encode("utf-8", "surrogatepass")).hexdigest()

"""A hash that costs nothing, for tests of everything but hashing."""

import hashlib
from collections.abc import Sequence

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
        """A hash that begins with `old$` or `wrapped$` is one that should be replaced."""
        await self._work()
        kind, _, digest = (password_hash or "").partition("$")
        fits = kind != "weak" and digest == _digest(password)
        return Verdict(fits=fits, outdated=fits and kind != "memory")

    async def adopt(self, password_hashes: Sequence[str]) -> list[str | None]:
        """A hash that begins with `weak$` is wrapped."""
        return [await self._adopted(text) for text in password_hashes]

    async def _adopted(self, text: str) -> str | None:
        kind, _, digest = text.partition("$")
        if kind == "weak":
            await self._work()
            return f"wrapped${digest}"
        return text if kind in {"", "memory", "old", "wrapped"} else None

    async def _work(self) -> None:
        self.calls += 1
        await checkpoint()


def _digest(password: str) -> str:
    return hashlib.sha256(normal(password).encode("utf-8", "surrogatepass")).hexdigest()

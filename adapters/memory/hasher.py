"""A fast hasher for tests of everything but hashing."""

import hashlib
from collections.abc import Sequence

from anyio.lowlevel import checkpoint

from application.ports import Hasher, PasswordMatch
from domain.password import normalize_password


class MemoryHasher(Hasher):
    def __init__(self) -> None:
        self.calls = 0

    async def hash(self, password: str, *, like: str | None = None) -> str:
        await self._work()
        salt = _salt(like or "")
        return f"memory${salt or self.calls}${_digest(password)}"

    async def verify(self, password: str, password_hash: str | None, *others: str) -> PasswordMatch:
        """A hash that begins with `old$` or `wrapped$` is one that should be replaced."""
        await self._work()
        known = [(index, text) for index, text in enumerate((password_hash or "", *others)) if text]
        salts = {_salt(text) for _, text in known[:1]}
        for index, text in known:
            kind, _, rest = text.partition("$")
            alike = index == known[0][0] or (kind == "memory" and _salt(text) in salts)
            if alike and kind != "weak" and rest.rpartition("$")[2] == _digest(password):
                return PasswordMatch(matches=True, needs_rehash=kind != "memory", index=index)
        return PasswordMatch(matches=False)

    async def import_hashes(self, password_hashes: Sequence[str]) -> list[str | None]:
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
    return hashlib.sha256(normalize_password(password).encode("utf-8", "surrogatepass")).hexdigest()


def _salt(text: str) -> str:
    """The salt of a hash that was made here; empty for others."""
    kind, _, rest = text.partition("$")
    return rest.rpartition("$")[0] if kind == "memory" else ""

"""A hasher whose work waits until the test releases it."""

import asyncio
import threading
from typing import Literal

from argon2 import PasswordHasher

from adapters.passwords.argon2_hasher import Argon2Hasher


class HashGate(PasswordHasher):
    """`threads` has one entry for each hash: the thread that computed it."""

    __slots__ = ("_begun", "free", "hashers", "threads")

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=64, parallelism=1)
        self._begun, self.free = threading.Semaphore(0), threading.Event()
        self.threads: list[threading.Thread] = []
        self.hashers: list[Argon2Hasher] = []

    def hasher(self, *, threads: int = 1, deadline: float = 60, queue: int | None = 64) -> Argon2Hasher:
        hasher = Argon2Hasher(threads=threads, deadline=deadline, queue=queue, memory=64, passes=1)
        hasher._argon2 = self
        self.hashers.append(hasher)
        return hasher

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        self.threads.append(threading.current_thread())
        self._begun.release()
        assert self.free.wait(10)
        return super().verify(hash, password)

    async def begun(self) -> None:
        """Wait until one more hash has begun."""
        assert await asyncio.to_thread(self._begun.acquire, timeout=10)

"""Passwords as argon2id (RFC 9106), on threads of their own; what others made is understood, and to be replaced."""

import asyncio
import base64
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import partial
from hmac import compare_digest
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from adapters.caller import current_caller
from adapters.passwords.fair_threads import FairThreads, NoRoom
from adapters.passwords.foreign_hash import Foreign
from adapters.passwords.foreign_schemes import foreign
from adapters.passwords.hashing_threads import cancel_when_hung_up, is_cancelled, lower_priority
from adapters.passwords.same_salt import alike, place_of, salt_of
from adapters.passwords.stored_hash import Kept, wrapped
from application.ports import Hasher, Verdict
from domain.password import normal
from domain.refusals import Code, Refusal

T = TypeVar("T")

QUEUE, DEADLINE = 64, 2.0
"""Jobs that wait for each thread at most, and the seconds until one begins or is refused."""

EXPENSIVE = 2**18
"""The price (`Kept.price`) above which a foreign hash is verified apart from the others: seven times that of our own
hashes by default, a tenth of a second. So bcrypt from cost 12 and PBKDF2 above 262,144 iterations are expensive."""

_UNUSABLE = "!"
"""In front of what Django, like Unix before it, keeps for a user without a password."""


class Argon2Hasher(Hasher):
    """For asyncio. `threads` hashes run at a time, at a low priority, so that the event loop keeps its share of the
    processors. Callers are served in turn by the site that they come from, so that no network can keep the others
    waiting. A job that no thread has begun after `deadline` seconds is taken back and refused as `overloaded`, and so
    is one too many in a queue of `queue`. Sizes are in KiB of memory and bytes of salt and tag.

    A hash that another system made expensive is verified on threads of their own, at the lowest priority: guesses at
    such accounts must not stop the logins of the others.
    """

    def __init__(
        self,
        *,
        threads: int,
        deadline: float = DEADLINE,
        queue: int | None = None,
        memory: int = 19_456,
        passes: int = 2,
        lanes: int = 1,
        salt_size: int = 16,
        tag_size: int = 32,
    ) -> None:
        self._argon2 = PasswordHasher(
            memory_cost=memory, time_cost=passes, parallelism=lanes, salt_len=salt_size, hash_len=tag_size
        )
        # Random bytes in the place of a tag: nothing fits it, and finding that out costs what it always costs.
        salt, tag = (base64.b64encode(os.urandom(size)).rstrip(b"=").decode() for size in (salt_size, tag_size))
        self._decoy = f"$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${tag}"
        self._ours = self._decoy.rpartition("$")[0].rpartition("$")[0] + "$"
        self._threads = threads
        room = QUEUE * threads if queue is None else queue
        self._pool = FairThreads(threads, queue=room, name="hasher", initializer=partial(lower_priority, 10))
        self._expensive = FairThreads(
            max(1, threads - 1), queue=room, name="expensive-hasher", initializer=partial(lower_priority, 19)
        )
        self._deadline = deadline

    async def hash(self, password: str, *, like: str | None = None) -> str:
        salt = salt_of(like) if like is not None and like.startswith(self._ours) else None
        return await self._run(lambda: self._argon2.hash(_encoded(normal(password)), salt=salt), self._pool)

    async def verify(self, password: str, password_hash: str | None, *others: str) -> Verdict:
        """A hash that is not known never fits, and costs as much as a wrong password."""
        if password_hash is not None and others and not self.knows(password_hash):
            found = await self.verify(password, *others)
            return replace(found, place=found.place + 1)
        rivals = alike(password_hash, others) if password_hash and password_hash.startswith(self._ours) else ()
        if password_hash is not None and rivals:
            return await self._run(partial(self._judge_all, password, password_hash, rivals), self._pool)
        pool = self._expensive if self._is_expensive(password_hash) else self._pool
        return await self._run(partial(self._judge, password, password_hash), pool)

    async def adopt(self, password_hashes: Sequence[str]) -> list[str | None]:
        """Only as many are made at a time as there are threads, and without a deadline: an import can wait."""
        adopted = [_adopted(text) for text in password_hashes]
        weak = [(place, found) for place, found in enumerate(adopted) if isinstance(found, Foreign)]
        for start in range(0, len(weak), self._threads):
            batch = weak[start : start + self._threads]
            jobs = [self._submit(partial(self._argon2.hash, found.tag), self._pool) for _, found in batch]
            made = await asyncio.gather(*map(asyncio.wrap_future, jobs))
            for (place, found), argon2id in zip(batch, made, strict=True):
                adopted[place] = wrapped(found, argon2id)
        return [None if isinstance(kept, Foreign) else kept for kept in adopted]

    def knows(self, password_hash: str) -> bool:
        """Whether a password can be verified against such a hash, at a price that is bearable."""
        return Kept.read(password_hash) is not None

    def load(self) -> tuple[int, int]:
        """How many jobs run, and how many wait, at this moment."""
        loads = self._pool.load(), self._expensive.load()
        return sum(running for running, _ in loads), sum(waiting for _, waiting in loads)

    def close(self) -> None:
        """Waits for the hashes that have begun; those that wait are refused."""
        self._pool.close()
        self._expensive.close()

    async def _run(self, job: Callable[[], T], pool: FairThreads) -> T:
        started = self._submit(job, pool)
        # Only a job that waits can be cancelled; one that has begun costs its time anyhow, so its result is awaited.
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._deadline, started.cancel)
        watching = loop.create_task(cancel_when_hung_up(started))
        try:
            return await asyncio.wrap_future(started)  # whose caller, if cancelled, takes the job back as well
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            raise _overloaded() from None
        finally:
            timer.cancel()
            watching.cancel()

    def _submit(self, job: Callable[[], T], pool: FairThreads) -> Future[T]:
        caller = current_caller()
        try:
            return pool.submit("" if caller is None else caller.site, job)
        except NoRoom:
            raise _overloaded() from None

    def _is_expensive(self, password_hash: str | None) -> bool:
        if password_hash is None or password_hash.startswith(self._ours):
            return False
        kept = Kept.read(password_hash)
        return kept is not None and kept.price > EXPENSIVE

    def _judge(self, password: str, password_hash: str | None) -> Verdict:
        kept = Kept.read(password_hash or "")
        composed = normal(password)
        if kept is None:
            self._work_for_nothing(_encoded(composed))
            return Verdict(fits=False)
        # One hash for one password, whatever its form. Ours are of the normal form; others hashed what was typed.
        text = composed if kept.bare else kept.spelling(password)
        if self._fits(_encoded(text), kept):
            return Verdict(fits=True, outdated=text != composed or self._is_old(kept))
        return Verdict(fits=False)

    def _judge_all(self, password: str, password_hash: str, rivals: Sequence[tuple[int, str]]) -> Verdict:
        place = place_of(_encoded(normal(password)), password_hash, rivals)
        return Verdict(fits=False) if place is None else Verdict(fits=True, place=place)

    def _fits(self, secret: bytes, kept: Kept) -> bool:
        try:
            digest = kept.digest(secret)
            return (
                compare_digest(digest, kept.tag) if kept.argon2 is None else self._argon2.verify(kept.argon2, digest)
            )
        except VerifyMismatchError:
            return False
        except (VerificationError, InvalidHashError, ValueError):
            self._work_for_nothing(secret)
            return False

    def _work_for_nothing(self, secret: bytes) -> None:
        """What cannot be judged costs what a wrong password costs."""
        with suppress(VerificationError):
            self._argon2.verify(self._decoy, secret)

    def _is_old(self, kept: Kept) -> bool:
        return kept.argon2 is None or not kept.bare or self._argon2.check_needs_rehash(kept.argon2)


def _adopted(text: str) -> str | Foreign | None:
    """As it may be kept, or a weak one that has to be wrapped first; None where nothing could ever fit it."""
    if not text or text.startswith(_UNUSABLE):
        return ""
    return foreign(text) if Kept.read(text) is None else text


def _encoded(password: str) -> bytes:
    # A lone surrogate has no UTF-8 of its own; it gets bytes that no other text has, rather than an exception.
    return password.encode("utf-8", "surrogatepass")


def _overloaded() -> Refusal:
    return Refusal(Code.OVERLOADED, "Too many logins at the moment. Try again later.", retry_after=1)

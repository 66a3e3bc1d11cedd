"""The I/O around the lease machine: carries out its actions, and answers and publishes under its leases."""

import asyncio
import contextlib
import logging
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import assert_never
from uuid import UUID

from redis.exceptions import RedisError

from adapters.batching import Batcher
from adapters.redis.blocklist.commands import BlocklistCommands
from adapters.redis.blocklist.lease import LeaseState, Timing, advance, distrust, publish_delay
from adapters.redis.blocklist.messages import (
    Action,
    Backfill,
    Backfilled,
    ClockRead,
    ConfirmPrimary,
    CopyPending,
    Event,
    Extend,
    Extended,
    MarkPublished,
    Observe,
    PendingCopied,
    PrimaryConfirmed,
    PrimaryRead,
    Promote,
    Promoted,
    Published,
    ReadClock,
    ReadPrimary,
    Started,
    Step,
    Stop,
)
from adapters.redis.clients import COMMAND_TIMEOUT
from adapters.revocations import Blocklist, RevocationStore

log = logging.getLogger(__name__)


class RedisBlocklist(Blocklist):
    """`horizon` is longer than the lifetime of any token, and the same for all processes that share a Redis. `lease`,
    `deadline` (of a command) and `reelection_delay` are seconds. `renew` has to be called several times a second."""

    def __init__(
        self,
        url: str,
        *,
        store: RevocationStore,
        horizon: timedelta,
        lease: float = 1.0,
        deadline: float = COMMAND_TIMEOUT,
        reelection_delay: float = 10.0,
    ) -> None:
        self._store = store
        self._horizon = horizon
        self._state = LeaseState(Timing(lease, margin=deadline, reelection_delay=reelection_delay))
        self._warned = False
        self._commands = BlocklistCommands(url, timeout=deadline, lifetime=horizon, on_connect=self._distrust)
        # A caller may be cancelled at any time; a command on the shared connection must not be.
        self._read = Batcher(self._read_batch)
        self._write = Batcher(self._commands.write)
        self._renew = Batcher(self._renew_once)
        self._ping = Batcher(self._ping_once)

    async def min_generations(self, sessions: Collection[UUID]) -> Mapping[UUID, int] | None:
        revoked = None if self._state.trusted is None else await self._read(sessions)
        return None if revoked is None else {session: revoked[session] for session in sessions if session in revoked}

    async def publish(self, min_generations: Mapping[UUID, int]) -> None:
        now = asyncio.get_running_loop().time
        started = now()
        while True:
            under_lease = False
            with contextlib.suppress(RedisError, OSError):
                under_lease = await self._write(min_generations.items())
            delay = publish_delay(self._state.timing, started=started, under_lease=under_lease, now=now())
            if delay is None:
                return
            await asyncio.sleep(delay)

    async def renew(self) -> None:
        """See that the copy is complete, and extend the lease. Raises nothing but `unavailable`."""
        await self._renew(())

    async def is_healthy(self) -> bool:
        """True if Redis answers and is trusted."""
        with contextlib.suppress(RedisError, OSError):
            return await self._ping(()) and self._state.trusted is not None
        return False

    async def close(self) -> None:
        for batcher in (self._renew, self._read, self._write, self._ping):
            await batcher.drain()
        await self._commands.close()

    def _distrust(self) -> None:
        self._state = distrust(self._state)

    def _advance(self, event: Event) -> Action:
        self._state, action = advance(self._state, event, asyncio.get_running_loop().time())
        return action

    async def _renew_once(self, _: Collection[None]) -> None:
        action = self._advance(Started())
        try:
            while not isinstance(action, Stop):
                action = self._advance(await self._perform(action))
            if action.reconnect:
                await self._commands.reconnect()
        except (RedisError, OSError) as error:
            self._distrust()
            action = Stop(str(error) or type(error).__name__)
        self._report(action.problem)

    async def _perform(self, step: Step) -> Event:
        match step:
            case Observe(renewal):
                return await self._commands.observe(renewal)
            case ReadPrimary():
                return PrimaryRead(await self._store.primary())
            case Promote(run_id, after):
                await self._store.promote(run_id, after=after)
                return Promoted(await self._store.primary())
            case Backfill():
                await self._commands.write((await self._store.revoked(within=self._horizon)).items())
                return Backfilled()
            case ReadClock():
                return ClockRead(await self._commands.clock())
            case CopyPending():
                pending = await self._store.pending()
                await self._commands.write(pending.items())
                return PendingCopied(pending)
            case ConfirmPrimary():
                return PrimaryConfirmed(await self._store.primary())
            case Extend():
                return Extended(await self._commands.extend(step))
            case MarkPublished(pending):
                await self._store.mark_published(pending)
                return Published()
            case _:
                assert_never(step)

    def _report(self, problem: str | None) -> None:
        """Log a change once; waiting for a former primary's lease is expected and not logged."""
        if problem is None:
            if self._warned:
                log.warning("blocklist_trusted")
            self._warned = False
        elif not self._warned and asyncio.get_running_loop().time() >= self._state.safe_after:
            log.warning("blocklist_untrusted: every request is checked against PostgreSQL: %s", problem)
            self._warned = True

    async def _read_batch(self, sessions: Collection[UUID]) -> Mapping[UUID, int] | None:
        try:
            lease, revoked = await self._commands.read(sessions)
        except (RedisError, OSError, ValueError):
            self._distrust()
            return None
        return revoked if self._state.trusts(lease) else None

    async def _ping_once(self, _: Collection[None]) -> bool:
        return await self._commands.ping()

"""Beside the postman, in the same process: what is over is cleared away, at a quiet pace."""

import asyncio
from contextlib import suppress
from random import SystemRandom

import structlog
from dramatiq.middleware import Middleware

from application.keep_house import START, KeepHouse
from domain.refusals import Refusal
from entrypoints.worker_loop import worker_loop

PACE, REST, TROUBLE = 1.0, 3600.0, 30.0
"""Seconds between two batches, between two rounds, and after something went wrong; half of it at least."""

log = structlog.get_logger(__name__)
_jitter = SystemRandom()


class Housekeeper(Middleware):
    """Comes before the postman, who waits for all on the loop when the process stops: so this one is told first."""

    def __init__(self, keep: KeepHouse, *, pace: float = PACE, rest: float = REST, trouble: float = TROUBLE) -> None:
        self._keep = keep
        self._pace, self._rest, self._trouble = pace, rest, trouble
        self._stopping = asyncio.Event()

    def after_worker_boot(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.work(), worker_loop())

    def before_worker_shutdown(self, *_: object) -> None:
        worker_loop().call_soon_threadsafe(self.stop)

    def stop(self) -> None:
        self._stopping.set()

    async def work(self) -> None:
        """Round after round, until told to stop. Nothing that goes wrong ends it: the same batch comes again."""
        spot, removed, failing = START, 0, False
        while not self._stopping.is_set():
            try:
                count, following = await self._keep(spot)
            except Exception as problem:
                # Once an outage, and without its text, which may name addresses.
                if not failing:
                    name = problem.code if isinstance(problem, Refusal) else type(problem).__name__
                    log.error("purge_failed", kind=spot.kind, problem=name)
                failing = True
                await self._pause(self._trouble)
                continue
            removed, failing = removed + count, False
            if following is None and removed:
                log.info("rows_purged", removed=removed)
                removed = 0
            await self._pause(self._rest if following is None else self._pace)
            spot = following or START

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds * _jitter.uniform(0.5, 1.0))

"""Rate limiter in the memory of one process: the fallback while Redis is not available."""

import itertools
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from application.ports import Clock, RateLimiter, Reservation
from domain.rate_limits import RATES, Bucket, Limit, Rate
from domain.refusals import rate_limited

_Log = OrderedDict[str, datetime]
"""The attempts of one bucket by the ids of their reservations, oldest first."""


class MemoryRateLimiter(RateLimiter):
    """Each of `processes` admits its share of a limit, at least one attempt. At most `most` attempts are stored;
    beyond that, the least recently used bucket is dropped."""

    def __init__(
        self,
        *,
        clock: Clock,
        rates: Mapping[Limit, tuple[Rate, ...]] = RATES,
        processes: int = 1,
        most: int = 50_000,
    ) -> None:
        self._clock = clock
        self._rates = {
            limit: tuple(replace(rate, times=max(1, rate.times // processes)) for rate in some)
            for limit, some in rates.items()
        }
        self._most = most
        self._logs: OrderedDict[Bucket, _Log] = OrderedDict()
        self._stored = 0
        self._ids = itertools.count()

    async def acquire(self, *buckets: Bucket) -> Reservation:
        now = self._clock()
        waits = [(self._wait(bucket, now), bucket.limit) for bucket in buckets]
        wait, limit = max(waits, key=lambda wait_and_limit: wait_and_limit[0])
        if wait:
            raise rate_limited(wait, reason=limit)
        reservation = Reservation(buckets, str(next(self._ids)))
        for bucket in buckets:
            log = self._logs.setdefault(bucket, _Log())
            self._stored += reservation.id not in log
            log[reservation.id] = now
            self._logs.move_to_end(bucket)
        while self._stored > self._most:
            self._stored -= len(self._logs.popitem(last=False)[1])
        return reservation

    async def cancel(self, reservation: Reservation) -> None:
        for bucket in reservation.buckets:
            if reservation.id in (log := self._logs.get(bucket, _Log())):
                del log[reservation.id]
                self._stored -= 1
            self._drop_empty(bucket)

    async def reset(self, *buckets: Bucket) -> None:
        for bucket in buckets:
            self._stored -= len(self._logs.pop(bucket, _Log()))

    def _wait(self, bucket: Bucket, now: datetime) -> timedelta:
        """Time until the bucket has room."""
        rates, log = self._rates[bucket.limit], self._logs.get(bucket, _Log())
        self._drop_expired(log, now - max(rate.per for rate in rates), now)
        self._drop_empty(bucket)
        full = [list(log.values())[-rate.times] + rate.per - now for rate in rates if len(log) >= rate.times]
        return max([timedelta(0), *full])

    def _drop_expired(self, log: _Log, begin: datetime, now: datetime) -> None:
        """Attempts are ordered by time. Those in the future were counted before the clock was set back."""
        size = len(log)
        while log and next(iter(log.values())) <= begin:
            log.popitem(last=False)
        while log and next(reversed(log.values())) > now:
            log.popitem()
        self._stored -= size - len(log)

    def _drop_empty(self, bucket: Bucket) -> None:
        if not self._logs.get(bucket, True):
            del self._logs[bucket]

"""Rate limiter in the memory of one process: the fallback while Redis is not available."""

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from application.ports import Clock, Limits, Receipt
from domain.limits import RATES, Bucket, Limit, Rate
from domain.refusals import rate_limited


class MemoryRateLimiter(Limits):
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
        self._logs: OrderedDict[Bucket, dict[str, datetime]] = OrderedDict()
        self._remembered = 0

    async def spend(self, *buckets: Bucket) -> Receipt:
        now = self._clock()
        waits = [(self._wait(bucket, now), bucket.limit) for bucket in buckets]
        wait, limit = max(waits, key=lambda found: found[0])
        if wait:
            raise rate_limited(wait, reason=limit)
        receipt = Receipt(buckets, secrets.token_hex(8))
        for bucket in buckets:
            log = self._logs.setdefault(bucket, {})
            self._remembered += receipt.mark not in log
            log[receipt.mark] = now
            self._logs.move_to_end(bucket)
        while self._remembered > self._most:
            self._remembered -= len(self._logs.popitem(last=False)[1])
        return receipt

    async def refund(self, receipt: Receipt) -> None:
        for bucket in receipt.buckets:
            log = self._logs.get(bucket, {})
            self._keep(bucket, {mark: at for mark, at in log.items() if mark != receipt.mark})

    async def forget(self, *buckets: Bucket) -> None:
        for bucket in buckets:
            self._keep(bucket, {})

    def _wait(self, bucket: Bucket, now: datetime) -> timedelta:
        """Time until the bucket has room. Attempts in the future were counted before the clock was set back."""
        rates, log = self._rates[bucket.limit], self._logs.get(bucket, {})
        begin = now - max(rate.per for rate in rates)
        self._keep(bucket, {mark: at for mark, at in log.items() if begin < at <= now})
        times = list(self._logs.get(bucket, {}).values())
        full = [times[-rate.times] + rate.per - now for rate in rates if len(times) >= rate.times]
        return max([timedelta(0), *full])

    def _keep(self, bucket: Bucket, log: dict[str, datetime]) -> None:
        self._remembered += len(log) - len(self._logs.get(bucket, {}))
        if log:
            self._logs[bucket] = log
        else:
            self._logs.pop(bucket, None)

"""A rate limiter that admits everything: for load tests, never in production."""

from application.ports import Limits, Receipt
from domain.rate_limits import Bucket


class NoLimits(Limits):
    async def spend(self, *buckets: Bucket) -> Receipt:
        return Receipt(buckets, "")

    async def refund(self, receipt: Receipt) -> None:
        pass

    async def forget(self, *buckets: Bucket) -> None:
        pass

    async def close(self) -> None:
        pass

"""A rate limiter that admits everything: for load tests, never in production."""

from application.ports import RateLimiter, Reservation
from domain.rate_limits import Bucket


class NoRateLimiter(RateLimiter):
    async def acquire(self, *buckets: Bucket) -> Reservation:
        return Reservation(buckets, "")

    async def cancel(self, reservation: Reservation) -> None:
        pass

    async def reset(self, *buckets: Bucket) -> None:
        pass

    async def close(self) -> None:
        pass

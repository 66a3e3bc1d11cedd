"""Rate limit that counts failures only."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from application.ports import RateLimiter
from domain.rate_limits import Bucket
from domain.refusals import ErrorCode, Refusal

BAD_LINK = frozenset({ErrorCode.LINK_INVALID, ErrorCode.LINK_EXPIRED})


@asynccontextmanager
async def count_failures(
    rate_limiter: RateLimiter, bucket: Bucket, failures: Collection[ErrorCode]
) -> AsyncIterator[None]:
    """Count a failure after it happened, or raise `rate_limited` instead of it. A success is neither counted nor
    refused. Use this only for secrets that cannot be guessed and are cheap to check."""
    try:
        yield
    except Refusal as refusal:
        if refusal.code in failures:
            await rate_limiter.acquire(bucket)
        raise

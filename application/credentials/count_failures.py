"""Attempts of which only the failures count."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from application.ports import Limits
from domain.limits import Bucket
from domain.refusals import ErrorCode, Refusal

BAD_LINK = frozenset({ErrorCode.LINK_INVALID, ErrorCode.LINK_EXPIRED})


@asynccontextmanager
async def count_failures(limits: Limits, bucket: Bucket, failures: Collection[ErrorCode]) -> AsyncIterator[None]:
    """A failure is counted after it happened; one too many raises `rate_limited`. Successes are not counted and never
    refused, whatever others have sent. So use it only for secrets that cannot be guessed and fail cheaply."""
    try:
        yield
    except Refusal as refusal:
        if refusal.code in failures:
            await limits.spend(bucket)
        raise

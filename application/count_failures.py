"""Attempts of which only the failures count: each is counted when it begins, so that many at once are no way around,
and given back unless it failed."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from application.ports import Limits
from domain.limits import Bucket
from domain.refusals import Code, Refusal

BAD_LINK = frozenset({Code.LINK_INVALID, Code.LINK_EXPIRED})


@asynccontextmanager
async def count_failures(limits: Limits, bucket: Bucket, failures: Collection[Code]) -> AsyncIterator[None]:
    """Raises `rate_limited` before anything is done. An attempt that is broken off stays counted."""
    receipt = await limits.spend(bucket)
    try:
        yield
    except Refusal as refusal:
        if refusal.code not in failures:
            await limits.refund(receipt)
        raise
    await limits.refund(receipt)

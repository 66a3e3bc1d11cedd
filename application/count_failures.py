"""Attempts of which only the failures count."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from application.ports import Limits
from domain.limits import Bucket
from domain.refusals import Code, Refusal

BAD_LINK = frozenset({Code.LINK_INVALID, Code.LINK_EXPIRED})


@asynccontextmanager
async def count_failures(limits: Limits, bucket: Bucket, failures: Collection[Code]) -> AsyncIterator[None]:
    """A failure is counted when it has happened, and one too many is answered by `rate_limited`. What succeeds is not
    counted and never refused, whatever others have sent. So it is only for what nobody can guess, where a failure is
    cheap."""
    try:
        yield
    except Refusal as refusal:
        if refusal.code in failures:
            await limits.spend(bucket)
        raise

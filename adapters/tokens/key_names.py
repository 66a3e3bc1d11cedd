"""The order of signing keys by file name. Copies, restores, git and kubelet change the times of files."""

import re
from datetime import UTC, datetime, timedelta

Order = tuple[bool, datetime, list[str | int]]

_DATE = re.compile(
    r"(?<![0-9])(2[0-9]{3})[-_.]?(0[1-9]|1[0-2])"
    r"(?:[-_.]?(0[1-9]|[12][0-9]|3[01])"
    r"(?:[T_ .-]?([01][0-9]|2[0-3])[-:_.]?([0-5][0-9])(?:[-:_.]?([0-5][0-9])(?:\.([0-9]{1,6}))?)?)?)?(?![0-9])"
)
_NO_DATE = datetime.min.replace(tzinfo=UTC)


def order(name: str) -> Order:
    """A sort key from oldest to newest. Names with a date (at least year and month) come after all others; numbers
    compare as numbers."""
    date = dated(name)
    parts = [int(part) if at % 2 else part for at, part in enumerate(re.split(r"([0-9]+)", name))]
    return date is not None, date or _NO_DATE, parts


def dated(name: str) -> datetime | None:
    """The first date in a name."""
    match = _DATE.search(name)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    try:
        return datetime(year, month, day or 1, hour, minute, second, int((match[7] or "").ljust(6, "0")), UTC)
    except ValueError:  # this month has no such day
        return datetime(year, month, 1, tzinfo=UTC)


def next_name(now: datetime, newest: str | None, kid: str) -> str:
    """A name for a new key that sorts after the newest, even if the clock was set back."""
    last = None if newest is None else dated(newest)
    at = now if last is None else max(now, last + timedelta(microseconds=1))
    return f"{at:%Y%m%dT%H%M%S.%fZ}-{kid}.pem"

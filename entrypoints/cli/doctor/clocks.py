"""Whether two clocks show the same time."""

from datetime import datetime, timedelta

from entrypoints.cli.doctor.findings import Finding

PART = "clock"
WARN_FROM, ERROR_FROM = timedelta(seconds=1), timedelta(seconds=30)
"""Differences that are a warning and an error: tokens of a clock that is further ahead are refused."""


def compare_clocks(name: str, server_time: datetime, *, sent_at: datetime, received_at: datetime) -> Finding:
    """The other clock was read at some time between request and response, so only a larger difference is certain."""
    difference = max(timedelta(), sent_at - server_time, server_time - received_at)
    seconds = f"{difference.total_seconds():.1f} s"
    if difference > WARN_FROM:
        direction = "behind" if server_time > received_at else "ahead of"
        make = Finding.error if difference > ERROR_FROM else Finding.warning
        return make(PART, f"this machine is {seconds} {direction} {name}: synchronise both with a time server (NTP)")
    return Finding.ok(PART, f"this machine and {name} have the same time")

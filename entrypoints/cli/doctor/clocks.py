"""Whether two clocks show the same time."""

from datetime import datetime, timedelta

from entrypoints.cli.doctor.findings import Finding

PART = "clock"
WARN_FROM, ERROR_FROM = timedelta(seconds=1), timedelta(seconds=30)
"""A token may come from thirty seconds ahead at most."""


def compare_clocks(name: str, server_time: datetime, *, sent_at: datetime, received_at: datetime) -> Finding:
    """Theirs was read at some time between the question and the answer; beyond that, they differ."""
    difference = max(timedelta(), sent_at - server_time, server_time - received_at)
    seconds = f"{difference.total_seconds():.1f} s"
    if difference > WARN_FROM:
        direction = "behind" if server_time > received_at else "ahead of"
        make = Finding.error if difference > ERROR_FROM else Finding.warning
        return make(PART, f"this machine is {seconds} {direction} {name}: synchronise both with a time server (NTP)")
    return Finding.ok(PART, f"this machine and {name} have the same time")

"""Whether two clocks show the same time."""

from datetime import datetime, timedelta

from entrypoints.cli.doctor.findings import Finding

PART = "clock"
WARN_FROM, ERROR_FROM = timedelta(seconds=1), timedelta(seconds=30)
"""A token may come from thirty seconds ahead at most."""


def compare(name: str, theirs: datetime, *, asked: datetime, answered: datetime) -> Finding:
    """Theirs was read at some time between the question and the answer; beyond that, they differ."""
    apart = max(timedelta(), asked - theirs, theirs - answered)
    seconds = f"{apart.total_seconds():.1f} s"
    if apart > WARN_FROM:
        way = "behind" if theirs > answered else "ahead of"
        make = Finding.error if apart > ERROR_FROM else Finding.warning
        return make(PART, f"this machine is {seconds} {way} {name}: synchronise both with a time server (NTP)")
    return Finding.ok(PART, f"this machine and {name} have the same time")

"""When mails are sent: the order of due mails, and the delays after failed attempts."""

from datetime import timedelta

NOTICE_DELAY = timedelta(hours=1)
"""How much later the turn of a notice is, so that mails for which a person waits are sent first. It has no effect
while no other mail is due."""

LANE_PACE = timedelta(seconds=1)
"""The distance between the turns of two mails of one lane. It orders due mails and delays none: a mail of another
lane is sent before all but the first of a burst."""


def retry_delay(attempts: int) -> timedelta:
    """How long to wait after the nth failed attempt: 5 s, doubling up to 5 minutes."""
    return min(timedelta(seconds=5 * 2 ** min(attempts - 1, 10)), timedelta(minutes=5))


def unanswered_delay(age: timedelta) -> timedelta:
    """How long to wait before sending a mail again that may have been delivered: as long as its age, but at least 15
    minutes and at most 6 hours."""
    return max(timedelta(minutes=15), min(age, timedelta(hours=6)))

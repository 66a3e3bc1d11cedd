"""A worker that stops releases mails that it has not begun, even if the SMTP server does not answer."""

import time

from entrypoints.worker.outbox_worker import CONCURRENCY, SHUTDOWN_GRACE
from tests.support.fault_stack import Stack
from tests.support.service import eventually, unique_email
from tests.support.smtp_servers import STALL

SOON = 20.0
"""Seconds within which another worker has sent the released mails; the end of a lease would take fifty."""

HELD = "SELECT count(*) FROM mails WHERE outcome IS NULL AND due_at > now() AND attempts > 0"


def leased_count(stack: Stack) -> int:
    """The number of mails that a worker has leased and not settled."""
    number: int = stack.sql(HELD)[0][0]
    return number


def queue_mails(stack: Stack, who: str, number: int) -> list[str]:
    emails = [unique_email(who) for _ in range(number)]
    stack.queue_mails(*emails)
    return emails


def test_mails_of_a_stopped_worker_are_sent_by_another(stack: Stack) -> None:
    emails = queue_mails(stack, "slow", 1000)
    stack.smtp.pace = 0.02
    stack.add_worker()
    # It was fast, so it leases more than it can send at a time.
    eventually(lambda: leased_count(stack) > 6 * CONCURRENCY)
    stack.smtp.pace = 1.0
    eventually(lambda: leased_count(stack) > 2 * CONCURRENCY)
    taken = len(stack.smtp.accepted)
    stack.stop_workers()
    assert len(stack.smtp.accepted) - taken <= CONCURRENCY, "it began other mails after the stop"
    stack.smtp.reset()
    stack.add_worker()
    eventually(lambda: stack.pending_mails() == 0, within=SOON)
    assert [stack.smtp.seen()[email] for email in emails] == [1] * len(emails)
    stack.stop_workers()


def test_mails_of_a_stopped_worker_are_released_despite_a_stalled_server(stack: Stack) -> None:
    stack.smtp.answers = {"stalled": STALL}
    emails = queue_mails(stack, "quick", 150) + queue_mails(stack, "stalled", 150)
    stack.add_worker()
    eventually(
        lambda: len([email for email in list(stack.smtp.attempted) if email.startswith("stalled")]) == CONCURRENCY
    )
    assert leased_count(stack) > CONCURRENCY
    began = time.monotonic()
    stack.stop_workers()
    assert time.monotonic() - began < SHUTDOWN_GRACE + 5
    assert leased_count(stack) <= CONCURRENCY, "mails that were not begun stay leased"
    # Whether the server has the mails that were begun is unknown; they wait for the end of their leases.
    stack.smtp.reset()
    begun = leased_count(stack)
    stack.add_worker()
    eventually(lambda: stack.pending_mails() <= begun, within=SOON)
    stack.sql("UPDATE mails SET due_at = now() WHERE outcome IS NULL")
    eventually(lambda: stack.pending_mails() == 0, within=SOON)
    assert [stack.smtp.seen()[email] for email in emails] == [1] * len(emails)
    stack.stop_workers()

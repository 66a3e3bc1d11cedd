"""A worker that is asked to stop hands on at once what it has not begun, even where the server does not answer."""

import time

from entrypoints.worker.outbox_worker import CONCURRENCY, SHUTDOWN_GRACE
from tests.support.fault_stack import Stack
from tests.support.service import eventually, unique_email
from tests.support.smtp_servers import STALL

SOON = 20.0
"""Seconds within which somebody else has sent what was handed on; a lease would take fifty."""

HELD = "SELECT count(*) FROM mails WHERE outcome IS NULL AND due_at > now() AND attempts > 0"


def held(stack: Stack) -> int:
    """How many mails a worker has taken that it is not done with."""
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
    eventually(lambda: held(stack) > 6 * CONCURRENCY)  # it was fast, and takes more than it can send at once
    stack.smtp.pace = 1.0
    eventually(lambda: held(stack) > 2 * CONCURRENCY)
    taken = len(stack.smtp.accepted)
    stack.stop_workers()
    assert len(stack.smtp.accepted) - taken <= CONCURRENCY, "it has begun others after it was told to stop"
    stack.smtp.reset()
    stack.add_worker()
    eventually(lambda: stack.pending_mails() == 0, within=SOON)
    assert [stack.smtp.seen()[email] for email in emails] == [1] * len(emails)
    stack.stop_workers()


def test_mails_of_a_stopped_worker_are_handed_on_despite_a_stall(stack: Stack) -> None:
    stack.smtp.answers = {"stalled": STALL}
    emails = queue_mails(stack, "quick", 150) + queue_mails(stack, "stalled", 150)
    stack.add_worker()
    eventually(
        lambda: len([email for email in list(stack.smtp.attempted) if email.startswith("stalled")]) == CONCURRENCY
    )
    assert held(stack) > CONCURRENCY
    began = time.monotonic()
    stack.stop_workers()
    assert time.monotonic() - began < SHUTDOWN_GRACE + 5
    assert held(stack) <= CONCURRENCY, "what was not begun is held until its lease ends"
    # Of those that were begun nobody knows whether the server has them; they wait for the end of their leases.
    stack.smtp.reset()
    begun = held(stack)
    stack.add_worker()
    eventually(lambda: stack.pending_mails() <= begun, within=SOON)
    stack.sql("UPDATE mails SET due_at = now() WHERE outcome IS NULL")
    eventually(lambda: stack.pending_mails() == 0, within=SOON)
    assert [stack.smtp.seen()[email] for email in emails] == [1] * len(emails)
    stack.stop_workers()

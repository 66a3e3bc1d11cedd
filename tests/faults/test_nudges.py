"""Notifications to workers may be repeated, duplicated or lost: each mail is sent once."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import UUID

import httpx
from dramatiq import Message

from adapters.redis.dramatiq_queue import ACTOR, QUEUE, make_broker
from tests.support.fault_stack import Stack
from tests.support.service import eventually, unique_email

LOOKED = 10.0
"""Seconds within which workers find mails without a notification."""


def pending_nudges(stack: Stack) -> int:
    """The number of notifications that no worker has processed."""
    return int(stack.redis().hlen(f"latchkey:{QUEUE}.msgs"))


def test_nudge_delivered_five_times_sends_one_mail(stack_with_mail: Stack) -> None:
    emails = [unique_email("often") for _ in range(40)]
    stack_with_mail.smtp.pace = 0.2  # so that a repeated notification arrives during the sending
    stack_with_mail.queue_mails(*emails)
    broker = make_broker(stack_with_mail.valkey.url, deadline=5)
    rows = stack_with_mail.sql("SELECT id FROM mails WHERE recipient = ANY($1)", emails)
    mails: list[UUID] = [id for (id,) in rows]
    for again in range(2):  # while they are being sent, and afterwards
        for mail in mails:
            message = Message[None](queue_name=QUEUE, actor_name=ACTOR, args=(str(mail),), kwargs={}, options={})
            for _ in range(5):
                broker.enqueue(message)
        assert again or stack_with_mail.pending_mails() > 0, "all were sent before the notifications"
        eventually(lambda: stack_with_mail.pending_mails() == 0)
        eventually(lambda: pending_nudges(stack_with_mail) == 0)
    broker.close()
    assert [stack_with_mail.smtp.seen()[email] for email in emails] == [1] * len(emails)


def request_reset(client: httpx.Client, email: str) -> int:
    return client.post("/v1/password/forgot", json={"email": email}).status_code


def test_mails_queued_during_a_redis_outage_arrive(
    stack_with_mail: Stack,
) -> None:
    emails = [stack_with_mail.service.user("unheard") for _ in range(4)]
    stack_with_mail.valkey.kill()
    with ThreadPoolExecutor(8) as crowd:
        responses = list(crowd.map(partial(request_reset, stack_with_mail.client()), emails * 3))
    assert responses == [202] * 12
    eventually(lambda: all(stack_with_mail.smtp.seen()[email] == 3 for email in emails), within=LOOKED)
    stack_with_mail.valkey.start()
    stack_with_mail.wait(within=LOOKED)
    assert request_reset(stack_with_mail.client(), emails[0]) == 202
    eventually(lambda: stack_with_mail.smtp.seen()[emails[0]] == 4, within=LOOKED)
    eventually(lambda: pending_nudges(stack_with_mail) == 0)
    assert set(stack_with_mail.smtp.copies().values()) == {1}

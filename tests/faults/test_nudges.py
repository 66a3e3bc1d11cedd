"""Nudges may come often, to many, or not at all: a mail is sent once."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import UUID

import httpx
from dramatiq import Message

from adapters.redis.dramatiq_queue import ACTOR, QUEUE, make_broker
from tests.support.fault_stack import Stack
from tests.support.service import eventually, unique_email

LOOKED = 10.0
"""Seconds within which workers find by themselves what nobody tells them."""


def unheard(stack: Stack) -> int:
    """How many nudges no worker is done with."""
    return int(stack.redis().hlen(f"latchkey:{QUEUE}.msgs"))


def test_nudge_delivered_five_times_sends_one_mail(stack_with_mail: Stack) -> None:
    emails = [unique_email("often") for _ in range(40)]
    stack_with_mail.smtp.pace = 0.2  # so that the second comes while the first is at it
    stack_with_mail.queue_mails(*emails)
    broker = make_broker(stack_with_mail.valkey.url, deadline=5)
    found = stack_with_mail.sql("SELECT id FROM mails WHERE recipient = ANY($1)", emails)
    mails: list[UUID] = [id for (id,) in found]
    for again in range(2):  # while they are being sent, and when they have been
        for mail in mails:
            message = Message[None](queue_name=QUEUE, actor_name=ACTOR, args=(str(mail),), kwargs={}, options={})
            for _ in range(5):
                broker.enqueue(message)
        assert again or stack_with_mail.pending_mails() > 0, "they were sent before they were told of"
        eventually(lambda: stack_with_mail.pending_mails() == 0)
        eventually(lambda: unheard(stack_with_mail) == 0)
    broker.close()
    assert [stack_with_mail.smtp.seen()[email] for email in emails] == [1] * len(emails)


def ask(client: httpx.Client, email: str) -> int:
    return client.post("/v1/password/forgot", json={"email": email}).status_code


def test_mails_queued_during_a_redis_outage_arrive(
    stack_with_mail: Stack,
) -> None:
    emails = [stack_with_mail.service.user("unheard") for _ in range(4)]
    stack_with_mail.valkey.kill()
    with ThreadPoolExecutor(8) as crowd:
        asked = list(crowd.map(partial(ask, stack_with_mail.client()), emails * 3))
    assert asked == [202] * 12
    eventually(lambda: all(stack_with_mail.smtp.seen()[email] == 3 for email in emails), within=LOOKED)
    stack_with_mail.valkey.start()
    stack_with_mail.wait(within=LOOKED)
    assert ask(stack_with_mail.client(), emails[0]) == 202
    eventually(lambda: stack_with_mail.smtp.seen()[emails[0]] == 4, within=LOOKED)
    eventually(lambda: unheard(stack_with_mail) == 0)
    assert set(stack_with_mail.smtp.copies().values()) == {1}

"""Nudges may come often, to many, or not at all: a mail is sent once."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import UUID

import httpx
from dramatiq import Message

from adapters.redis.dramatiq_queue import ACTOR, QUEUE, make_broker
from tests.support.fault_stack import Stack
from tests.support.service import address, eventually

LOOKED = 10.0
"""Seconds within which workers find by themselves what nobody tells them."""


def unheard(stack: Stack) -> int:
    """How many nudges no worker is done with."""
    return int(stack.redis().hlen(f"latchkey:{QUEUE}.msgs"))


def test_a_nudge_that_is_delivered_five_times_and_to_two_workers_sends_one_mail(mailing: Stack) -> None:
    emails = [address("often") for _ in range(40)]
    mailing.box.pace = 0.2  # so that the second comes while the first is at it
    mailing.owe(*emails)
    broker = make_broker(mailing.valkey.url, deadline=5)
    found = mailing.sql("SELECT id FROM mails WHERE recipient = ANY($1)", emails)
    mails: list[UUID] = [id for (id,) in found]
    for again in range(2):  # while they are being sent, and when they have been
        for mail in mails:
            message = Message[None](queue_name=QUEUE, actor_name=ACTOR, args=(str(mail),), kwargs={}, options={})
            for _ in range(5):
                broker.enqueue(message)
        assert again or mailing.owed() > 0, "they were sent before they were told of"
        eventually(lambda: mailing.owed() == 0)
        eventually(lambda: unheard(mailing) == 0)
    broker.close()
    assert [mailing.box.seen()[email] for email in emails] == [1] * len(emails)


def ask(client: httpx.Client, email: str) -> int:
    return client.post("/v1/password/forgot", json={"email": email}).status_code


def test_mails_that_are_asked_for_while_redis_is_dead_arrive_and_nudges_are_heard_again(mailing: Stack) -> None:
    emails = [mailing.service.user("unheard") for _ in range(4)]
    mailing.valkey.kill()
    with ThreadPoolExecutor(8) as crowd:
        asked = list(crowd.map(partial(ask, mailing.client()), emails * 3))
    assert asked == [202] * 12
    eventually(lambda: all(mailing.box.seen()[email] == 3 for email in emails), within=LOOKED)
    mailing.valkey.start()
    mailing.wait(within=LOOKED)
    assert ask(mailing.client(), emails[0]) == 202
    eventually(lambda: mailing.box.seen()[emails[0]] == 4, within=LOOKED)
    eventually(lambda: unheard(mailing) == 0)
    assert set(mailing.box.copies().values()) == {1}

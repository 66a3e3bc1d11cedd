"""Mail arrives, whatever happens to the worker that was about to send it, or that had just sent it."""

import asyncio
import signal
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.entrypoints.service import PASSWORD, Service, address, eventually, free_port


class Postbox:
    """An SMTP server that keeps what it takes; while it is holding, it answers nobody."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.asked: set[str] = set()
        self.holding = False
        self.controller = Controller(self, hostname="127.0.0.1", port=free_port())

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:
        (recipient,) = envelope.rcpt_tos
        assert isinstance(envelope.content, bytes)
        if not (self.holding and recipient.startswith("before")):
            self.taken.append((recipient, envelope.content))
        self.asked.add(recipient)
        if self.holding:
            await asyncio.sleep(3600)
        return "250 taken"

    def mails(self, recipient: str) -> list[EmailMessage]:
        found = [content for to, content in self.taken if to == recipient]
        return [message_from_bytes(content, policy=policy.default) for content in found]


@pytest.fixture
def postbox() -> Iterator[Postbox]:
    box = Postbox()
    box.controller.start()
    yield box
    box.controller.stop()


@pytest.fixture
def mailing(apart: Service, postbox: Postbox) -> Service:
    """A service whose mail goes by SMTP; no worker runs yet."""
    apart.environ["LATCHKEY_SMTP_URL"] = f"smtp://127.0.0.1:{postbox.controller.port}"
    del apart.environ["LATCHKEY_MAIL_DIR"]
    apart.start_api()
    return apart


def test_a_worker_that_is_killed_before_or_after_sending_loses_no_mail(mailing: Service, postbox: Postbox) -> None:
    before, after = address("before"), address("after")
    postbox.holding = True
    worker = mailing.start_worker()
    client = mailing.client()
    for email in (before, after):
        assert client.post("/v1/register", json={"email": email, "password": PASSWORD}).status_code == 202
    eventually(lambda: {before, after} <= postbox.asked)
    worker.stop(signal.SIGKILL)
    assert (len(postbox.mails(before)), len(postbox.mails(after))) == (0, 1)

    postbox.holding = False
    mailing.start_worker()
    eventually(lambda: postbox.mails(before) and len(postbox.mails(after)) == 2, within=90)
    first, second = postbox.mails(after)
    assert first["message-id"] == second["message-id"]
    assert first.as_bytes() == second.as_bytes()
    assert len(postbox.mails(before)) == 1


def test_mail_waits_for_a_worker_and_arrives_without_any_nudge(mailing: Service, postbox: Postbox) -> None:
    email = address("patient")
    mailing.environ["LATCHKEY_REDIS_URL"] = f"redis://127.0.0.1:{free_port()}/0"
    mailing.client().post("/v1/register", json={"email": email, "password": PASSWORD})
    mailing.start_worker()  # which finds no Redis, and so hears of nothing
    eventually(lambda: postbox.mails(email))
    assert len(postbox.mails(email)) == 1


def test_a_worker_that_is_asked_to_stop_finishes_what_it_sends(mailing: Service, postbox: Postbox) -> None:
    worker = mailing.start_worker()
    client = mailing.client()
    emails = [address(f"some{number}") for number in range(10)]
    for email in emails:
        client.post("/v1/password/forgot", json={"email": mailing.user(email)})
    eventually(lambda: postbox.asked)
    assert worker.stop() == 0
    sent = {email for email in emails if postbox.mails(email)}
    mailing.start_worker()
    eventually(lambda: all(postbox.mails(email) for email in emails))
    assert all(len(postbox.mails(email)) == 1 for email in emails)
    assert sent


def test_no_mail_goes_to_an_address_that_nobody_has(mailing: Service, postbox: Postbox) -> None:
    mailing.start_worker()
    nobody, member = address("nobody"), mailing.user("member")
    client = mailing.client()
    client.post("/v1/password/forgot", json={"email": nobody})
    client.post("/v1/verify/resend", json={"email": nobody})
    client.post("/v1/password/forgot", json={"email": member})
    eventually(lambda: postbox.mails(member))
    assert postbox.mails(nobody) == []

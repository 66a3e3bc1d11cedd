"""Mail arrives, with and without nudges, and through a stop. Workers that are killed: `tests/faults`."""

from collections.abc import Iterator

import pytest

from tests.support.fake_smtp_server import Postbox
from tests.support.fake_smtp_server import postbox as opened
from tests.support.service import PASSWORD, Service, address, eventually, free_port


@pytest.fixture
def postbox() -> Iterator[Postbox]:
    with opened() as box:
        yield box


@pytest.fixture
def mailing(apart: Service, postbox: Postbox) -> Service:
    """A service whose mail goes by SMTP; no worker runs yet."""
    apart.environ["LATCHKEY_SMTP_URL"] = f"smtp://127.0.0.1:{postbox.port}"
    del apart.environ["LATCHKEY_MAIL_DIR"]
    apart.start_api()
    return apart


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

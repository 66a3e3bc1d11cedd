"""Mail is delivered with and without nudges, and across a stop. `tests/faults` kills workers."""

from collections.abc import Iterator

import pytest

from tests.support.fake_smtp_server import FakeSmtpServer
from tests.support.fake_smtp_server import fake_smtp_server as opened
from tests.support.service import PASSWORD, Service, eventually, free_port, unique_email


@pytest.fixture
def smtp_server() -> Iterator[FakeSmtpServer]:
    with opened() as box:
        yield box


@pytest.fixture
def stack_with_mail(isolated_service: Service, smtp_server: FakeSmtpServer) -> Service:
    """A service that sends mail by SMTP; no worker runs yet."""
    isolated_service.environ["LATCHKEY_SMTP_URL"] = f"smtp://127.0.0.1:{smtp_server.port}"
    del isolated_service.environ["LATCHKEY_MAIL_DIR"]
    isolated_service.start_api()
    return isolated_service


def test_queued_mail_is_delivered_without_redis(stack_with_mail: Service, smtp_server: FakeSmtpServer) -> None:
    email = unique_email("patient")
    stack_with_mail.environ["LATCHKEY_REDIS_URL"] = f"redis://127.0.0.1:{free_port()}/0"
    stack_with_mail.client().post("/v1/register", json={"email": email, "password": PASSWORD})
    stack_with_mail.start_worker()  # it finds no Redis, and so gets no nudge
    eventually(lambda: smtp_server.mails(email))
    assert len(smtp_server.mails(email)) == 1


def test_stopped_worker_finishes_what_it_sends(stack_with_mail: Service, smtp_server: FakeSmtpServer) -> None:
    worker = stack_with_mail.start_worker()
    client = stack_with_mail.client()
    emails = [unique_email(f"some{number}") for number in range(10)]
    for email in emails:
        client.post("/v1/password/forgot", json={"email": stack_with_mail.user(email)})
    eventually(lambda: smtp_server.attempted)
    assert worker.stop() == 0
    sent = {email for email in emails if smtp_server.mails(email)}
    stack_with_mail.start_worker()
    eventually(lambda: all(smtp_server.mails(email) for email in emails))
    assert all(len(smtp_server.mails(email)) == 1 for email in emails)
    assert sent


def test_unknown_address_gets_no_mail(stack_with_mail: Service, smtp_server: FakeSmtpServer) -> None:
    stack_with_mail.start_worker()
    unknown, member = unique_email("nobody"), stack_with_mail.user("member")
    client = stack_with_mail.client()
    client.post("/v1/password/forgot", json={"email": unknown})
    client.post("/v1/verify/resend", json={"email": unknown})
    client.post("/v1/password/forgot", json={"email": member})
    eventually(lambda: smtp_server.mails(member))
    assert smtp_server.mails(unknown) == []

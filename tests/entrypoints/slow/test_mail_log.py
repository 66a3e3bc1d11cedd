"""The log of a worker shows an outage of the mail server: its beginning, its end and the number of mails."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from domain.outbox import DeliveryOutcome, MailKind, OutboxMail
from entrypoints.observability.mail_log import MailLog
from tests.support.fake_smtp_server import FakeSmtpServer
from tests.support.fake_smtp_server import fake_smtp_server as opened
from tests.support.service import Service, eventually, unique_email

MAIL = OutboxMail.queued(MailKind.RESET, "ada@example.org", id=UUID(int=7), now=datetime(2026, 3, 1, tzinfo=UTC))


@pytest.fixture
def smtp_server() -> Iterator[FakeSmtpServer]:
    with opened() as box:
        yield box


def test_outage_is_two_log_lines_for_any_number_of_mails() -> None:
    tell = MailLog()
    with capture_logs() as lines:
        tell(MAIL, DeliveryOutcome.SENT, "")
        for _ in range(2):
            for number in range(50):
                tell(replace(MAIL, attempts=number), None, "SMTP connecting: 421")
            for _ in range(50):
                tell(MAIL, DeliveryOutcome.SENT, "")
    assert [line["event"] for line in lines] == ["mail_delayed", "mail_delivery_resumed"] * 2
    assert (lines[0]["id"], lines[0]["kind"], lines[0]["note"]) == (str(MAIL.id), "reset", "SMTP connecting: 421")


def test_dropped_mail_is_logged_as_info() -> None:
    with capture_logs() as lines:
        MailLog()(replace(MAIL, recipient="nobody@example.org"), DeliveryOutcome.DROPPED, "no recipient")
    [line] = lines
    assert (line["event"], line["log_level"], line["note"]) == ("mail_dropped", "info", "no recipient")


def test_refusing_mail_server_is_logged_as_an_error_among_delays() -> None:
    tell = MailLog()
    with capture_logs() as lines:
        for _ in range(2):
            tell(MAIL, None, "SMTP RCPT: 450 greylisted")
            for _ in range(50):
                tell(MAIL, None, "SMTP MAIL: 550 5.7.60 not as this sender", server_refuses=True)
            tell(MAIL, DeliveryOutcome.SENT, "")
    events = [(line["event"], line["log_level"]) for line in lines]
    once = [("mail_delayed", "warning"), ("mail_server_refuses", "error"), ("mail_delivery_resumed", "info")]
    assert events == once * 2
    assert lines[1]["note"] == "SMTP MAIL: 550 5.7.60 not as this sender"


def test_parked_mail_is_logged_without_addresses() -> None:
    tell = MailLog()
    with capture_logs() as lines:
        tell(MAIL, DeliveryOutcome.PARKED, "SMTP RCPT: 550 <ada@example.org> ada unknown")
        tell(MAIL, DeliveryOutcome.DROPPED, "expired")
        tell(MAIL, DeliveryOutcome.PARKED, "SMTP RCPT: 550 no")
    logged = [(line["event"], line["id"], line["kind"], line["note"]) for line in lines]
    assert logged == [
        ("mail_parked", str(MAIL.id), "reset", "SMTP RCPT: 550 … ada unknown"),
        ("mail_dropped", str(MAIL.id), "reset", "expired"),
        ("mail_parked", str(MAIL.id), "reset", "SMTP RCPT: 550 no"),
    ]


def test_worker_logs_a_mail_server_outage_and_its_end(isolated_service: Service, smtp_server: FakeSmtpServer) -> None:
    isolated_service.environ["LATCHKEY_SMTP_URL"] = f"smtp://127.0.0.1:{smtp_server.port}"
    del isolated_service.environ["LATCHKEY_MAIL_DIR"]
    isolated_service.start_api()
    client, emails = (
        isolated_service.client(),
        [isolated_service.user(unique_email(f"later{number}")) for number in range(3)],
    )
    refused = isolated_service.user(unique_email("refused"))
    smtp_server.answers["refused"] = f"550 <{refused}> unknown"
    client.post("/v1/password/forgot", json={"email": refused})
    smtp_server.close()
    worker = isolated_service.start_worker()

    def logged(event: str) -> list[str]:
        return [line for line in worker.log.read_text().splitlines() if event in line]

    for email in emails:
        client.post("/v1/password/forgot", json={"email": email})
    eventually(lambda: logged("mail_delayed"))
    smtp_server.open()
    eventually(lambda: all(smtp_server.mails(email) for email in emails))
    eventually(lambda: logged("mail_delivery_resumed") and logged("mail_parked"))
    assert worker.stop() == 0
    assert len(logged("mail_parked")) == 1
    assert len(logged("mail_delayed")) == len(logged("mail_delivery_resumed")) == 1
    output = worker.log.read_text()
    assert not [email for email in (*emails, refused) if email in output]
    assert "token=" not in output

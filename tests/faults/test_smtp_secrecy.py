"""With TLS configured, nothing readable is sent, whatever the server claims, and no mail is lost."""

from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from tests.support.certificates import Authority
from tests.support.fake_smtp_server import fake_smtp_server
from tests.support.fault_stack import Stack
from tests.support.service import eventually, unique_email
from tests.support.smtp_servers import Script, scripted


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def all_pending_with_note(stack: Stack, emails: list[str], word: str) -> bool:
    """True if every mail is pending with a note that contains this word."""
    fates = [stack.mail_status(email) for email in emails]
    return all(outcome is None and word in note for outcome, note in fates)


def test_mails_wait_for_a_server_with_a_valid_certificate(stack: Stack, authority: Authority) -> None:
    emails = [unique_email("secret") for _ in range(10)]
    stack.queue_mails(*emails)
    with start_blocking_portal() as portal:
        with portal.wrap_async_context_manager(scripted(EHLO="250-hello\r\n250 AUTH PLAIN")) as stripped:
            assert isinstance(stripped, Script)
            url = f"smtp://ada:sesame@127.0.0.1:{stripped.port}?tls=starttls"
            stack.add_worker(LATCHKEY_SMTP_URL=url, **authority.trusting)
            eventually(lambda: all_pending_with_note(stack, emails, "SMTP connecting:"))
            stack.stop_workers()
        assert {line.split()[0] for line in stripped.heard} == {"EHLO"}
        assert stripped.letters == []

    with fake_smtp_server(starttls=authority.server("127.0.0.1")) as smtp:
        url = f"smtp://127.0.0.1:{smtp.port}?tls=starttls"
        stack.sql("UPDATE mails SET due_at = now()")
        stack.add_worker(LATCHKEY_SMTP_URL=url)  # which does not trust that authority
        eventually(lambda: all_pending_with_note(stack, emails, "CERTIFICATE_VERIFY_FAILED"))
        stack.stop_workers()
        assert smtp.attempted == set()

        stack.sql("UPDATE mails SET due_at = now()")
        stack.add_worker(LATCHKEY_SMTP_URL=url, **authority.trusting)
        eventually(lambda: all(stack.mail_status(email) == ("sent", "") for email in emails))
        stack.stop_workers()
        assert [smtp.seen()[email] for email in emails] == [1] * len(emails)
    assert stack.smtp.attempted == set()

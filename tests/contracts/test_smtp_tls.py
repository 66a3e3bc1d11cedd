"""With TLS configured, nothing readable is sent without it, and every certificate is verified."""

import ssl
from pathlib import Path

import pytest

from adapters.mail.smtp_mailer import SmtpMailer
from adapters.mail.smtp_url import SmtpServer, Tls, parse_smtp_url
from application.mail.ports import MailDelayed
from tests.support.certificates import Authority
from tests.support.rendered_mails import FROM, RENDERED_MAIL
from tests.support.smtp_servers import honest, scripted

pytestmark = pytest.mark.anyio


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def mailer(url: str, trust: ssl.SSLContext | None) -> SmtpMailer:
    return SmtpMailer(parse_smtp_url(url), mail_from=FROM, ssl_context=trust)


async def test_mail_is_sent_over_starttls_with_a_trusted_certificate(authority: Authority) -> None:
    async with honest(starttls=authority.server("localhost"), login=True) as inbox:
        url = f"smtp://ada:right%20one@localhost:{inbox.port}?tls=starttls"
        await mailer(url, authority.trust).send(RENDERED_MAIL)
    assert len(inbox.envelopes) == 1
    assert inbox.logins == [(b"ada", b"right one")]


async def test_mail_is_sent_over_implicit_tls_with_a_trusted_certificate(authority: Authority) -> None:
    async with honest(implicit=authority.server("localhost", "127.0.0.1")) as inbox:
        await mailer(f"smtps://127.0.0.1:{inbox.port}", authority.trust).send(RENDERED_MAIL)
        await mailer(f"smtp://localhost:{inbox.port}?tls=implicit", authority.trust).send(RENDERED_MAIL)
    assert len(inbox.envelopes) == 2


@pytest.mark.parametrize("way", ["starttls", "implicit"])
@pytest.mark.parametrize("flaw", ["unknown authority", "other name", "expired"])
async def test_an_invalid_certificate_delays_the_mail(
    authority: Authority, tmp_path: Path, way: str, flaw: str
) -> None:
    shown = authority.server(
        "elsewhere.example" if flaw == "other name" else "localhost", days=-1 if flaw == "expired" else 1
    )
    trust = None if flaw == "unknown authority" else authority.trust
    server = honest(starttls=shown) if way == "starttls" else honest(implicit=shown)
    async with server as inbox:
        with pytest.raises(MailDelayed, match="CERTIFICATE_VERIFY_FAILED"):
            await mailer(f"smtp://localhost:{inbox.port}?tls={way}", trust).send(RENDERED_MAIL)
    assert inbox.envelopes == []


@pytest.mark.parametrize(
    "answers",
    [
        {"EHLO": "250 hello"},
        {"EHLO": "250-hello\r\n250 AUTH PLAIN LOGIN"},
        {"EHLO": "502 what", "HELO": "250 hello"},
        {"EHLO": "250-hello\r\n250 STARTTLS", "STARTTLS": "454 not now"},
        {"EHLO": "250-hello\r\n250 STARTTLS", "STARTTLS": "220 go on\r\n250 injected"},
        {"EHLO": "250-hello\r\n250 STARTTLS", "STARTTLS": "drop"},
    ],
    ids=["stripped", "stripped, with login", "old", "refused", "pretended", "dropped"],
)
async def test_missing_starttls_never_falls_back_to_plain_text(authority: Authority, answers: dict[str, str]) -> None:
    async with scripted(**answers) as server:
        url = f"smtp://ada:secret@localhost:{server.port}?tls=starttls"
        with pytest.raises(MailDelayed) as delayed:
            await mailer(url, authority.trust).send(RENDERED_MAIL)
    assert "secret" not in str(delayed.value)
    assert {line.split()[0] for line in server.heard if line.isascii() and line.isprintable()} <= {
        "EHLO",
        "HELO",
        "STARTTLS",
    }
    assert server.letters == []


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://localhost", SmtpServer(host="localhost", port=25, tls=Tls.NONE)),
        ("smtp://127.0.0.1:1025", SmtpServer(host="127.0.0.1", port=1025, tls=Tls.NONE)),
        ("smtp://[::1]:1025/", SmtpServer(host="::1", port=1025, tls=Tls.NONE)),
        ("smtp://mail.example.org", SmtpServer(host="mail.example.org", port=587, tls=Tls.STARTTLS)),
        ("smtp://localhost?tls=starttls", SmtpServer(host="localhost", port=587, tls=Tls.STARTTLS)),
        ("smtp://relay?tls=none", SmtpServer(host="relay", port=25, tls=Tls.NONE)),
        ("smtp://relay?tls=implicit", SmtpServer(host="relay", port=465, tls=Tls.IMPLICIT)),
        ("smtps://relay", SmtpServer(host="relay", port=465, tls=Tls.IMPLICIT)),
        ("smtp://relay:465", SmtpServer(host="relay", port=465, tls=Tls.IMPLICIT)),
        ("smtp://127.0.0.1:465", SmtpServer(host="127.0.0.1", port=465, tls=Tls.IMPLICIT)),
        ("smtp://relay:465?tls=starttls", SmtpServer(host="relay", port=465, tls=Tls.STARTTLS)),
        (
            "smtp://a%40b:p%2Fw%3A%25@relay:2525",
            SmtpServer(host="relay", port=2525, tls=Tls.STARTTLS, username="a@b", password="p/w:%"),
        ),
    ],
)
def test_smtp_url_is_parsed(url: str, expected: SmtpServer) -> None:
    assert parse_smtp_url(url) == expected
    assert expected.password is None or expected.password not in repr(parse_smtp_url(url))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "smtp://",
        "http://relay",
        "relay:25",
        "smtp://relay:99999",
        "smtp://relay:0",
        "smtp://a b",
        "smtp://relay/path",
        "smtp://relay#fragment",
        "smtp://relay?tls=maybe",
        "smtp://relay?tls=none&tls=starttls",
        "smtp://relay?timeout=3",
        "smtps://relay?tls=none",
        "smtps://relay?tls=starttls",
        "smtp://ada@relay",
        "smtp://ada:sesame@relay?tls=none",
        "smtp://ada:ses/ame@relay",
        "smtp://ada:ses#ame@relay",
        "smtp://ada:ses?ame@relay",
        "smtp://ada:ses[ame@relay",
        "smtp://ada:ses%00ame@relay",
    ],
)
def test_an_invalid_url_is_refused_without_the_password(url: str) -> None:
    with pytest.raises(ValueError, match="LATCHKEY_SMTP_URL") as error:
        parse_smtp_url(url)
    assert "ses" not in str(error.value)
    assert error.value.__suppress_context__ or error.value.__context__ is None

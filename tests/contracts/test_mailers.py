"""Mailers over real SMTP and into a folder: one mail has one recipient, and always the same bytes."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.mail.addresses import parse_sender
from adapters.mail.folder_mailer import FolderMailer
from adapters.mail.message import message_bytes
from adapters.mail.smtp_mailer import SmtpMailer
from adapters.mail.smtp_url import parse_smtp_url
from application.mail.ports import Mailer, MailRefused
from domain.outbox import RenderedMail
from tests.support.rendered_mails import FROM, RENDERED_MAIL
from tests.support.smtp_servers import honest

pytestmark = pytest.mark.anyio

FOREIGN = replace(
    RENDERED_MAIL,
    subject="Bestätigen Sie Ihre Adresse \u2713 " * 5,
    text="Grüße \u2028 \n.\n \n\tx \n" + "ü" * 1500,
    html="<p>ü</p>",
)
# fmt: off
LONG = replace(RENDERED_MAIL, text="x" * 2000)
NOT_ONE_ADDRESS = [
    "ada@example.com, eve@example.com", "ada@example.com,eve@example.com", "Ada <ada@example.com>",
    "ada@example.com>\r\nRCPT TO:<eve@example.com", "ada@example.com\r\nBcc: eve@example.com", "ada@example.com\n",
    "<ada@example.com>", "ada@example.com\u2028", "ada(comment)@example.com", '"ada@evil.example"@example.com',
    "ada\uff20evil.com@example.com", "ad\u0131@example.com", "ada@b\u00fccher.example", "ada@[127.0.0.1]",
    "@relay.example:ada@example.com", "ada eve@example.com", "ada@example.com NOTIFY=SUCCESS", "ada@@example.com",
    "a" * 250 + "@example.com", "ada", "",
    # Encoded words (RFC 2047): the standard library reads two recipients in the first.
    "=?utf-8?q?eve=40evil.com=2C?=@example.com", "=?utf-8?b?eA==?=@example.com", "ada=?utf-8?q?x?=@example.com",
]
# fmt: on


@dataclass
class Inbox:
    mailer: Mailer
    received: Callable[[], list[bytes]]


@asynccontextmanager
async def smtp_inbox(_folder: Path) -> AsyncIterator[Inbox]:
    async with honest() as inbox:
        mailer = SmtpMailer(parse_smtp_url(f"smtp://127.0.0.1:{inbox.port}"), mail_from=FROM)
        yield Inbox(mailer, lambda: [envelope.original_content or b"" for envelope in inbox.envelopes])
        assert all(envelope.rcpt_tos == [RENDERED_MAIL.recipient] for envelope in inbox.envelopes)
        assert all(envelope.mail_from == "no-reply@id.example.org" for envelope in inbox.envelopes)


@asynccontextmanager
async def folder_inbox(folder: Path) -> AsyncIterator[Inbox]:
    here = folder / "new" / "mail"
    yield Inbox(
        FolderMailer(here, mail_from=FROM), lambda: [file.read_bytes() for file in sorted(here.glob("*.eml"))]
    )
    assert not list(here.glob(".*"))


@pytest.fixture(params=[smtp_inbox, folder_inbox], ids=["smtp", "folder"])
async def inbox(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Inbox]:
    async with request.param(tmp_path) as opened:
        yield opened


def parsed(content: bytes) -> EmailMessage:
    message = message_from_bytes(content, _class=EmailMessage, policy=default)
    assert not any(part.defects for part in message.walk())
    return message


@pytest.mark.parametrize("letter", [RENDERED_MAIL, LONG, FOREIGN], ids=["plain", "long", "foreign"])
async def test_mail_arrives_unchanged(inbox: Inbox, letter: RenderedMail) -> None:
    await inbox.mailer.send(letter)
    (content,) = inbox.received()
    message = parsed(content)
    assert message["From"] == '"Latchkey, Inc." <no-reply@id.example.org>'
    assert message["To"] == "ada@example.com"
    assert message["Subject"] == letter.subject
    assert message["Date"] == "Mon, 23 Nov 2026 01:04:05 +0000"
    assert message["Message-ID"] == "<01890a5d-ac96-774b-bcce-b302099a8057@id.example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert not {"cc", "bcc", "precedence", "list-unsubscribe"} & {name.lower() for name in message}
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]
    text, html = (part.get_content().replace("\r\n", "\n").rstrip("\n") for part in message.iter_parts())
    assert (text, html) == (letter.text.rstrip("\n"), letter.html.rstrip("\n"))


@pytest.mark.parametrize("letter", [RENDERED_MAIL, LONG, FOREIGN], ids=["plain", "long", "foreign"])
async def test_mail_is_ascii_with_crlf_and_lines_below_998_characters(inbox: Inbox, letter: RenderedMail) -> None:
    await inbox.mailer.send(letter)
    (content,) = inbox.received()
    assert content.isascii()
    assert content.count(b"\n") == content.count(b"\r") == content.count(b"\r\n")
    assert max(map(len, content.split(b"\r\n"))) < 998


async def test_a_mail_sent_twice_has_the_same_bytes(inbox: Inbox) -> None:
    await inbox.mailer.send(RENDERED_MAIL)
    await inbox.mailer.send(RENDERED_MAIL)
    assert len(set(inbox.received())) == 1


async def test_mails_of_a_session_arrive_as_if_sent_alone(inbox: Inbox) -> None:
    other = replace(RENDERED_MAIL, id=UUID(int=1))
    async with inbox.mailer.session() as mailer:
        await mailer.send(other)
        await mailer.send(RENDERED_MAIL)
    await inbox.mailer.send(RENDERED_MAIL)
    assert sorted({parsed(content)["Message-ID"] for content in inbox.received()}) == [
        f"<{letter.id}@id.example.org>" for letter in (other, RENDERED_MAIL)
    ]


@pytest.mark.parametrize("recipient", NOT_ONE_ADDRESS)
async def test_recipient_must_be_one_bare_address(inbox: Inbox, recipient: str) -> None:
    with pytest.raises(MailRefused) as refused:
        await inbox.mailer.send(replace(RENDERED_MAIL, recipient=recipient))
    assert "token" not in str(refused.value)
    assert inbox.received() == []


@given(local=st.from_regex(r"[a=?_q8'!#$%&*+/^`{|}~-]{1,24}", fullmatch=True))
@example(local="=?ada")
@example(local="ada=?utf-8?q?x")
def test_an_unusual_address_is_written_exactly_or_refused(local: str) -> None:
    letter = replace(RENDERED_MAIL, recipient=f"{local}@example.com")
    try:
        content = message_bytes(letter, parse_sender(FROM))
    except MailRefused:
        assert re.search(r"=\?.*\?.*\?.*\?=", local)
    else:
        assert f"\r\nTo: {local}@example.com\r\n".encode() in content
        assert [address.addr_spec for address in parsed(content)["To"].addresses] == [letter.recipient]


@pytest.mark.parametrize(
    "ending", ["\r\nBcc: eve@example.com", "\n Bcc: eve@example.com", "\rX: y", "\0", "x" * 1000]
)
async def test_a_subject_cannot_inject_a_header(inbox: Inbox, ending: str) -> None:
    with pytest.raises(ValueError, match="subject of a mail"):
        await inbox.mailer.send(replace(RENDERED_MAIL, subject="Hello" + ending))
    assert inbox.received() == []


@pytest.mark.parametrize("mail_from", ["x@y.z", "X <x@y.z>", '"X" <x@y.z>', "<x@y.z>", " X\u00fc, Inc. <x@y.z> "])
def test_a_sender_is_an_address_with_an_optional_name(mail_from: str) -> None:
    assert parse_sender(mail_from).address == "x@y.z"
    assert parse_sender(mail_from).name in {"", "X", "X\u00fc, Inc."}


@pytest.mark.parametrize(
    "mail_from", ["", "X", "a@b.c, d@e.f", "X <a@b.c>\r\nBcc: d@e.f", "<a b@c.d>", "X <a@b.c", "a@b.c>"]
)
def test_sender_must_be_one_address(mail_from: str) -> None:
    with pytest.raises(ValueError, match="LATCHKEY_MAIL_FROM"):
        parse_sender(mail_from)

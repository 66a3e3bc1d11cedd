"""Mails that share an SMTP connection: no mail is lost or repeated, whatever happens to the connection."""

import asyncio
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import anyio
import pytest

from adapters.mail.smtp_mailer import SmtpMailer
from adapters.mail.smtp_url import parse_smtp_url
from application.mail.ports import MailDelayed, MailRefused
from domain.outbox import RenderedMail
from tests.support.certificates import Authority
from tests.support.rendered_mails import FROM, RENDERED_MAIL
from tests.support.smtp_clients import all_in, mailer
from tests.support.smtp_servers import DRIP, DROP, STALL, Script, honest, scripted

pytestmark = pytest.mark.anyio

LETTERS = [
    replace(RENDERED_MAIL, id=UUID(int=number), recipient=f"ada{number}@example.com") for number in range(1, 6)
]


def connection_count(server: Script) -> int:
    return sum(line.startswith("EHLO") for line in server.heard)


def received_ids(server: Script) -> list[UUID]:
    """The ids of the received mails in order."""
    heads = (letter.decode().partition("Message-ID: <")[2] for letter in server.letters)
    return [UUID(head.partition("@")[0]) for head in heads]


async def send_all(server: Script, letters: list[RenderedMail]) -> None:
    async with mailer(server).session() as line:
        for letter in letters:
            await line.send(letter)


async def test_mails_of_a_session_share_a_connection() -> None:
    async with scripted() as server:
        await send_all(server, LETTERS[:2])
    assert server.heard == [
        "EHLO id.example.org",
        "MAIL FROM:<no-reply@id.example.org>",
        "RCPT TO:<ada1@example.com>",
        "DATA",
        "MAIL FROM:<no-reply@id.example.org>",
        "RCPT TO:<ada2@example.com>",
        "DATA",
        "QUIT",
    ]
    assert received_ids(server) == [letter.id for letter in LETTERS[:2]]


async def test_session_without_mails_does_not_connect() -> None:
    async with scripted() as server:
        await send_all(server, [])
        await asyncio.sleep(0)
    assert server.heard == []
    assert not server.left.is_set()


@pytest.mark.parametrize(
    "enough",
    ["421 4.7.0 enough", f"421 4.7.0 enough\r\n{DROP}", "450 too many", "503 order", "554 no", "nonsense", DROP],
)
async def test_a_server_that_limits_mails_per_connection_loses_no_mail(enough: str) -> None:
    async with scripted() as server, mailer(server).session() as line:
        server.most, server.enough = 2, enough
        for letter in LETTERS:
            await line.send(letter)
        with anyio.fail_after(20):
            await server.left.wait()
    assert received_ids(server) == [letter.id for letter in LETTERS]
    assert connection_count(server) == 3


@pytest.mark.parametrize("end", [f"250 taken\r\n{DROP}", f"250 taken\r\n421 4.4.2 good-bye\r\n{DROP}"])
async def test_a_server_that_closes_after_each_mail_gets_each_once(end: str) -> None:
    async with scripted(END=end) as server:
        await send_all(server, LETTERS)
    assert received_ids(server) == [letter.id for letter in LETTERS]
    assert connection_count(server) == 5


@pytest.mark.parametrize("answer", ["421 closing", "450 later", "550 no", DROP])
async def test_refusal_of_a_new_connection_is_the_result(answer: str) -> None:
    async with scripted(MAIL=answer) as server, mailer(server).session() as line:
        for letter in LETTERS[:2]:
            with pytest.raises((MailDelayed, MailRefused), match="MAIL"):
                await line.send(letter)
    assert connection_count(server) == 2


@pytest.mark.parametrize("stage", ["RCPT", "DATA", "END"])
@pytest.mark.parametrize("answer", ["421 closing", "450 later", "550 no", DROP])
async def test_mail_is_not_repeated_after_its_recipient_was_named(stage: str, answer: str) -> None:
    async with scripted() as server, mailer(server).session() as line:
        await line.send(LETTERS[0])
        server.answers[stage.replace("END", ".")] = answer
        with pytest.raises((MailDelayed, MailRefused)):
            await line.send(LETTERS[1])
        server.answers.clear()
        await line.send(LETTERS[2])
    assert [line for line in server.heard if line.startswith(("EHLO", "RCPT", "QUIT"))] == [
        "EHLO id.example.org",
        "RCPT TO:<ada1@example.com>",
        "RCPT TO:<ada2@example.com>",
        "EHLO id.example.org",
        "RCPT TO:<ada3@example.com>",
        "QUIT",
    ]


async def test_unsendable_mail_is_skipped() -> None:
    async with scripted() as server, mailer(server).session() as line:
        await line.send(LETTERS[0])
        with pytest.raises(MailRefused):
            await line.send(replace(LETTERS[1], recipient="a@b.c>\r\nRCPT TO:<d@e.f"))
        await line.send(LETTERS[2])
    assert received_ids(server) == [LETTERS[0].id, LETTERS[2].id]
    assert connection_count(server) == 1


@pytest.mark.parametrize("way", [STALL, DRIP])
async def test_slow_mail_ends_at_its_deadline_and_the_next_continues(way: str) -> None:
    async with scripted() as server:
        server.most, server.enough = 1, way
        with anyio.fail_after(20):
            async with mailer(server, timeouts=all_in(1)).session() as line:
                await line.send(LETTERS[0])
                with pytest.raises(MailDelayed, match="MAIL: no answer in time"):
                    await line.send(LETTERS[1])
                await server.left.wait()
                await line.send(LETTERS[2])
    assert received_ids(server) == [LETTERS[0].id, LETTERS[2].id]


async def test_each_mail_has_the_full_timeout() -> None:
    async with scripted() as server, mailer(server, timeouts=all_in(1)).session() as line:
        await line.send(LETTERS[0])
        await asyncio.sleep(1.1)
        await line.send(LETTERS[1])
    assert (len(server.letters), connection_count(server)) == (2, 1)


async def test_an_exception_closes_the_connection_without_quit() -> None:
    async def fail() -> None:
        async with mailer(server).session() as line:
            await line.send(LETTERS[0])
            raise KeyError

    async with scripted() as server:
        with pytest.raises(KeyError):
            await fail()
        with anyio.fail_after(20):
            await server.left.wait()
    assert "QUIT" not in server.heard


async def test_a_cancelled_batch_closes_the_connection() -> None:
    async with scripted() as server:
        server.most, server.enough = 1, STALL
        first = server.awaited["DATA"] = asyncio.Event()
        sending = asyncio.create_task(send_all(server, LETTERS))
        with anyio.fail_after(20):
            await first.wait()
            second = server.awaited["MAIL"] = asyncio.Event()
            await second.wait()
            sending.cancel()
            await server.left.wait()
            with pytest.raises(asyncio.CancelledError):
                await sending


async def test_a_batch_uses_tls_and_one_login(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with honest(starttls=authority.server("localhost"), login=True) as inbox:
        url = parse_smtp_url(f"smtp://ada:right%20one@localhost:{inbox.port}?tls=starttls")
        async with SmtpMailer(url, mail_from=FROM, ssl_context=authority.trust).session() as line:
            for letter in LETTERS:
                await line.send(letter)
    assert [envelope.rcpt_tos for envelope in inbox.envelopes] == [[letter.recipient] for letter in LETTERS]
    assert len(inbox.logins) == 1

"""Letters that share a connection: that saves work, and costs no letter anything, whatever becomes of it."""

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
from tests.support.letters import FROM, LETTER
from tests.support.smtp_clients import all_in, mailer
from tests.support.smtp_servers import DRIP, DROP, STALL, Script, honest, scripted

pytestmark = pytest.mark.anyio

LETTERS = [replace(LETTER, id=UUID(int=number), recipient=f"ada{number}@example.com") for number in range(1, 6)]


def connections(server: Script) -> int:
    return sum(line.startswith("EHLO") for line in server.heard)


def arrived(server: Script) -> list[UUID]:
    """The ids of the letters that were brought, in their order."""
    heads = (letter.decode().partition("Message-ID: <")[2] for letter in server.letters)
    return [UUID(head.partition("@")[0]) for head in heads]


async def sent(server: Script, letters: list[RenderedMail]) -> None:
    async with mailer(server).session() as line:
        for letter in letters:
            await line.send(letter)


async def test_mails_of_a_session_share_a_connection() -> None:
    async with scripted() as server:
        await sent(server, LETTERS[:2])
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
    assert arrived(server) == [letter.id for letter in LETTERS[:2]]


async def test_session_without_mails_does_not_connect() -> None:
    async with scripted() as server:
        await sent(server, [])
        await asyncio.sleep(0)
    assert server.heard == []
    assert not server.left.is_set()


@pytest.mark.parametrize(
    "enough",
    ["421 4.7.0 enough", f"421 4.7.0 enough\r\n{DROP}", "450 too many", "503 order", "554 no", "nonsense", DROP],
)
async def test_a_server_that_has_had_enough_costs_a_connection_and_no_letter(enough: str) -> None:
    async with scripted() as server, mailer(server).session() as line:
        server.most, server.enough = 2, enough
        for letter in LETTERS:
            await line.send(letter)
        with anyio.fail_after(20):
            await server.left.wait()
    assert arrived(server) == [letter.id for letter in LETTERS]
    assert connections(server) == 3


@pytest.mark.parametrize("end", [f"250 taken\r\n{DROP}", f"250 taken\r\n421 4.4.2 good-bye\r\n{DROP}"])
async def test_a_server_that_hangs_up_after_each_letter_gets_each_once(end: str) -> None:
    async with scripted(END=end) as server:
        await sent(server, LETTERS)
    assert arrived(server) == [letter.id for letter in LETTERS]
    assert connections(server) == 5


@pytest.mark.parametrize("answer", ["421 closing", "450 later", "550 no", DROP])
async def test_refusal_of_a_new_connection_is_the_result(answer: str) -> None:
    async with scripted(MAIL=answer) as server, mailer(server).session() as line:
        for letter in LETTERS[:2]:
            with pytest.raises((MailDelayed, MailRefused), match="MAIL"):
                await line.send(letter)
    assert connections(server) == 2


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
    assert arrived(server) == [LETTERS[0].id, LETTERS[2].id]
    assert connections(server) == 1


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
    assert arrived(server) == [LETTERS[0].id, LETTERS[2].id]


async def test_each_letter_has_the_whole_of_its_time() -> None:
    async with scripted() as server, mailer(server, timeouts=all_in(1)).session() as line:
        await line.send(LETTERS[0])
        await asyncio.sleep(1.1)
        await line.send(LETTERS[1])
    assert (len(server.letters), connections(server)) == (2, 1)


async def test_a_round_that_is_broken_off_hangs_up() -> None:
    async def break_off() -> None:
        async with mailer(server).session() as line:
            await line.send(LETTERS[0])
            raise KeyError

    async with scripted() as server:
        with pytest.raises(KeyError):
            await break_off()
        with anyio.fail_after(20):
            await server.left.wait()
    assert "QUIT" not in server.heard


async def test_a_cancelled_round_hangs_up() -> None:
    async with scripted() as server:
        server.most, server.enough = 1, STALL
        first = server.awaited["DATA"] = asyncio.Event()
        sending = asyncio.create_task(sent(server, LETTERS))
        with anyio.fail_after(20):
            await first.wait()
            second = server.awaited["MAIL"] = asyncio.Event()
            await second.wait()
            sending.cancel()
            await server.left.wait()
            with pytest.raises(asyncio.CancelledError):
                await sending


async def test_a_round_is_encrypted_and_logged_in_once(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with honest(starttls=authority.server("localhost"), login=True) as inbox:
        url = parse_smtp_url(f"smtp://ada:right%20one@localhost:{inbox.port}?tls=starttls")
        async with SmtpMailer(url, mail_from=FROM, ssl_context=authority.trust).session() as line:
            for letter in LETTERS:
                await line.send(letter)
    assert [envelope.rcpt_tos for envelope in inbox.envelopes] == [[letter.recipient] for letter in LETTERS]
    assert len(inbox.logins) == 1

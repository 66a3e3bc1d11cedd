"""Servers that say no, later, nothing, or too slowly: what is for ever, what is not, and what is never repeated."""

import asyncio
from dataclasses import replace
from uuid import UUID

import anyio
import pytest

from adapters.smtp_mailer import SmtpMailer
from adapters.smtp_places import smtp_server
from application.ports import MailDelayed, MailRefused
from tests.contracts.smtp_servers import DRIP, DROP, STALL, Script, scripted
from tests.contracts.test_mailers import FROM, LETTER

pytestmark = pytest.mark.anyio

ENVELOPE = ["MAIL", "RCPT", "DATA", "END"]


def mailer(server: Script, *, deadline: float = 30, connecting: float = 10, user: str = "") -> SmtpMailer:
    url = smtp_server(f"smtp://{user}127.0.0.1:{server.port}")
    return SmtpMailer(url, mail_from=FROM, deadline=deadline, connecting=connecting)


async def test_the_wire_holds_one_recipient_and_nothing_else() -> None:
    async with scripted() as server:
        await mailer(server).send(LETTER)
    assert server.heard == [
        "EHLO id.example.org",
        "MAIL FROM:<no-reply@id.example.org>",
        "RCPT TO:<ada@example.com>",
        "DATA",
        "QUIT",
    ]
    assert len(server.letters) == 1
    assert b"\r\n..\r\n...two\r\n" in server.letters[0]


async def test_a_second_send_is_the_same_on_the_wire() -> None:
    async with scripted() as server:
        await mailer(server).send(LETTER)
        await mailer(server).send(LETTER)
    assert server.letters[0] == server.letters[1]


@pytest.mark.parametrize("stage", ENVELOPE)
@pytest.mark.parametrize("answer", ["550 5.1.1 no such user", "552 full", "554 no", "500 what", "503 order"])
async def test_a_permanent_no_refuses(stage: str, answer: str) -> None:
    async with scripted(**{stage: answer}) as server:
        with pytest.raises(MailRefused, match=answer[:3]):
            await mailer(server).send(LETTER)


@pytest.mark.parametrize("stage", ENVELOPE)
@pytest.mark.parametrize("answer", ["421 closing", "450 busy", "451 later", "452 full", "299 odd", "nonsense", DROP])
async def test_anything_else_delays(stage: str, answer: str) -> None:
    async with scripted(**{stage: answer}) as server:
        with pytest.raises(MailDelayed):
            await mailer(server).send(LETTER)


@pytest.mark.parametrize("stage", ["HI", "EHLO"])
@pytest.mark.parametrize("answer", ["421 closing", "554 go away", "550 blocked", "nonsense", DROP])
async def test_a_server_that_does_not_want_to_talk_delays(stage: str, answer: str) -> None:
    async with scripted(**{stage: answer}) as server:
        with pytest.raises(MailDelayed):
            await mailer(server).send(LETTER)
    assert not server.letters


@pytest.mark.parametrize("answer", ["530 5.7.0 authenticate first", "535 5.7.8 no", "538 encrypt first"])
async def test_wrong_settings_of_ours_do_not_park_letters(answer: str) -> None:
    async with scripted(MAIL=answer) as server:
        with pytest.raises(MailDelayed, match=answer[:3]):
            await mailer(server).send(LETTER)


async def test_nobody_there_delays() -> None:
    async with scripted() as server:
        pass
    with pytest.raises(MailDelayed, match="connecting"):
        await mailer(server).send(LETTER)


@pytest.mark.parametrize("answer", [DROP, "500 no good-bye", "nonsense"])
async def test_what_has_been_taken_is_sent_whatever_the_good_bye(answer: str) -> None:
    async with scripted(QUIT=answer) as server:
        await mailer(server).send(LETTER)
    assert len(server.letters) == 1


@pytest.mark.parametrize("stage", ["HI", "EHLO", *ENVELOPE])
@pytest.mark.parametrize("way", [STALL, DRIP])
async def test_a_server_that_takes_for_ever_is_left_at_the_deadline(stage: str, way: str) -> None:
    async with scripted(**{stage: way}) as server:
        with anyio.fail_after(20), pytest.raises(MailDelayed, match="no answer in time"):
            await mailer(server, deadline=0.3, connecting=0.2).send(LETTER)
        with anyio.fail_after(20):
            await server.left.wait()


async def test_connecting_has_a_deadline_of_its_own() -> None:
    async with scripted(EHLO=STALL) as server:
        with anyio.fail_after(20), pytest.raises(MailDelayed, match="connecting: no answer in time"):
            await mailer(server, deadline=3600, connecting=0.2).send(LETTER)


async def test_a_cancelled_send_hangs_up() -> None:
    async with scripted(DATA=STALL) as server:
        reached = server.awaited["DATA"] = asyncio.Event()
        sending = asyncio.create_task(mailer(server).send(LETTER))
        with anyio.fail_after(20):
            await reached.wait()
            sending.cancel()
            await server.left.wait()
            with pytest.raises(asyncio.CancelledError):
                await sending


@pytest.mark.parametrize("stage", ENVELOPE)
async def test_what_a_server_quotes_is_not_repeated(stage: str) -> None:
    link = "https://id.example.org/verify?token=" + "x" * 200
    async with scripted(**{stage: f"550 5.7.1 Spam: \x1b[31m {link} ({link[:40]}) token={'x' * 20}"}) as server:
        with pytest.raises(MailRefused, match=r"550 5\.7\.1 Spam:") as refused:
            await mailer(server).send(LETTER)
    assert "token" not in str(refused.value)
    assert "example.org/" not in str(refused.value)
    assert str(refused.value).isprintable()


async def test_a_refused_login_delays_and_its_answer_is_not_repeated() -> None:
    async with scripted(EHLO="250-hello\r\n250 AUTH PLAIN", AUTH="535 no, not hunter2") as server:
        with pytest.raises(MailDelayed, match="connecting: 535") as delayed:
            await mailer(server, user="ada:hunter2@").send(LETTER)
    assert "hunter2" not in str(delayed.value)
    assert [line.split()[0] for line in server.heard] == ["EHLO", "AUTH"]


async def test_a_letter_that_may_not_be_sent_is_not_even_announced() -> None:
    async with scripted() as server:
        with pytest.raises(MailRefused):
            await mailer(server).send(replace(LETTER, id=UUID(int=1), recipient="a@b.c>\r\nRCPT TO:<d@e.f"))
    assert server.heard == []
    assert not server.left.is_set()

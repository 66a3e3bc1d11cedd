"""SMTP servers that refuse, defer, stall or disconnect: which errors are permanent and which are retried."""

import asyncio
from dataclasses import replace
from uuid import UUID

import anyio
import pytest

from adapters.mail.smtp_mailer import SmtpMailer
from adapters.mail.smtp_session import SmtpTimeouts
from adapters.mail.smtp_url import parse_smtp_url
from application.mail.ports import MailDelayed, MailRefused, MailServerRefused, MailUnanswered
from tests.support.rendered_mails import FROM, RENDERED_MAIL
from tests.support.smtp_clients import all_in, mailer
from tests.support.smtp_servers import DRIP, DROP, STALL, scripted

pytestmark = pytest.mark.anyio

ENVELOPE = ["MAIL", "RCPT", "DATA", "END"]
NAMED = ENVELOPE[1:]
"""The commands by which a server knows the recipient."""


async def test_wire_shows_one_recipient_and_nothing_else() -> None:
    async with scripted() as server:
        await mailer(server).send(RENDERED_MAIL)
    assert server.heard == [
        "EHLO id.example.org",
        "MAIL FROM:<no-reply@id.example.org>",
        "RCPT TO:<ada@example.com>",
        "DATA",
        "QUIT",
    ]
    assert len(server.letters) == 1
    assert b"\r\n..\r\n...two\r\n" in server.letters[0]


async def test_a_mail_sent_twice_has_the_same_bytes_on_the_wire() -> None:
    async with scripted() as server:
        await mailer(server).send(RENDERED_MAIL)
        await mailer(server).send(RENDERED_MAIL)
    assert server.letters[0] == server.letters[1]


@pytest.mark.parametrize("stage", NAMED)
@pytest.mark.parametrize(
    "answer",
    [
        "550 no",
        "551 not here",
        "552 full",
        "553 no such name",
        "556 no mail here",
        "550 5.0.0 mailbox unavailable",
        "550 5.5.0 mailbox unavailable",
        "550 5.1.1 no such user",
        "554 5.1.10 null MX",
        "550 5.2.1 disabled",
        "552 5.2.2 full",
        "550-5.1.1 no such\r\n550 5.1.1 user",
        "550 #5.1.0 address rejected",
        "554 no mailbox here by that name (#5.1.1)",
        "550 10.7.1.2 says no",
    ],
)
async def test_a_refused_recipient_refuses_the_mail(stage: str, answer: str) -> None:
    async with scripted(**{stage: answer}) as server:
        with pytest.raises(MailRefused, match=answer[:3]):
            await mailer(server).send(RENDERED_MAIL)


@pytest.mark.parametrize("stage", NAMED)
@pytest.mark.parametrize(
    "answer",
    [
        "500 what",
        "503 5.5.1 order",
        "521 no mail here",
        "530 5.7.0 authenticate first",
        "554 no",
        "555 which parameters",
        "550 5.7.1 relaying denied",
        "550 5.7.60 client may not send as this sender",
        "553 not in my list of allowed hosts (#5.7.1)",
        "554 5.4.6 loop",
        "550 5.4.1 no answer from host",
        "552 5.3.4 too big for this system",
        "554 5.6.0 cannot be converted",
        "550 5.1.8 sender's domain does not exist",
        "550 4.2.2 full for now",
    ],
)
async def test_refused_sender_or_server_error_delays(stage: str, answer: str) -> None:
    async with scripted(**{stage: answer}) as server:
        with pytest.raises(MailDelayed, match=answer[:3]) as delayed:
            await mailer(server).send(RENDERED_MAIL)
    assert type(delayed.value) is MailDelayed


@pytest.mark.parametrize("stage", ["HI", "EHLO", "AUTH", "STARTTLS", "MAIL"])
@pytest.mark.parametrize("answer", ["550 5.1.1 no such user", "550 5.7.60 not as this sender", "554 no", "521 no"])
async def test_a_refusal_before_the_recipient_concerns_the_server(stage: str, answer: str) -> None:
    tls = "starttls" if stage == "STARTTLS" else "none"
    script = {"EHLO": "250-hello\r\n250-STARTTLS\r\n250 AUTH PLAIN", "AUTH": "235 fine", stage: answer}
    async with scripted(**script) as server:
        url = parse_smtp_url(f"smtp://ada:secret@127.0.0.1:{server.port}?tls={tls}")
        with pytest.raises(MailServerRefused):
            await SmtpMailer(url, mail_from=FROM).send(RENDERED_MAIL)
    assert not server.letters


@pytest.mark.parametrize("answer", ["nonsense", DROP, STALL, DRIP])
async def test_a_mail_without_an_answer_to_its_end_is_unanswered(answer: str) -> None:
    async with scripted(END=answer) as server:
        with pytest.raises(MailUnanswered):
            await mailer(server, timeouts=replace(SmtpTimeouts(), end=0.3)).send(RENDERED_MAIL)
    assert len(server.letters) == 1


@pytest.mark.parametrize("stage", ["RCPT", "DATA"])
@pytest.mark.parametrize("answer", ["nonsense", DROP, STALL])
async def test_a_mail_that_was_not_sent_is_delayed(stage: str, answer: str) -> None:
    async with scripted(**{stage: answer}) as server:
        with pytest.raises(MailDelayed) as delayed:
            await mailer(server, timeouts=all_in(0.3)).send(RENDERED_MAIL)
    assert type(delayed.value) is MailDelayed


async def test_any_2xx_answer_to_the_end_is_success() -> None:
    async with scripted(END="299 odd") as server:
        await mailer(server).send(RENDERED_MAIL)
    assert len(server.letters) == 1


def test_timeouts_are_at_least_those_of_rfc_5321() -> None:
    assert (SmtpTimeouts().reply, SmtpTimeouts().data, SmtpTimeouts().end) == (300, 120, 600)


@pytest.mark.parametrize(("stage", "sent"), [("MAIL", False), ("DATA", False), ("END", True)])
async def test_sender_is_called_while_a_mail_is_being_sent(stage: str, sent: bool) -> None:
    calls: list[bool] = []

    async def still_sending(sent: bool) -> None:
        calls.append(sent)
        if len(calls) == 2:
            raise KeyError

    async with scripted(**{stage: STALL}) as server:
        with anyio.fail_after(20), pytest.raises(KeyError):
            await mailer(server, progress_interval=0.3).send(RENDERED_MAIL, still_sending)
        with anyio.fail_after(20):
            await server.left.wait()
    assert calls[:2] == [sent, sent]


@pytest.mark.parametrize(("stage", "last"), [("DATA", []), ("END", [True])])
async def test_a_cancelled_send_reports_whether_the_mail_was_sent(stage: str, last: list[bool]) -> None:
    heard: list[bool] = []

    async def still_sending(sent: bool) -> None:
        heard.append(sent)

    async with scripted(**{stage: STALL}) as server:
        sending = asyncio.create_task(mailer(server).send(RENDERED_MAIL, still_sending))
        with anyio.fail_after(20):
            await server.silent.wait()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
    assert heard == last


@pytest.mark.parametrize("stage", ENVELOPE)
@pytest.mark.parametrize("answer", ["421 closing", "450 busy", "451 later", "452 full", "nonsense", DROP])
async def test_any_other_error_delays(stage: str, answer: str) -> None:
    async with scripted(**{stage: answer}) as server:
        with pytest.raises(MailDelayed):
            await mailer(server).send(RENDERED_MAIL)


@pytest.mark.parametrize("stage", ["HI", "EHLO"])
@pytest.mark.parametrize("answer", ["421 closing", "554 go away", "550 blocked", "nonsense", DROP])
async def test_a_server_that_refuses_the_session_delays(stage: str, answer: str) -> None:
    async with scripted(**{stage: answer}) as server:
        with pytest.raises(MailDelayed):
            await mailer(server).send(RENDERED_MAIL)
    assert not server.letters


@pytest.mark.parametrize("answer", ["530 5.7.0 authenticate first", "535 5.7.8 no", "538 encrypt first"])
async def test_authentication_errors_do_not_park_mails(answer: str) -> None:
    async with scripted(MAIL=answer) as server:
        with pytest.raises(MailDelayed, match=answer[:3]):
            await mailer(server).send(RENDERED_MAIL)


async def test_refused_connection_delays() -> None:
    async with scripted() as server:
        pass
    with pytest.raises(MailDelayed, match="connecting"):
        await mailer(server).send(RENDERED_MAIL)


@pytest.mark.parametrize("answer", [DROP, "500 no good-bye", "nonsense"])
async def test_accepted_mail_is_sent_whatever_quit_answers(answer: str) -> None:
    async with scripted(QUIT=answer) as server:
        await mailer(server).send(RENDERED_MAIL)
    assert len(server.letters) == 1


@pytest.mark.parametrize("stage", ["HI", "EHLO", *ENVELOPE])
@pytest.mark.parametrize("way", [STALL, DRIP])
async def test_slow_server_ends_at_the_deadline(stage: str, way: str) -> None:
    async with scripted(**{stage: way}) as server:
        with anyio.fail_after(20), pytest.raises(MailDelayed, match="no answer in time"):
            await mailer(server, timeouts=all_in(0.3)).send(RENDERED_MAIL)
        with anyio.fail_after(20):
            await server.left.wait()


async def test_connecting_has_its_own_deadline() -> None:
    async with scripted(EHLO=STALL) as server:
        with anyio.fail_after(20), pytest.raises(MailDelayed, match="connecting: no answer in time"):
            await mailer(server, timeouts=replace(SmtpTimeouts(), reply=0.2)).send(RENDERED_MAIL)


async def test_a_cancelled_send_closes_the_connection() -> None:
    async with scripted(DATA=STALL) as server:
        reached = server.awaited["DATA"] = asyncio.Event()
        sending = asyncio.create_task(mailer(server).send(RENDERED_MAIL))
        with anyio.fail_after(20):
            await reached.wait()
            sending.cancel()
            await server.left.wait()
            with pytest.raises(asyncio.CancelledError):
                await sending


@pytest.mark.parametrize("stage", ENVELOPE)
async def test_quoted_text_of_a_server_is_redacted(stage: str) -> None:
    link = "https://id.example.org/verify?token=" + "x" * 200
    async with scripted(**{stage: f"550 5.7.1 Spam: \x1b[31m {link} ({link[:40]}) token={'x' * 20}"}) as server:
        with pytest.raises(MailDelayed, match=r"550 5\.7\.1 Spam:") as refused:
            await mailer(server).send(RENDERED_MAIL)
    assert "token" not in str(refused.value)
    assert "example.org/" not in str(refused.value)
    assert str(refused.value).isprintable()


async def test_a_refused_login_delays_and_its_answer_is_not_repeated() -> None:
    async with scripted(EHLO="250-hello\r\n250 AUTH PLAIN", AUTH="535 no, not hunter2") as server:
        with pytest.raises(MailDelayed, match="connecting: 535") as delayed:
            await mailer(server, user="ada:hunter2@").send(RENDERED_MAIL)
    assert "hunter2" not in str(delayed.value)
    assert [line.split()[0] for line in server.heard] == ["EHLO", "AUTH"]


async def test_an_unsendable_mail_sends_no_command() -> None:
    async with scripted() as server:
        with pytest.raises(MailRefused):
            await mailer(server).send(replace(RENDERED_MAIL, id=UUID(int=1), recipient="a@b.c>\r\nRCPT TO:<d@e.f"))
    assert server.heard == []
    assert not server.left.is_set()

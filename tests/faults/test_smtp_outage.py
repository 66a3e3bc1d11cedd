"""SMTP is down for an hour, simulated in the rows. Mails that are still valid are sent afterwards, and no others."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import median

import httpx

from tests.support.fault_stack import Stack
from tests.support.service import PASSWORD, eventually, token_in, unique_email

PEOPLE = 30
AT_MOST = 300.0
"""The longest time between two attempts, in seconds."""

DRAINED = 30.0
"""Seconds within which all mails are sent."""

Answer = tuple[int, str]


def move_back_in_time(ask: Callable[[], httpx.Response]) -> tuple[Answer, float]:
    began = time.monotonic()
    answer = ask()
    return (answer.status_code, answer.text), time.monotonic() - began


def request_mails(stack: Stack, emails: list[str], known: str) -> tuple[set[Answer], list[float]]:
    """Each user registers, then requests another verification and resets, at both processes; and an existing user
    gets notices of attempts to register their address. Ten mails each."""
    registering: list[Callable[[], httpx.Response]] = []
    asking: list[Callable[[], httpx.Response]] = []
    for number, email in enumerate(emails):
        post = stack.client(number % 2).post
        bodies = [{"email": who, "password": PASSWORD} for who in (email, known)]
        registering += [partial(post, "/v1/register", json=body) for body in bodies]
        for path in ("/v1/verify/resend", "/v1/password/forgot"):
            asking += [partial(post, path, json={"email": email})] * 4
    with ThreadPoolExecutor(3) as crowd:
        answers = list(crowd.map(move_back_in_time, registering))
        answers += crowd.map(move_back_in_time, asking)
    return {answer for answer, _ in answers}, sorted(took for _, took in answers)


def rows(stack: Stack, recipients: list[str]) -> list[tuple[str, str | None, int]]:
    """The number of mails by kind and outcome."""
    counted = (
        "SELECT kind, outcome, count(*) FROM mails WHERE recipient = ANY($1)"
        " GROUP BY kind, outcome ORDER BY kind, outcome"
    )
    return [tuple(row) for row in stack.sql(counted, recipients)]


def test_three_hundred_mails_are_sent_after_an_hour_without_smtp(
    stack_with_mail: Stack,
) -> None:
    known = stack_with_mail.service.user("known")
    usual, usually = request_mails(stack_with_mail, [unique_email("usual") for _ in range(PEOPLE)], known)
    eventually(lambda: stack_with_mail.pending_mails() == 0, within=DRAINED)
    stack_with_mail.sql("DELETE FROM mails")

    stack_with_mail.smtp.close()
    emails = [unique_email("patient") for _ in range(PEOPLE)]
    answers, took = request_mails(stack_with_mail, emails, known)
    assert answers == usual
    print(f"p50 {median(usually):.3f} s, without SMTP {median(took):.3f} s; most {usually[-1]:.3f}, {took[-1]:.3f} s")
    assert median(took) < 2 * median(usually) + 0.1
    assert stack_with_mail.sql("SELECT count(*) FROM mails")[0][0] == 10 * PEOPLE
    # A reset mail is dropped if a worker has already tried a newer one of the same user.
    settled = stack_with_mail.sql("SELECT kind, outcome, note FROM mails WHERE outcome IS NOT NULL")
    assert {tuple(row) for row in settled} <= {("reset", "dropped", "no recipient")}

    stack_with_mail.sql(
        "UPDATE mails SET attempts = 12, created_at = created_at - interval '1 hour',"
        " due_at = due_at - interval '1 hour'"
    )
    # Mails with expired links are dropped without a server; all others are tried once more. Mails that are due
    # within a minute are still being tried, and would be sent twice if their leases were cut short below.
    over = "due_at > now() + interval '1 minute'"
    tried = f"SELECT bool_and(attempts = 13 AND {over} AND starts_with(note, 'SMTP connecting'))"
    eventually(lambda: stack_with_mail.sql(f"{tried} FROM mails WHERE outcome IS NULL")[0][0])
    ((longest,),) = stack_with_mail.sql(
        "SELECT max(extract(epoch FROM due_at - now())) FROM mails WHERE outcome IS NULL"
    )
    assert longest <= AT_MOST

    stack_with_mail.smtp.open()
    stack_with_mail.sql("UPDATE mails SET due_at = due_at - $1 * interval '1 second'", AT_MOST)
    began = time.monotonic()
    eventually(lambda: stack_with_mail.pending_mails() == 0, within=DRAINED)
    print(f"{10 * PEOPLE} mails settled in {time.monotonic() - began:.1f} s")
    assert rows(stack_with_mail, [*emails, known]) == [
        ("already_registered", "sent", PEOPLE),
        ("reset", "dropped", 4 * PEOPLE),
        ("verify", "sent", 5 * PEOPLE),
    ]
    assert set(stack_with_mail.smtp.copies().values()) == {1}
    assert [stack_with_mail.smtp.seen()[email] for email in emails] == [5] * PEOPLE

    client = stack_with_mail.client()
    for email in emails[:3]:
        for mail in stack_with_mail.smtp.mails(email):
            assert client.post("/v1/verify", json={"token": token_in(mail)}).status_code == 200
    assert client.post("/v1/password/forgot", json={"email": emails[0]}).status_code == 202
    eventually(lambda: stack_with_mail.smtp.seen()[emails[0]] == 6)

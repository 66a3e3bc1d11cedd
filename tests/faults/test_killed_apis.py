"""A registration and its mail are one transaction: an API process may be killed at any moment around it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx

from adapters.redis.dramatiq_queue import QUEUE
from tests.support.fault_stack import Stack
from tests.support.service import PASSWORD, eventually, unique_email

RELAYED = 30.0
"""Seconds within which a mail arrives without a notification to workers."""


@contextmanager
def commits_held(stack: Stack) -> Iterator[None]:
    """Transactions that queue a mail wait within COMMIT. They are committed when the block ends, because the server
    does not check whether the client is still connected."""
    stack.sql(
        "CREATE FUNCTION hold_commit() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$"
    )
    stack.sql(
        "CREATE CONSTRAINT TRIGGER hold_commit AFTER INSERT ON mails"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hold_commit()"
    )
    try:
        with stack.lock_held("SELECT pg_advisory_xact_lock(1)"):
            yield
    finally:
        eventually(lambda: stack.waiting("COMMIT") == 0)
        stack.sql("DROP FUNCTION hold_commit CASCADE")


def register(client: httpx.Client, email: str) -> int | None:
    """None if the connection broke, so that the outcome is unknown."""
    try:
        return client.post("/v1/register", json={"email": email, "password": PASSWORD}).status_code
    except httpx.TransportError:
        return None


def rows(stack: Stack, emails: list[str]) -> tuple[list[str], list[str]]:
    """Those of the addresses that have a user, and those that have a mail, once for each."""
    users = stack.sql("SELECT email FROM users WHERE email = ANY($1) ORDER BY email", emails)
    mails = stack.sql("SELECT recipient FROM mails WHERE recipient = ANY($1) ORDER BY recipient", emails)
    return [email for (email,) in users], [recipient for (recipient,) in mails]


def test_api_killed_between_commit_and_nudge_loses_no_mail(stack: Stack) -> None:
    committed: list[str] = []
    for number in (0, 1, 0, 1):
        emails = [unique_email("committed") for _ in range(6)]
        api = stack.apis[number].wait()
        with ThreadPoolExecutor(len(emails)) as crowd:
            with commits_held(stack):
                answers = [crowd.submit(register, stack.client(number), email) for email in emails]
                eventually(lambda: stack.waiting("COMMIT") >= 2)
                api.kill()
            assert {answer.result() for answer in answers} <= {None, 503}
        users, mails = rows(stack, emails)
        assert users == mails
        assert users
        committed += users
        api.start()
    assert stack.redis().llen(f"latchkey:{QUEUE}") == 0, "workers were notified"

    stack.add_worker()
    stack.add_worker()
    eventually(lambda: set(committed) <= set(stack.smtp.seen()), within=RELAYED)
    eventually(lambda: stack.pending_mails() == 0)
    assert {stack.smtp.seen()[email] for email in committed} == {1}
    stack.stop_workers()


def test_api_killed_before_the_commit_has_no_effect(stack_with_mail: Stack) -> None:
    emails = [unique_email("uncommitted") for _ in range(4)]
    with ThreadPoolExecutor(len(emails)) as crowd:
        with stack_with_mail.locked("mails"):
            answers = [crowd.submit(register, stack_with_mail.client(), email) for email in emails]
            eventually(lambda: stack_with_mail.waiting("INSERT INTO mails") >= 2)
            stack_with_mail.apis[0].kill()
        assert {answer.result() for answer in answers} <= {None, 503}
    eventually(lambda: stack_with_mail.waiting("INSERT INTO mails") == 0)
    assert rows(stack_with_mail, emails) == ([], [])
    stack_with_mail.apis[0].start()

    other = stack_with_mail.client(1)
    assert {register(other, email) for email in emails} == {202}
    eventually(lambda: set(emails) <= set(stack_with_mail.smtp.seen()), within=RELAYED)
    assert rows(stack_with_mail, emails) == (sorted(emails), sorted(emails))
    assert {stack_with_mail.smtp.seen()[email] for email in emails} == {1}

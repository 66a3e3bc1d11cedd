"""Answers of SMTP servers: permanent and temporary errors, none of which delays other mails."""

import json
from functools import partial

import httpx

from tests.support.fault_stack import Stack
from tests.support.service import eventually, unique_email
from tests.support.smtp_servers import DROP, STALL

SOON = 20.0
"""Seconds within which a mail is retried after its first failure; the retry is due after five."""

ANSWERS = {
    "closing": "421 4.3.2 closing",
    "greylisted": "450 4.2.0 greylisted",
    "unknown": "550 5.1.1 no such user",
    "dropped": DROP,
    "stalled": STALL,
}


def metric(stack: Stack, name: str) -> float:
    lines = httpx.get(f"{stack.apis[0].url}/metrics").text.splitlines()
    (value,) = [line.split()[1] for line in lines if line.startswith(f"{name} ")]
    return float(value)


def parked_mails(stack: Stack) -> dict[str, str]:
    """Recipient and id of every parked mail, as the CLI lists them."""
    found = stack.service.cli("mail", "list", "--json")
    assert found.returncode == 0, found.stderr
    return {mail["recipient"]: mail["id"] for mail in json.loads(found.stdout)}


def test_smtp_4xx_waits_5xx_parks_and_other_mails_pass(stack_with_mail: Stack) -> None:
    smtp = stack_with_mail.smtp
    smtp.answers = dict(ANSWERS)
    troubled = {who: [unique_email(who) for _ in range(3)] for who in ANSWERS}
    for who in ("stalled", "unknown", "greylisted", "closing", "dropped"):  # each starts before the next is queued
        stack_with_mail.queue_mails(*troubled[who])
        eventually(partial(smtp.attempted.issuperset, troubled[who]), within=SOON)

    healthy = [unique_email("healthy") for _ in range(50)]
    stack_with_mail.queue_mails(*healthy)
    eventually(lambda: set(healthy) <= set(smtp.seen()), within=SOON)
    assert {stack_with_mail.mail_status(email) for email in troubled["stalled"]} == {(None, "")}, (
        "other mails waited for these"
    )

    def settled(who: str) -> tuple[str | None, str] | None:
        outcomes = {stack_with_mail.mail_status(email) for email in troubled[who]}
        return outcomes.pop() if len(outcomes) == 1 and outcomes != {(None, "")} else None

    assert eventually(lambda: settled("closing")) == (None, "SMTP DATA: 421 4.3.2 closing")
    assert eventually(lambda: settled("greylisted")) == (None, "SMTP DATA: 450 4.2.0 greylisted")
    assert eventually(lambda: settled("unknown")) == ("parked", "SMTP DATA: 550 5.1.1 no such user")
    assert (eventually(lambda: settled("dropped"))[0], metric(stack_with_mail, "latchkey_outbox_parked")) == (None, 3)

    parked = parked_mails(stack_with_mail)
    assert set(parked) == set(troubled["unknown"])
    smtp.answers = {"stalled": STALL}
    for id in parked.values():
        assert stack_with_mail.service.cli("mail", "redrive", id).returncode == 0
    arriving = {email for who in ("closing", "greylisted", "unknown") for email in troubled[who]}
    eventually(lambda: all(stack_with_mail.mail_status(email) == ("sent", "") for email in arriving), within=SOON)
    assert parked_mails(stack_with_mail) == {}
    assert {smtp.seen()[email] for email in arriving} == {1}
    # Mails after which the server disconnected may have been accepted: they are retried, but not soon.
    later = "SELECT count(*) FROM mails WHERE recipient = ANY($1) AND due_at > now() + interval '10 minutes'"
    assert stack_with_mail.sql(later, troubled["dropped"])[0][0] == 3
    assert {smtp.seen()[email] for email in troubled["dropped"]} == {1}
    stack_with_mail.sql("UPDATE mails SET due_at = now() WHERE recipient = ANY($1)", troubled["dropped"])
    eventually(
        lambda: all(stack_with_mail.mail_status(email) == ("sent", "") for email in troubled["dropped"]), within=SOON
    )
    assert all(len({mail.as_bytes() for mail in smtp.mails(email)}) == 1 for email in troubled["dropped"])


def test_slow_server_gets_each_mail_once_and_delays_no_other(stack_with_mail: Stack) -> None:
    stack_with_mail.smtp.slowness = 35.0  # more than is left of a lease when the last mail of a batch starts
    slow = [unique_email("slow") for _ in range(20)]
    stack_with_mail.queue_mails(*slow)
    eventually(lambda: len(stack_with_mail.smtp.attempted & set(slow)) > 8, within=SOON)
    healthy = [unique_email("beside") for _ in range(20)]
    stack_with_mail.queue_mails(*healthy)
    eventually(lambda: set(healthy) <= set(stack_with_mail.smtp.seen()), within=SOON)
    assert not [email for email in slow if stack_with_mail.mail_status(email)[0]], "other mails waited for these"
    eventually(lambda: all(stack_with_mail.mail_status(email) == ("sent", "") for email in slow), within=90)
    assert {stack_with_mail.smtp.seen()[email] for email in (*slow, *healthy)} == {1}


def test_refused_sender_loses_no_mail_and_is_logged(stack_with_mail: Stack) -> None:
    stack_with_mail.smtp.mail_from = "550 5.7.60 client may not send as this sender"
    emails = [unique_email("patient") for _ in range(20)]
    stack_with_mail.queue_mails(*emails)
    note = "SMTP MAIL: 550 5.7.60 client may not send as this sender"
    eventually(lambda: {stack_with_mail.mail_status(email) for email in emails} == {(None, note)}, within=SOON)
    assert parked_mails(stack_with_mail) == {}
    log_lines = [
        line for line in stack_with_mail.workers[0].log.read_text().splitlines() if "mail_server_refuses" in line
    ]
    assert 1 <= len(log_lines) <= len(stack_with_mail.workers)  # once for each process
    assert "5.7.60" in log_lines[0]
    stack_with_mail.smtp.reset()
    stack_with_mail.sql("UPDATE mails SET due_at = now() WHERE outcome IS NULL")
    eventually(lambda: all(stack_with_mail.mail_status(email) == ("sent", "") for email in emails), within=SOON)
    assert {stack_with_mail.smtp.seen()[email] for email in emails} == {1}


def test_undeliverable_mail_is_parked_and_visible(stack_with_mail: Stack) -> None:
    before = metric(stack_with_mail, "latchkey_outbox_parked")
    forged = ["a\r\nBcc: b@example.org", "a@example.org, b@example.org", "ünï@example.org", "", "x" * 3000]
    stack_with_mail.queue_mails(*forged)
    unknown, unmakeable = unique_email("nobody"), stack_with_mail.service.user("unmakeable")
    stack_with_mail.queue_mails(unknown, kind="verify")
    # The link's time is so late that adding a day overflows.
    stack_with_mail.queue_mails(unmakeable, kind="reset", created_at="infinity")
    # Mails of a newer release are left to a worker of that release.
    stack_with_mail.queue_mails("from.the@future.example.org", kind="a kind of tomorrow")
    stack_with_mail.sql("UPDATE mails SET due_at = now() - interval '1 hour' WHERE outcome IS NULL")
    healthy = [unique_email("beside") for _ in range(50)]
    stack_with_mail.queue_mails(*healthy)
    eventually(lambda: set(healthy) <= set(stack_with_mail.smtp.seen()), within=SOON)
    note = "The recipient is not one bare address; nothing was sent."
    eventually(lambda: {stack_with_mail.mail_status(email) for email in forged} == {("parked", note)})
    eventually(lambda: stack_with_mail.mail_status(unknown) == ("dropped", "no recipient"))

    eventually(lambda: stack_with_mail.mail_status(unmakeable) == (None, "Unexpected: OverflowError"))
    stack_with_mail.sql("UPDATE mails SET attempts = 9, due_at = now() WHERE recipient = $1", unmakeable)
    eventually(lambda: stack_with_mail.mail_status(unmakeable) == ("parked", "Unexpected: OverflowError"))
    assert metric(stack_with_mail, "latchkey_outbox_parked") == before + len(forged) + 1
    assert set(parked_mails(stack_with_mail)) >= {unmakeable}
    assert stack_with_mail.mail_status("from.the@future.example.org") == (None, "")
    assert metric(stack_with_mail, "latchkey_outbox_lag_seconds") > 3000
    assert not set(stack_with_mail.smtp.attempted) & {*forged, unknown, unmakeable}

"""What a mail server says: some of it is for ever, some for now, and none of it holds up the letters to others."""

import json
from functools import partial

import httpx

from tests.support.fault_stack import Stack
from tests.support.service import address, eventually
from tests.support.smtp_servers import DROP, STALL

SOON = 20.0
"""Seconds in which a letter is tried again after its first failure, which is due after five."""

ANSWERS = {
    "closing": "421 4.3.2 closing",
    "greylisted": "450 4.2.0 greylisted",
    "unknown": "550 5.1.1 no such user",
    "dropped": DROP,
    "stalled": STALL,
}


def figure(stack: Stack, name: str) -> float:
    lines = httpx.get(f"{stack.apis[0].url}/metrics").text.splitlines()
    (value,) = [line.split()[1] for line in lines if line.startswith(f"{name} ")]
    return float(value)


def listed(stack: Stack) -> dict[str, str]:
    """Recipient and id of every mail that was given up, as the operator sees them."""
    found = stack.service.cli("mail", "list", "--json")
    assert found.returncode == 0, found.stderr
    return {mail["recipient"]: mail["id"] for mail in json.loads(found.stdout)}


def test_a_no_for_now_waits_a_no_for_ever_is_parked_and_redriven_and_others_pass_both(mailing: Stack) -> None:
    box = mailing.box
    box.answers = dict(ANSWERS)
    troubled = {who: [address(who) for _ in range(3)] for who in ANSWERS}
    for who in ("stalled", "unknown", "greylisted", "closing", "dropped"):  # nobody is to stand behind the first
        mailing.owe(*troubled[who])
        eventually(partial(box.asked.issuperset, troubled[who]), within=SOON)

    healthy = [address("healthy") for _ in range(50)]
    mailing.owe(*healthy)
    eventually(lambda: set(healthy) <= set(box.seen()), within=SOON)
    assert {mailing.fate(email) for email in troubled["stalled"]} == {(None, "")}, "the others waited for these"

    def settled(who: str) -> tuple[str | None, str] | None:
        fates = {mailing.fate(email) for email in troubled[who]}
        return fates.pop() if len(fates) == 1 and fates != {(None, "")} else None

    assert eventually(lambda: settled("closing")) == (None, "SMTP DATA: 421 4.3.2 closing")
    assert eventually(lambda: settled("greylisted")) == (None, "SMTP DATA: 450 4.2.0 greylisted")
    assert eventually(lambda: settled("unknown")) == ("parked", "SMTP DATA: 550 5.1.1 no such user")
    assert (eventually(lambda: settled("dropped"))[0], figure(mailing, "latchkey_outbox_parked")) == (None, 3)

    parked = listed(mailing)
    assert set(parked) == set(troubled["unknown"])
    box.answers = {"stalled": STALL}
    for id in parked.values():
        assert mailing.service.cli("mail", "redrive", id).returncode == 0
    arriving = {email for who in ("closing", "greylisted", "unknown") for email in troubled[who]}
    eventually(lambda: all(mailing.fate(email) == ("sent", "") for email in arriving), within=SOON)
    assert listed(mailing) == {}
    assert {box.seen()[email] for email in arriving} == {1}
    # Those at which the server hung up had been taken, which nobody can know: they are tried again, but not soon.
    later = "SELECT count(*) FROM mails WHERE recipient = ANY($1) AND due_at > now() + interval '10 minutes'"
    assert mailing.sql(later, troubled["dropped"])[0][0] == 3
    assert {box.seen()[email] for email in troubled["dropped"]} == {1}
    mailing.sql("UPDATE mails SET due_at = now() WHERE recipient = ANY($1)", troubled["dropped"])
    eventually(lambda: all(mailing.fate(email) == ("sent", "") for email in troubled["dropped"]), within=SOON)
    assert all(len({mail.as_bytes() for mail in box.mails(email)}) == 1 for email in troubled["dropped"])


def test_a_server_that_takes_its_time_gets_each_letter_once_and_holds_up_no_other(mailing: Stack) -> None:
    mailing.box.slowness = 35.0  # more than a lease has left when the last letter of a share is begun
    slow = [address("slow") for _ in range(20)]
    mailing.owe(*slow)
    eventually(lambda: len(mailing.box.asked & set(slow)) > 8, within=SOON)
    healthy = [address("beside") for _ in range(20)]
    mailing.owe(*healthy)
    eventually(lambda: set(healthy) <= set(mailing.box.seen()), within=SOON)
    assert not [email for email in slow if mailing.fate(email)[0]], "the others waited for these"
    eventually(lambda: all(mailing.fate(email) == ("sent", "") for email in slow), within=90)
    assert {mailing.box.seen()[email] for email in (*slow, *healthy)} == {1}


def test_a_sender_that_is_refused_costs_no_letter_and_the_operator_hears_of_it(mailing: Stack) -> None:
    mailing.box.mail_from = "550 5.7.60 client may not send as this sender"
    emails = [address("patient") for _ in range(20)]
    mailing.owe(*emails)
    note = "SMTP MAIL: 550 5.7.60 client may not send as this sender"
    eventually(lambda: {mailing.fate(email) for email in emails} == {(None, note)}, within=SOON)
    assert listed(mailing) == {}
    told = [line for line in mailing.workers[0].log.read_text().splitlines() if "mail_server_refuses" in line]
    assert 1 <= len(told) <= len(mailing.workers)  # once a process
    assert "5.7.60" in told[0]
    mailing.box.behave()
    mailing.sql("UPDATE mails SET due_at = now() WHERE outcome IS NULL")
    eventually(lambda: all(mailing.fate(email) == ("sent", "") for email in emails), within=SOON)
    assert {mailing.box.seen()[email] for email in emails} == {1}


def test_poison_ends_parked_others_flow_and_whoever_watches_sees_it(mailing: Stack) -> None:
    before = figure(mailing, "latchkey_outbox_parked")
    forged = ["a\r\nBcc: b@example.org", "a@example.org, b@example.org", "ünï@example.org", "", "x" * 3000]
    mailing.owe(*forged)
    nobody, unmakeable = address("nobody"), mailing.service.user("unmakeable")
    mailing.owe(nobody, kind="verify")
    # Its link was made at a moment that no calendar can add a day to.
    mailing.owe(unmakeable, kind="reset", created_at="infinity")
    # What a newer release owes is left to a worker of that release.
    mailing.owe("from.the@future.example.org", kind="a kind of tomorrow")
    mailing.sql("UPDATE mails SET due_at = now() - interval '1 hour' WHERE outcome IS NULL")
    healthy = [address("beside") for _ in range(50)]
    mailing.owe(*healthy)
    eventually(lambda: set(healthy) <= set(mailing.box.seen()), within=SOON)
    note = "The recipient is not one bare address; nothing was sent."
    eventually(lambda: {mailing.fate(email) for email in forged} == {("parked", note)})
    eventually(lambda: mailing.fate(nobody) == ("dropped", "no recipient"))

    eventually(lambda: mailing.fate(unmakeable) == (None, "Unexpected: OverflowError"))
    mailing.sql("UPDATE mails SET attempts = 9, due_at = now() WHERE recipient = $1", unmakeable)
    eventually(lambda: mailing.fate(unmakeable) == ("parked", "Unexpected: OverflowError"))
    assert figure(mailing, "latchkey_outbox_parked") == before + len(forged) + 1
    assert set(listed(mailing)) >= {unmakeable}
    assert mailing.fate("from.the@future.example.org") == (None, "")
    assert figure(mailing, "latchkey_outbox_lag_seconds") > 3000
    assert not set(mailing.box.asked) & {*forged, nobody, unmakeable}

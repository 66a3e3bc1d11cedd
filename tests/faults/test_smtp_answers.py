"""What a mail server says: some of it is for ever, some for now, and none of it holds up the letters to others."""

import json
from collections import Counter
from functools import partial

import httpx

from tests.contracts.smtp_servers import DROP, STALL
from tests.entrypoints.service import address, eventually
from tests.faults.stack import Stack

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
    assert (eventually(lambda: settled("dropped"))[0], figure(mailing, "latchkey_mails_parked")) == (None, 3)

    parked = listed(mailing)
    assert set(parked) == set(troubled["unknown"])
    box.answers = {"stalled": STALL}
    for id in parked.values():
        assert mailing.service.cli("mail", "redrive", id).returncode == 0
    arriving = {email for who in ("closing", "greylisted", "unknown", "dropped") for email in troubled[who]}
    eventually(lambda: all(mailing.fate(email) == ("sent", "") for email in arriving), within=SOON)
    assert listed(mailing) == {}
    # Those at which the server hung up had been taken, which nobody could know: as often as they were tried.
    tries = "SELECT recipient, attempts FROM mails WHERE recipient = ANY($1)"
    often = Counter(dict(mailing.sql(tries, troubled["dropped"])))
    assert all(often[email] == box.seen()[email] == len(box.mails(email)) >= 2 for email in troubled["dropped"])
    assert all(len({mail.as_bytes() for mail in box.mails(email)}) == 1 for email in troubled["dropped"])
    assert {box.seen()[email] for email in arriving - set(troubled["dropped"])} == {1}


def test_poison_ends_parked_others_flow_and_whoever_watches_sees_it(mailing: Stack) -> None:
    before = figure(mailing, "latchkey_mails_parked")
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
    eventually(lambda: mailing.fate(nobody) == ("dropped", "nobody to write to"))

    eventually(lambda: mailing.fate(unmakeable) == (None, "Unexpected: OverflowError"))
    mailing.sql("UPDATE mails SET attempts = 9, due_at = now() WHERE recipient = $1", unmakeable)
    eventually(lambda: mailing.fate(unmakeable) == ("parked", "Unexpected: OverflowError"))
    assert figure(mailing, "latchkey_mails_parked") == before + len(forged) + 1
    assert set(listed(mailing)) >= {unmakeable}
    assert mailing.fate("from.the@future.example.org") == (None, "")
    assert figure(mailing, "latchkey_mails_overdue_seconds") > 3000
    assert not set(mailing.box.asked) & {*forged, nobody, unmakeable}

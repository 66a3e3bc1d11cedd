"""What the SMTP server took while the database was away is known when that is back, so nobody sends it again."""

import time

from tests.support.fault_stack import Stack
from tests.support.service import address, eventually

AWAY = 4.0
"""Seconds: more than a worker waits to note what became of a letter."""

TOLD = 20.0
"""Seconds in which it is noted afterwards: less than is left of a lease."""

SENT = "SELECT count(*) FROM mails WHERE recipient = ANY($1) AND outcome = 'sent'"


def test_forty_letters_of_two_workers_go_out_once_though_the_database_is_away_for_four_seconds(
    mailing: Stack,
) -> None:
    box, emails = mailing.box, [address("letter") for _ in range(40)]
    box.pace = 1.0
    mailing.owe(*emails)
    eventually(lambda: len(box.taken) >= 12)
    with mailing.locked("mails"):
        time.sleep(AWAY)
    taken = list(box.seen())
    box.behave()
    eventually(lambda: mailing.sql(SENT, taken)[0][0] == len(taken), within=TOLD)
    eventually(lambda: mailing.owed() == 0, within=90)
    assert box.seen() == dict.fromkeys(emails, 1)

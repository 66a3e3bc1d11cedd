"""Outcomes of mails sent during a database outage are saved afterwards, so no mail is sent twice."""

import time

from tests.support.fault_stack import Stack
from tests.support.service import eventually, unique_email

AWAY = 4.0
"""Seconds; longer than a worker waits to save an outcome."""

OUTAGE_SECONDS = 20.0
"""Seconds until the outcome is saved; less than is left of a lease."""

SENT = "SELECT count(*) FROM mails WHERE recipient = ANY($1) AND outcome = 'sent'"


def test_mails_are_sent_once_despite_a_database_outage(
    stack_with_mail: Stack,
) -> None:
    smtp, emails = stack_with_mail.smtp, [unique_email("letter") for _ in range(40)]
    smtp.pace = 1.0
    stack_with_mail.queue_mails(*emails)
    eventually(lambda: len(smtp.accepted) >= 12)
    with stack_with_mail.locked("mails"):
        time.sleep(AWAY)
    taken = list(smtp.seen())
    smtp.reset()
    eventually(lambda: stack_with_mail.sql(SENT, taken)[0][0] == len(taken), within=OUTAGE_SECONDS)
    eventually(lambda: stack_with_mail.pending_mails() == 0, within=90)
    assert smtp.seen() == dict.fromkeys(emails, 1)

"""Two workers that are killed again and again during three hundred registrations."""

import signal
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle

from entrypoints.worker.outbox_worker import CONCURRENCY
from tests.support.fault_stack import Stack
from tests.support.service import PASSWORD, eventually, token_in, unique_email

PEOPLE, KILLS = 300, 8


def test_three_hundred_registrations_survive_eight_worker_deaths(stack_with_mail: Stack) -> None:
    emails = [unique_email("restless") for _ in range(PEOPLE)]
    clients = [stack_with_mail.client(number) for number in (0, 1)]
    stack_with_mail.smtp.pace = 0.05  # so that workers are killed while they send
    ways = cycle([signal.SIGKILL, signal.SIGTERM])

    def register(number: int) -> int:
        body = {"email": emails[number], "password": PASSWORD}
        return clients[number % 2].post("/v1/register", json=body).status_code

    def all_arrived(many: int) -> bool:
        return sum(stack_with_mail.smtp.seen().values()) >= many

    with ThreadPoolExecutor(4) as crowd:
        answers = [crowd.submit(register, number) for number in range(PEOPLE)]
        for kill in range(1, KILLS + 1):
            eventually(partial(all_arrived, kill * PEOPLE // (KILLS + 2)), within=60)
            worker = stack_with_mail.workers.pop(0)
            worker.process.send_signal(next(ways))
            stack_with_mail.add_worker()
            worker.process.wait()
        assert {answer.result() for answer in answers} == {202}

    # Mails of killed workers are due when their leases end. They end now.
    eventually(
        lambda: stack_with_mail.sql("SELECT count(*) FROM mails WHERE outcome IS NULL AND attempts = 0")[0][0] == 0
    )
    stack_with_mail.smtp.pace = 0.0
    stack_with_mail.stop_workers()
    orphans = stack_with_mail.pending_mails()
    stack_with_mail.sql("UPDATE mails SET due_at = now() WHERE outcome IS NULL")
    stack_with_mail.add_worker()
    stack_with_mail.add_worker()
    eventually(lambda: stack_with_mail.pending_mails() == 0)

    taken = stack_with_mail.smtp.seen()
    assert len(stack_with_mail.sql("SELECT id FROM users WHERE email = ANY($1)", emails)) == PEOPLE
    assert set(taken) == set(emails)
    # A killed worker leaves as many mails unfinished as it sends at a time; a stopped one finishes them.
    assert PEOPLE <= taken.total() <= PEOPLE + CONCURRENCY * KILLS // 2
    print(f"{PEOPLE} registered, {taken.total()} letters, {orphans} orphans")
    twice = [email for email in emails if taken[email] > 1]
    assert all(taken[email] <= 1 + KILLS // 2 for email in twice)
    assert all(len({mail.as_bytes() for mail in stack_with_mail.smtp.mails(email)}) == 1 for email in twice)
    assert len(stack_with_mail.smtp.copies()) == PEOPLE

    proven = (
        "SELECT count(*) FROM events JOIN users ON users.id = user_id WHERE email = ANY($1) AND action = 'verified'"
    )
    for email in emails:
        for mail in stack_with_mail.smtp.mails(email):
            assert clients[0].post("/v1/verify", json={"token": token_in(mail)}).status_code == 200
    assert stack_with_mail.sql(proven, emails)[0][0] == PEOPLE

"""All faults at random for minutes: in the end, every confirmed request is compared with the state of the service."""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from entrypoints.worker.outbox_worker import CONCURRENCY
from tests.support.fault_stack import Stack
from tests.support.fault_users import LoadUser, passed
from tests.support.service import eventually, token_in

SECONDS = int(os.environ.get("LEDGER_SECONDS", "120"))
PEOPLE = 6
# Longer than the test, so that tokens refused in the end are revoked, not expired.
SETTINGS = {"LATCHKEY_ACCESS_TTL": "3600"}


class LedgerUser(LoadUser):
    """A user who also follows links; `proven` are verified addresses, `resets` counts statuses."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.proven: list[str] = []
        self.resets: Counter[int] = Counter()

    def live(self) -> None:
        super().live()
        for fresh in random.sample(self.registered, min(3, len(self.registered))):
            if fresh not in self.proven and (mails := self.stack.smtp.mails(fresh)):
                passed(self.insist("/v1/verify", token=token_in(mails[0])))
                self.proven.append(fresh)
                break
        if random.random() < 0.3:
            self.reset_password()

    def reset_password(self) -> None:
        """Use a link twice concurrently, with two passwords: at most one succeeds."""
        before = len(self.stack.smtp.mails(self.email))
        self.insist("/v1/password/forgot", email=self.email)
        give_up = time.monotonic() + 5
        while len(letters := self.stack.smtp.mails(self.email)) == before:
            if time.monotonic() > give_up:
                return
            time.sleep(0.1)
        resets = [letter for letter in letters[before:] if "/reset?token=" in str(letter.get_body(("plain",)))]
        if not resets:
            return
        words = [f"{random.random()} a new one", f"{random.random()} another one"]
        link = token_in(resets[-1])

        def use(word: str) -> int:
            answer = self.ask("/v1/password/reset", token=link, new_password=word, confirm_password=word)
            return 0 if answer is None else answer.status_code

        with ThreadPoolExecutor(2) as both:
            statuses = list(both.map(use, words))
        assert statuses.count(204) <= 1, statuses
        assert set(statuses) <= {0, 204, 400}, statuses
        self.resets.update(statuses)
        worked = [word for word, status in zip(words, statuses, strict=True) if status == 204]
        unknown = [word for word, status in zip(words, statuses, strict=True) if status == 0]
        self.passwords = worked or [*self.passwords, *unknown]
        self.log_in()

    def audit(self) -> None:
        super().audit()
        for fresh in self.proven:
            [row] = self.stack.sql("SELECT verified_at FROM users WHERE email = $1", fresh)
            assert row["verified_at"] is not None, fresh
        for fresh in self.registered:
            assert self.stack.smtp.mails(fresh), f"no mail to {fresh}"


class Chaos:
    """Kills one part after another; each is back before the next is killed."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.kills: Counter[str] = Counter()

    def strike(self) -> None:
        blows: dict[str, Callable[[], None]] = {
            "api": self.api,
            "worker": self.worker,
            "postgres": self.postgres,
            "valkey": self.valkey,
            "smtp": self.smtp,
            "wire": self.wire,
        }
        name = random.choice(list(blows))
        blows[name]()
        self.kills[name] += 1

    def api(self) -> None:
        api = random.choice(self.stack.apis)
        api.kill()
        api.start()

    def worker(self) -> None:
        self.stack.kill_worker()
        self.stack.add_worker()

    def postgres(self) -> None:
        self.stack.postgres.kill()
        self.stack.postgres.start()

    def valkey(self) -> None:
        self.stack.valkey.kill()
        self.stack.valkey.start()

    def smtp(self) -> None:
        self.stack.smtp.close()
        time.sleep(2)
        self.stack.smtp.open()

    def wire(self) -> None:
        wire = random.choice((self.stack.to_postgres, self.stack.to_redis))
        self.stack.cut(wire)
        time.sleep(3)
        self.stack.mend(wire)


def test_random_faults_lose_no_confirmed_change_and_revive_no_session(stack_with_mail: Stack) -> None:
    stack_with_mail.smtp.pace = 0.02
    people, chaos, over = (
        [LedgerUser(stack_with_mail) for _ in range(PEOPLE)],
        Chaos(stack_with_mail),
        threading.Event(),
    )

    def live(person: LedgerUser) -> None:
        while not over.is_set():
            person.live()

    until = time.monotonic() + SECONDS
    with ThreadPoolExecutor(PEOPLE) as crowd:
        lives = [crowd.submit(live, person) for person in people]
        try:
            while time.monotonic() < until and not any(life.done() for life in lives):
                chaos.strike()
                over.wait(random.uniform(1, 4))
        finally:
            over.set()
        for life in lives:
            life.result()
    stack_with_mail.wait()

    # Mails of killed workers are due when their leases end. Live workers have finished by then; the leases end now.
    time.sleep(12)
    stack_with_mail.sql("UPDATE mails SET due_at = now() WHERE outcome IS NULL")
    eventually(lambda: stack_with_mail.pending_mails() == 0, within=60)
    for person in people:
        person.audit()
    copies = stack_with_mail.smtp.copies()
    deaths = chaos.kills["worker"] + chaos.kills["postgres"] + chaos.kills["wire"] + chaos.kills["smtp"]
    assert max(copies.values()) <= 1 + deaths
    assert copies.total() - len(copies) <= CONCURRENCY * deaths
    answers = sum((person.answers for person in people), Counter[int]())
    print(f"{SECONDS} s, killed {dict(chaos.kills)}, answers {dict(answers)}")
    print(
        f"{sum(len(person.registered) for person in people)} registered, {len(copies)} letters, "
        f"{copies.total() - len(copies)} duplicates, {sum(len(person.over) for person in people)} ended, 0 revived"
    )

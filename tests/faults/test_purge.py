"""A purge without pauses while simulated weeks pass, in steps around the retention limits."""

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.fault_stack import Stack, fault_stack
from tests.support.service import eventually
from tests.support.simulated_users import ACCESS, MAX_AGE, SimulatedUser

PEOPLE = 4
MINUTES, HOURS, DAYS = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WEEKS = [0 * MINUTES, 5 * MINUTES, 4 * MINUTES, 20 * MINUTES, 6 * HOURS, 20 * HOURS]
WEEKS += [6 * DAYS, 6.5 * DAYS, 6 * DAYS, 6 * DAYS, 4 * DAYS, 20 * HOURS, 8 * DAYS, 31 * DAYS]
"""The time between two rounds. In sum: just less than unverified users are kept, then just more while the newest link
is valid."""


class SharedClock:
    """The time of all processes, in a file that is replaced atomically."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.ahead = timedelta()
        self.advance(timedelta())

    def advance(self, much: timedelta) -> None:
        self.ahead += much
        fresh = self.file.with_suffix(".new")
        fresh.write_text(str(self.ahead.total_seconds()))
        fresh.replace(self.file)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def time(tmp_path: Path) -> SharedClock:
    return SharedClock(tmp_path / "skew")


@pytest.fixture
def old_stack(time: SharedClock, tmp_path: Path) -> Iterator[Stack]:
    """Two API processes and two workers that purge without pauses, all with the same clock."""
    with fault_stack(tmp_path) as stack:
        stack.service.environ |= {"SKEW": str(time.file), "LATCHKEY_SESSION_TTL": str(int(MAX_AGE.total_seconds()))}
        for _ in range(2):
            stack.add_api("tests.support.skewed_api")
            stack.workers.append(stack.service.start("tests.support.aggressive_purge_worker"))
        stack.wait()
        yield stack


def advance_time(stack: Stack, time: SharedClock, much: timedelta) -> None:
    """Advance the time of the processes and of the revocations in the database."""
    time.advance(much)
    stack.sql("UPDATE sessions SET raised_at = raised_at - $1::interval", much)


def remaining_rows(stack: Stack) -> dict[str, int]:
    tables = ("sessions", "mails", "address_changes", "events", "arrivals")
    counted = {table: stack.sql(f"SELECT count(*) FROM {table}")[0][0] for table in tables}
    return counted | {"claims": stack.sql("SELECT count(*) FROM users WHERE verified_at IS NULL")[0][0]}


def test_purge_removes_no_valid_row_and_revives_nothing(old_stack: Stack, time: SharedClock) -> None:
    """Ten weeks in 14 rounds with four users; Redis is emptied repeatedly."""
    people = [SimulatedUser(old_stack, time) for _ in range(PEOPLE)]
    with ThreadPoolExecutor(PEOPLE) as crowd:
        for number, much in enumerate(WEEKS):
            if much < ACCESS or number % 3 == 0:
                old_stack.redis().flushall()
            advance_time(old_stack, time, much)
            for life in [crowd.submit(person.live) for person in people]:
                life.result()
    eventually(lambda: old_stack.pending_mails() == 0)

    advance_time(old_stack, time, 500 * DAYS)
    eventually(lambda: not any(remaining_rows(old_stack).values()), within=60)
    for person in people:
        for link in person.links:
            person.follow(link)
        for stay in random.sample(person.sessions, 10):
            person.refresh(stay)
        assert len(old_stack.sql("SELECT 1 FROM users WHERE id = ANY($1)", person.proven)) == len(person.proven)
        assert person.log_in(person.email) is not None
    assert [worker.stop() for worker in old_stack.workers] == [0, 0]
    output = old_stack.service.folder.joinpath("aggressive_purge_worker.log").read_text()
    assert "purge_failed" not in output, output
    count = sum(len(person.sessions) + len(person.links) for person in people)
    print(f"answers {dict(sum((person.answers for person in people), Counter[int]()))}, {count} sessions and links")

"""PurgeWorker continues after an outage, stops at once, and runs in a real worker."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import anyio
import pytest

from adapters.uuid7 import lowest
from application.maintenance.purge_expired import PurgeExpired
from application.ports import ExpiredRows
from domain import retention
from domain.refusals import unavailable
from domain.retention import PurgeResult, RetentionCategory
from entrypoints.settings import LONGEST_ACCESS
from entrypoints.worker.purge_worker import PurgeWorker
from tests.support.service import PASSWORD, Service, eventually
from tests.support.sweeping import fetch

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class FakeExpiredRows(ExpiredRows):
    """Two rows of each category; the first read of a second page fails."""

    def __init__(self) -> None:
        self.asked: list[tuple[RetentionCategory, UUID | None]] = []
        self.rounds = asyncio.Event()

    async def purge(self, kind: RetentionCategory, *, now: datetime, after: UUID | None, limit: int) -> PurgeResult:
        self.asked.append((kind, after))
        if len(self.asked) in {2, 3}:
            raise unavailable("The database")
        if kind is list(RetentionCategory)[-1] and after is not None:
            self.rounds.set()
        return PurgeResult(1, lowest(NOW) if after is None else None)


def purge_worker(expired_rows: FakeExpiredRows, *, pass_pause: float = 3600) -> PurgeWorker:
    purge = PurgeExpired(expired_rows=expired_rows, clock=lambda: NOW)
    return PurgeWorker(purge, batch_pause=0, pass_pause=pass_pause, error_pause=0)


@pytest.mark.anyio
async def test_failed_batch_is_retried_before_the_other_categories() -> None:
    expired_rows = FakeExpiredRows()
    worker = purge_worker(expired_rows)
    with anyio.fail_after(60):
        working = asyncio.create_task(worker.work())
        await expired_rows.rounds.wait()
        worker.stop()
        await working
    first, *others = RetentionCategory
    failed = [(first, lowest(NOW))] * 2
    once = [(first, None), (first, lowest(NOW))]
    assert expired_rows.asked == [
        once[0],
        *failed,
        once[1],
        *((kind, at) for kind in others for at in (None, lowest(NOW))),
    ]


@pytest.mark.anyio
async def test_pause_ends_at_once_on_stop() -> None:
    expired_rows = FakeExpiredRows()
    worker = purge_worker(expired_rows)
    with anyio.fail_after(60):
        working = asyncio.create_task(worker.work())
        await expired_rows.rounds.wait()
        await asyncio.sleep(0)  # it pauses for an hour now
        assert not working.done()
        worker.stop()
        await working


@pytest.mark.anyio
async def test_purge_starts_again_after_a_pause() -> None:
    expired_rows = FakeExpiredRows()
    worker = purge_worker(expired_rows, pass_pause=0)
    with anyio.fail_after(60):
        working = asyncio.create_task(worker.work())
        for _ in range(3):
            await expired_rows.rounds.wait()
            expired_rows.rounds.clear()
        worker.stop()
        await working
    assert expired_rows.asked.count((next(iter(RetentionCategory)), None)) >= 3


def test_ended_sessions_are_kept_longer_than_any_token() -> None:
    assert retention.SESSION > 10 * LONGEST_ACCESS


OLD = """
    INSERT INTO sessions (id, user_id, generation, floor, created_at, rotated_at, expires_at, ended_at, end_reason,
                          user_agent, ip, raised_at)
    SELECT $1, $2, 1, 0, $3, $3, $3, $3, 'logout', '', '', $3
"""
OLD_MAIL = """
    INSERT INTO mails (id, kind, recipient, user_id, created_at, due_at, attempts, outcome, settled_at, note)
    SELECT $1, 'reset', 'old@example.org', $2, $3, $3, 1, 'sent', $3, ''
"""
OLD_EVENT = """
    INSERT INTO events (id, action, user_id, created_at, ip, user_agent, detail)
    SELECT $1, 'logged_in', $2, $3, '', '', ''
"""
OLD_CLAIM = "INSERT INTO users (id, email, password_hash, created_at) SELECT $1, 'c@example.org', '', $2"


def test_worker_purges_expired_rows_only(isolated_service: Service) -> None:
    isolated_service.start_api()
    member = isolated_service.member()
    claimant = isolated_service.client()
    claimant.post("/v1/register", json={"email": "claim@example.org", "password": PASSWORD})
    old = datetime.now(UTC) - timedelta(days=500)
    user_id = UUID(member.get("/v1/me").json()["id"])

    def ask(question: str, *values: object) -> list[object]:
        return asyncio.run(fetch(isolated_service, question, *values))

    def at(number: int) -> UUID:
        return UUID(int=lowest(old).int + number)

    for number in range(1, 4):
        for statement in (OLD, OLD_MAIL, OLD_EVENT):
            ask(statement, at(number), user_id, old)
        ask(OLD_CLAIM, at(number), old)
    tables = ("sessions", "mails", "events", "users")
    everything = " UNION ALL ".join(f"SELECT id FROM {table} WHERE id < $1" for table in tables)
    assert len(ask(everything, lowest(old + timedelta(days=1)))) == 12
    young = {
        table: len(ask(f"SELECT id FROM {table} WHERE id > $1", lowest(old + timedelta(days=1)))) for table in tables
    }

    workers = [isolated_service.start_worker() for _ in range(2)]
    eventually(lambda: not ask(everything, lowest(old + timedelta(days=1))), within=120)
    assert {table: len(ask(f"SELECT id FROM {table}")) for table in tables} == young
    assert [worker.stop() for worker in workers] == [0, 0]
    output = isolated_service.folder.joinpath("worker.log").read_text()
    assert "purge_failed" not in output
    assert member.get("/v1/me").status_code == 200

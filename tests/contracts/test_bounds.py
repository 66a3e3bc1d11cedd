"""The decision on limits and timeouts: its table has the numbers of the code, and tests exercise each row."""

import asyncio
import inspect
import re
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from adapters.mail import smtp_session
from adapters.passwords import argon2_hasher
from adapters.passwords.argon2_hasher import Argon2Hasher
from adapters.postgres import database, deadline
from adapters.postgres.unit_of_work import PostgresStore
from adapters.redis import clients, dramatiq_queue
from adapters.redis.blocklist import RedisBlocklist
from adapters.redis.dramatiq_queue import DramatiqNudge
from adapters.redis.rate_limiter import RedisRateLimiter
from application.mail.deliver_mail import DeliverMail
from domain.mail_timing import retry_delay, unanswered_delay
from entrypoints import api
from entrypoints.http import bounds, draining
from entrypoints.http.app import BODY_LIMIT
from entrypoints.worker import outbox_worker

ROOT = Path(__file__).resolve().parents[2]
_NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?")
_UNITS = {"minutes": 60, "KiB": 1024}


def numbers(row: str) -> list[float]:
    """The numbers of a row in order, in seconds and bytes."""
    return [
        float(match[0].replace(",", "")) * _UNITS.get(row[match.end() :].split(" ")[1].strip(), 1)
        for match in _NUMBER.finditer(row)
    ]


def table() -> dict[str, list[float]]:
    decision = ROOT.joinpath("docs/decisions/0065-limits-and-timeouts.md").read_text()
    rows = [line for line in decision.splitlines() if line.startswith("| ")]
    return {row.split("|")[1].strip(): numbers(row.replace("|", " | ")) for row in rows[1:]}


def default(made: type, name: str) -> float:
    """The default of a constructor's parameter, which the container uses."""
    return float(inspect.signature(made).parameters[name].default)


def seconds(name: str) -> float:
    [default_value] = [field.default for field in fields(DeliverMail) if field.name == name]
    assert isinstance(default_value, timedelta)
    return default_value.total_seconds()


LEASE = default(RedisBlocklist, "lease")
BOUNDS: dict[str, list[float]] = {
    "PostgreSQL, for a request or one task of a worker": [deadline.DEADLINE, 2.0, 10.0, 503],
    "connections to PostgreSQL": [database.POOL_SIZE, 503],
    # Until the lease has expired; then the last try may wait once more for the connection, and once for the answer.
    "a command to Redis": [clients.COMMAND_TIMEOUT, LEASE + 3 * clients.COMMAND_TIMEOUT],
    "hashing": [argon2_hasher.QUEUE, argon2_hasher.DEADLINE, 503],
    "a request": [BODY_LIMIT, bounds.HEAD_LIMIT, bounds.HEADERS, 413, 414, 431],
    "a connection": [bounds.HEAD_SECONDS, bounds.REQUEST_SECONDS, bounds.READ_SECONDS, bounds.CONNECTIONS],
    "sending a mail": [
        smtp_session.SmtpTimeouts().connecting,
        5321,
        outbox_worker.CONCURRENCY,
        outbox_worker.MAX_SLOW,
        seconds("lease"),
        retry_delay(1).total_seconds(),
        retry_delay(1000).total_seconds(),
        unanswered_delay(timedelta()).total_seconds(),
    ],
    "notifications to workers": [dramatiq_queue.BACKLOG],
    "shutdown": [draining.IDLE_GRACE, api.SHUTDOWN_GRACE, outbox_worker.SHUTDOWN_GRACE],
}

EXERCISED = {
    "PostgreSQL, for a request or one task of a worker": [
        "contracts/test_outages.py::test_statement_timeout_is_an_outage_and_keeps_the_pool_whole",
        "contracts/test_outages.py::test_a_deadline_covers_all_statements_of_a_unit_of_work",
        "contracts/test_outages.py::test_a_deadline_covers_all_units_of_work_of_a_request",
        "contracts/test_outages.py::test_server_ends_an_idle_transaction",
        "faults/test_database.py::test_requests_with_two_queries_are_answered_in_time",
        "faults/test_database.py::test_database_outage_is_answered_within_two_seconds_and_heals",
    ],
    "connections to PostgreSQL": [
        "contracts/test_outages.py::test_exhausted_pool_is_an_outage_without_further_effect",
        "faults/test_database.py::test_busy_database_is_answered_in_time_and_leaks_no_connection",
    ],
    "a command to Redis": [
        "contracts/test_blocklist.py::test_a_silent_redis_is_untrusted_until_it_answers",
        "contracts/test_blocklist.py::test_a_publication_without_an_answer_waits_for_the_lease_to_expire",
        "contracts/test_redis_rate_limiter.py::test_concurrent_callers_share_round_trips_and_one_connection",
        "contracts/test_redis_rate_limiter.py::test_silent_redis_costs_one_timeout",
    ],
    "hashing": [
        "contracts/test_hasher_under_load.py::test_sixty_four_wait_for_each_thread_and_the_next_is_refused",
        "contracts/test_hasher_under_load.py::test_caller_who_waits_too_long_is_refused_without_a_hash",
        "contracts/test_hasher_under_load.py::test_hashes_run_on_few_threads_of_low_priority",
    ],
    "a request": [
        "entrypoints/test_bad_input.py::test_body_over_32_kib_is_too_large_with_and_without_a_length",
        "entrypoints/test_bad_input.py::test_body_of_exactly_32_kib_is_accepted",
        "entrypoints/test_bad_input.py::test_url_or_headers_of_20_kb_are_too_large",
        "entrypoints/slow/test_protocol.py::test_endless_request_is_refused_early",
    ],
    "a connection": [
        "entrypoints/slow/test_protocol.py::test_stalled_client_is_disconnected",
        "entrypoints/slow/test_protocol.py::test_client_that_does_not_read_is_disconnected",
        "entrypoints/slow/test_protocol.py::test_one_client_cannot_take_all_connections",
        "entrypoints/slow/test_protocol.py::test_many_clients_cannot_take_all_connections",
    ],
    "sending a mail": [
        "contracts/test_smtp_trouble.py::test_slow_server_ends_at_the_deadline",
        "faults/test_smtp_answers.py::test_slow_server_gets_each_mail_once_and_delays_no_other",
        "application/test_deliver_mail_leases.py::test_the_mail_of_a_dead_worker_is_due_when_the_lease_ends",
        "application/test_deliver_mail_trouble.py::test_a_delayed_mail_is_retried_with_increasing_delays",
        "faults/test_stopped_workers.py::test_mails_of_a_stopped_worker_are_released_despite_a_stalled_server",
    ],
    "notifications to workers": [
        "contracts/test_dramatiq_queue.py::test_silent_redis_delays_nothing_and_excess_is_dropped",
        "entrypoints/test_worker.py::test_queued_mail_is_delivered_without_redis",
    ],
    "shutdown": [
        "faults/test_shutdown.py::test_rolling_restart_behind_nginx_shows_no_error",
        "faults/test_shutdown.py::test_queued_connections_are_served_before_the_stop",
        "faults/test_shutdown.py::test_silent_connection_does_not_delay_the_stop",
        "faults/test_stopped_workers.py::test_mails_of_a_stopped_worker_are_released_despite_a_stalled_server",
    ],
}


@pytest.mark.parametrize("what", BOUNDS)
def test_documented_bounds_match_the_code(what: str) -> None:
    assert table()[what] == BOUNDS[what]


def test_every_row_names_a_bound_and_tests_that_exist() -> None:
    assert set(table()) == set(BOUNDS) == set(EXERCISED)
    for test in [test for tests in EXERCISED.values() for test in tests]:
        path, name = test.split("::")
        assert f"def {name}(" in ROOT.joinpath("tests", path).read_text(), test


def test_defaults_of_the_adapters_are_the_named_constants() -> None:
    assert default(PostgresStore, "deadline") == deadline.DEADLINE
    assert default(RedisBlocklist, "deadline") == default(RedisRateLimiter, "deadline") == clients.COMMAND_TIMEOUT
    assert inspect.signature(dramatiq_queue.make_broker).parameters["deadline"].default == clients.COMMAND_TIMEOUT
    assert default(DramatiqNudge, "backlog") == dramatiq_queue.BACKLOG
    assert smtp_session.PROGRESS_INTERVAL < seconds("send_timeout") < seconds("lease")
    assert default(Argon2Hasher, "deadline") == argon2_hasher.DEADLINE
    assert outbox_worker.POLL_INTERVAL == 1.0


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_server_has_the_timeouts_and_the_pool_its_size(migrated: str) -> None:
    pool = database.Database(migrated)
    all_in_use = asyncio.Barrier(database.POOL_SIZE)
    in_use = most = 0

    async def use() -> None:
        nonlocal in_use, most
        async with pool.connection() as connection:
            for name, value in (("statement_timeout", "2s"), ("idle_in_transaction_session_timeout", "10s")):
                assert await connection.fetch_value(text(f"SHOW {name}")) == value
            in_use += 1
            most = max(most, in_use)
            await all_in_use.wait()
            in_use -= 1

    try:
        await asyncio.gather(*(use() for _ in range(3 * database.POOL_SIZE)))
    finally:
        await pool.close()
    assert most == database.POOL_SIZE

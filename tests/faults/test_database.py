"""Outages of PostgreSQL: requests are refused in time, and everything that was confirmed is there afterwards."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import httpx
import pytest

from adapters.postgres.fair_share import MAX_PER_SITE
from domain.role import Role
from tests.support.fault_stack import Stack
from tests.support.fault_users import LoadUser, passed
from tests.support.service import PASSWORD, code, eventually, unique_email, wait_for_growth

OUTAGE_SECONDS, HEALED = 2.0, 5.0
"""Seconds within which an outage is answered, and within which the service is back after the database is."""


@contextmanager
def kill_database(stack: Stack) -> Iterator[None]:
    stack.postgres.kill()
    yield
    stack.postgres.start()


@contextmanager
def drop_packets(stack: Stack) -> Iterator[None]:
    """Packets are dropped: connections are accepted, but never answered."""
    stack.cut(stack.to_postgres)
    yield
    stack.mend(stack.to_postgres)


@contextmanager
def lock_tables(stack: Stack) -> Iterator[None]:
    """The database answers, but every statement of the service waits for a lock."""
    with stack.locked("users, sessions, mails"):
        yield


def assert_refused_in_time(ask: Callable[[], httpx.Response]) -> None:
    began = time.monotonic()
    answer = ask()
    took = time.monotonic() - began
    # All come from one address, which may use only a part of the connections.
    assert (answer.status_code, code(answer)) in {(503, "unavailable"), (503, "overloaded")}, answer.text
    assert took < OUTAGE_SECONDS, f"{answer.request.url} took {took:.2f} s"


@pytest.mark.parametrize("outage", [kill_database, drop_packets, lock_tables])
def test_database_outage_is_answered_within_two_seconds_and_heals(
    stack: Stack, outage: Callable[[Stack], AbstractContextManager[None]]
) -> None:
    email = stack.service.user("member")
    member = stack.client().log_in(email)
    calls: list[Callable[[], httpx.Response]] = [
        lambda: member.post("/v1/login", json={"login": email, "password": PASSWORD}),
        member.renew,
        lambda: member.get("/v1/me"),
        lambda: member.post("/v1/logout"),
        lambda: member.post("/v1/register", json={"email": unique_email(), "password": PASSWORD}),
        lambda: member.post("/v1/password/forgot", json={"email": email}),
        lambda: member.get("/health/ready"),
    ]
    with outage(stack), ThreadPoolExecutor(len(calls)) as crowd:
        for _ in range(3):  # on open connections, and on new ones
            list(crowd.map(assert_refused_in_time, calls))
        # While the lease of the blocklist lasts, it vouches for tokens. Nothing renews it during the outage.
        eventually(lambda: member.get("/v1/forward-auth").status_code != 200)
        assert_refused_in_time(lambda: member.get("/v1/forward-auth"))
        assert "database" in member.get("/health/ready").json()["detail"]
        assert member.get("/health/live").status_code == 200
        assert member.get("/.well-known/jwks.json").status_code == 200
    stack.wait(within=HEALED)
    assert member.get("/v1/me").status_code == 200
    member.take(passed(member.renew()))
    assert member.post("/v1/logout").status_code == 204


def test_busy_database_is_answered_in_time_and_leaks_no_connection(
    stack: Stack,
) -> None:
    emails = [stack.service.user("waiting") for _ in range(3)]
    client = stack.client()
    with stack.locked("users, sessions, mails"), ThreadPoolExecutor(60) as crowd:
        calls = [partial(client.post, "/v1/password/forgot", json={"email": email}) for email in emails * 20]
        requests = [crowd.submit(assert_refused_in_time, call) for call in calls]
        while not all(one.done() for one in requests):
            for path in ("/health/live", "/.well-known/jwks.json"):
                assert client.get(path).status_code == 200
        for one in requests:
            one.result()
    stack.wait(within=HEALED)
    client.log_in(emails[0])
    busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'latchkey' AND state <> 'idle'"
    eventually(lambda: stack.sql(busy)[0][0] == 0, within=5)


def test_requests_with_two_queries_are_answered_in_time(stack: Stack) -> None:
    """The connections for this address are in use: a caller who gets one late has no time left for a second query."""
    email = stack.service.user("member")
    member = stack.client().log_in(email)
    token, auth = {"token": member.pair["access_token"]}, stack.service.program()
    introspect = partial(stack.client().post, "/v1/introspect", data=token, auth=auth)
    assert introspect().json()["active"]
    forget = partial(member.post, "/v1/password/forgot", json={"email": email})
    with stack.locked("users, mails"), ThreadPoolExecutor(50) as crowd:
        others = [crowd.submit(assert_refused_in_time, forget) for _ in range(30)]
        eventually(lambda: stack.waiting("INSERT INTO mails") >= MAX_PER_SITE)
        for one in [*[crowd.submit(assert_refused_in_time, introspect) for _ in range(20)], *others]:
            one.result()


@contextmanager
def make_readonly(stack: Stack) -> Iterator[None]:
    """Connections are read-only, as if the address led to a standby for a moment."""
    name = stack.sql("SELECT current_database()")[0][0]
    stack.sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    stack.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'latchkey'")
    yield
    stack.sql(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')


def test_read_only_database_leaves_no_stale_connection(
    stack: Stack,
) -> None:
    email = stack.service.user("member")
    member, other = stack.client().log_in(email), stack.client(1).log_in(email)
    asks = [partial(one.post, "/v1/password/forgot", json={"email": email}) for one in (member, other)]
    with ThreadPoolExecutor(20) as crowd:

        def all_written() -> bool:
            return {answer.status_code for ask in asks for answer in crowd.map(lambda it: it(), [ask] * 20)} == {202}

        with make_readonly(stack):
            for ask in asks * 3:
                list(crowd.map(assert_refused_in_time, [ask] * 20))
            assert_refused_in_time(member.renew)
            assert member.get("/v1/me").status_code == 200
        # A connection that was opened meanwhile and has only read may fail one more write.
        eventually(all_written, within=HEALED)
        assert all_written()
    member.take(passed(member.renew()))


@contextmanager
def fail_commits(stack: Stack, state: str) -> Iterator[None]:
    """Every commit with a write fails."""
    stack.sql(
        "CREATE FUNCTION no_commit() RETURNS trigger LANGUAGE plpgsql"
        f" AS $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$"
    )
    for table in ("users", "sessions", "mails"):
        stack.sql(
            f"CREATE CONSTRAINT TRIGGER no_commit AFTER INSERT OR UPDATE ON {table}"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION no_commit()"
        )
    try:
        yield
    finally:
        stack.sql("DROP FUNCTION no_commit CASCADE")


@pytest.mark.parametrize("state", ["53100", "40001", "40P01"], ids=["disk full", "not serialisable", "deadlock"])
def test_uncommitted_request_has_no_effect_and_can_be_retried(stack: Stack, state: str) -> None:
    email, fresh = stack.service.user("banned"), unique_email("fresh")
    admin = stack.client().log_in(stack.service.user("admin", role=Role.ADMIN))
    member, other = stack.client().log_in(email), stack.client(1).log_in(email)
    user = member.get("/v1/me").json()["id"]
    acts: dict[str, Callable[[], httpx.Response]] = {
        "register": lambda: member.post("/v1/register", json={"email": fresh, "password": PASSWORD}),
        "logout": lambda: member.post("/v1/logout"),
        "logout everywhere": lambda: member.post("/v1/logout/all"),
        "ban": lambda: admin.patch(f"/v1/users/{user}", json={"disabled": True}),
    }
    with fail_commits(stack, state):
        for act in acts.values():
            assert_refused_in_time(act)
        assert [caller.get("/v1/me").status_code for caller in (member, other)] == [200, 200]
        assert stack.sql("SELECT id FROM users WHERE email = $1", fresh) == []
        assert stack.sql("SELECT id FROM mails WHERE recipient = $1", fresh) == []
    assert acts["register"]().status_code == 202
    assert acts["logout"]().status_code == 204
    assert [caller.get("/v1/me").status_code for caller in (member, other)] == [401, 200]
    assert acts["ban"]().status_code == 200
    assert [code(caller.get("/v1/me")) for caller in (member, other)] == ["token_revoked"] * 2


# -- killed under load -----------------------------------------------------------------------------------


def test_a_database_killed_under_load_loses_nothing_and_revives_nothing(stack: Stack) -> None:
    people, over = [LoadUser(stack) for _ in range(4)], threading.Event()

    def live(person: LoadUser) -> int:
        rounds = 0
        while not over.is_set():
            person.live()
            rounds += 1
        return rounds

    with ThreadPoolExecutor(len(people)) as pool:
        lives = [pool.submit(live, person) for person in people]
        try:
            for _ in range(4):
                wait_for_growth(lambda: sum(len(person.over) for person in people), by=12)
                stack.postgres.kill()
                stack.postgres.start()
        finally:
            over.set()
        rounds = [life.result() for life in lives]
    stack.wait(within=HEALED)
    assert min(rounds) > 0
    for person in people:
        assert person.answers[503], "no request failed while the database was killed"
        person.audit()

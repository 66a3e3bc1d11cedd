"""Clocks that differ or are set back: tokens from the future are refused, and nothing is valid forever."""

from pathlib import Path

import pytest

from domain.role import Role
from tests.support.fault_stack import Stack
from tests.support.rolling import bearer
from tests.support.service import Client, code, eventually

RIGHT, WRONG = 0, 1


@pytest.fixture(scope="module")
def skew(module_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file with the skew of the second process in seconds, which that process reads all the time."""
    file = tmp_path_factory.mktemp("clock") / "skew"
    file.write_text("0")
    module_stack.apis.pop().stop()
    module_stack.add_api("tests.support.skewed_api", SKEW=str(file)).wait()
    return file


def code_of_me(stack: Stack, number: int, visitor: Client) -> str:
    """The error code of `GET /v1/me` at a process; empty if the token is accepted."""
    answer = stack.client(number).get("/v1/me", headers=bearer(visitor.pair["access_token"]))
    return "" if answer.status_code == 200 else code(answer)


@pytest.mark.parametrize("seconds", [20, -20])
def test_half_a_minute_of_skew_is_tolerated(stack: Stack, skew: Path, seconds: int) -> None:
    skew.write_text(str(seconds))
    visitor = stack.client(WRONG).log_in(stack.service.user("visitor"))
    for number in (RIGHT, WRONG, RIGHT):
        assert code_of_me(stack, RIGHT, visitor) == code_of_me(stack, WRONG, visitor) == ""
        visitor.take(stack.client(number).renew(visitor.pair["refresh_token"]))
        assert 0 < int(visitor.pair["expires_in"]) <= 600


def test_clock_five_minutes_ahead_costs_one_refresh(stack: Stack, skew: Path) -> None:
    skew.write_text("300")
    email = stack.service.user("ahead")
    visitor = stack.client(WRONG).log_in(email)
    assert (code_of_me(stack, WRONG, visitor), code_of_me(stack, RIGHT, visitor)) == ("", "token_invalid")
    visitor.take(stack.client(RIGHT).renew(visitor.pair["refresh_token"]))
    assert (code_of_me(stack, WRONG, visitor), code_of_me(stack, RIGHT, visitor)) == ("", "")
    assert stack.client(WRONG).post("/v1/logout", headers=bearer(visitor.pair["access_token"])).status_code == 204
    assert (code_of_me(stack, WRONG, visitor), code_of_me(stack, RIGHT, visitor)) == (
        "token_revoked",
        "token_revoked",
    )


def test_clock_eleven_minutes_behind_costs_one_refresh(stack: Stack, skew: Path) -> None:
    skew.write_text("-660")
    visitor = stack.client(WRONG).log_in(stack.service.user("behind"))
    assert (code_of_me(stack, WRONG, visitor), code_of_me(stack, RIGHT, visitor)) == ("", "token_expired")
    visitor.take(stack.client(RIGHT).renew(visitor.pair["refresh_token"]))
    assert code_of_me(stack, RIGHT, visitor) == ""
    assert 0 < int(visitor.pair["expires_in"]) <= 600
    assert stack.client(RIGHT).post("/v1/logout", headers=bearer(visitor.pair["access_token"])).status_code == 204
    assert "" not in {code_of_me(stack, WRONG, visitor), code_of_me(stack, RIGHT, visitor)}


@pytest.mark.parametrize("seconds", [-7200, 7200])
def test_revocations_survive_an_emptied_redis_with_a_wrong_clock(stack: Stack, skew: Path, seconds: int) -> None:
    """Ten times, because either process may renew the lease."""
    skew.write_text("0")
    logged_out, banned = (stack.client(RIGHT).log_in(stack.service.user(name)) for name in ("gone", "banned"))
    user = banned.get("/v1/me").json()["id"]
    skew.write_text(str(seconds))
    admin = stack.client(WRONG).log_in(stack.service.user("admin", role=Role.ADMIN))
    assert admin.patch(f"/v1/users/{user}", json={"disabled": True}).status_code == 200
    assert logged_out.post("/v1/logout").status_code == 204
    for _ in range(10):
        with stack.redis() as redis:
            redis.flushall()
            eventually(lambda: redis.exists("{latchkey}:complete"))
        for _ in range(5):
            assert (code_of_me(stack, RIGHT, logged_out), code_of_me(stack, RIGHT, banned)) == (
                "token_revoked",
                "token_revoked",
            )


def test_clock_set_back_an_hour_revives_and_locks_out_no_session(stack: Stack, skew: Path) -> None:
    skew.write_text("0")
    email = stack.service.user("back")
    logged_out, visitor = stack.client(WRONG).log_in(email), stack.client(WRONG).log_in(email)
    assert logged_out.post("/v1/logout").status_code == 204
    replaced = visitor.pair["refresh_token"]
    visitor.take(visitor.renew())
    skew.write_text("-3600")
    assert code_of_me(stack, WRONG, logged_out) != ""
    assert code(stack.client(WRONG).renew(logged_out.pair["refresh_token"])) == "session_ended"
    # The token is from the future now, so its client refreshes.
    assert code_of_me(stack, WRONG, visitor) == "token_invalid"
    visitor.take(stack.client(WRONG).renew(visitor.pair["refresh_token"]))
    assert code_of_me(stack, WRONG, visitor) == ""
    assert 0 < int(visitor.pair["expires_in"]) <= 600
    stack.client(WRONG).log_in(email)
    # The clock is right again: a token from an hour ago has expired.
    skew.write_text("0")
    assert code_of_me(stack, RIGHT, visitor) == code_of_me(stack, WRONG, visitor) == "token_expired"
    visitor.take(stack.client(RIGHT).renew(visitor.pair["refresh_token"]))
    assert code_of_me(stack, RIGHT, visitor) == ""
    assert code(stack.client(RIGHT).renew(replaced)) == "refresh_reused"


@pytest.mark.parametrize("seconds", [-20, 20])
def test_refresh_grace_is_judged_by_one_clock(stack: Stack, skew: Path, seconds: int) -> None:
    skew.write_text(str(seconds))
    visitor = stack.client(RIGHT).log_in(stack.service.user("twice"))
    for first, second in ((RIGHT, WRONG), (WRONG, RIGHT)):
        token = visitor.pair["refresh_token"]
        visitor.take(stack.client(first).renew(token))
        again = stack.client(second).renew(token)
        assert again.status_code == 200, code(again)
        assert again.json()["refresh_token"] == visitor.pair["refresh_token"]


def test_a_clock_ahead_does_not_extend_the_grace_period(stack: Stack, skew: Path) -> None:
    skew.write_text("20")
    visitor = stack.client(WRONG).log_in(stack.service.user("late"))
    token = visitor.pair["refresh_token"]
    visitor.take(stack.client(WRONG).renew(token))
    moved = "UPDATE sessions SET rotated_at = rotated_at - interval '11 seconds' WHERE ended_at IS NULL"
    stack.sql(moved)
    assert code(stack.client(RIGHT).renew(token)) == "refresh_reused"


def test_mail_from_a_process_with_a_fast_clock_is_not_delayed(stack: Stack, skew: Path) -> None:
    email = stack.service.user("soon")
    skew.write_text("20")
    assert stack.client(WRONG).post("/v1/password/forgot", json={"email": email}).status_code == 202
    due = "SELECT due_at <= now() FROM mails WHERE recipient = $1 AND kind = 'reset'"
    assert stack.sql(due, email)[0][0]

"""The caller's own account over HTTP: another name."""

import asyncio
from collections import Counter
from uuid import uuid4

import httpx
import pytest

from tests.entrypoints.service import PASSWORD, Service, address, code


def name() -> str:
    """One that nobody else in this run has."""
    return f"n{uuid4().hex[:20]}"


# -- another name --------------------------------------------------------------------------------------


def test_a_username_is_taken_changed_and_given_up(service: Service) -> None:
    member = service.member()
    before, first, second = member.get("/v1/me").json(), name(), name()
    for wanted in (first, first, first.upper(), second, None):
        answer = member.patch("/v1/me", json={"username": wanted})
        assert (answer.status_code, answer.json()) == (200, {**before, "username": wanted})
        assert member.get("/v1/me").json() == answer.json()
    events = [event["action"] for event in member.get("/v1/me/events").json()["items"]]
    assert events.count("username_changed") == 4
    assert code(member.post("/v1/login", json={"login": second, "password": PASSWORD})) == "invalid_credentials"


def test_a_username_that_cannot_be_had_is_refused_with_its_field(service: Service) -> None:
    taken = name()
    service.user("holder", username=taken)
    member, unproven = service.member(), service.client()
    email = address("unproven")
    unproven.post("/v1/register", json={"email": email, "password": PASSWORD})
    unproven.log_in(email)
    for client in (member, unproven):
        for wanted, said in (
            (taken, "username_taken"),
            (taken.upper(), "username_taken"),
            ("a b", "username_invalid"),
        ):
            answer = client.patch("/v1/me", json={"username": wanted})
            assert code(answer) == said
            assert [error["field"] for error in answer.json()["errors"]] == ["username"]
        assert client.get("/v1/me").json()["username"] is None


@pytest.mark.parametrize("field", ["role", "verified", "email", "id", "disabled", "password", "created_at"])
def test_nothing_else_about_oneself_can_be_set(service: Service, field: str) -> None:
    member = service.member()
    before = member.get("/v1/me").json()
    for value in ("admin", True, None):
        for body in ({field: value}, {"username": None, field: value}):
            assert code(member.patch("/v1/me", json=body)) == "malformed"
    assert code(member.patch("/v1/me", json={})) == "malformed"
    assert member.get("/v1/me").json() == before


@pytest.mark.anyio
async def test_of_twenty_who_want_one_name_at_once_one_gets_it(service: Service) -> None:
    wanted = name()
    members = [service.client().log_in(service.user(f"rival{number}")) for number in range(20)]
    async with httpx.AsyncClient(base_url=service.url, timeout=30) as client:
        asked = [
            client.patch("/v1/me", json={"username": wanted}, headers=dict(member.headers)) for member in members
        ]
        answers = await asyncio.gather(*asked)
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 19}
    assert {code(answer) for answer in answers if answer.status_code == 409} == {"username_taken"}

"""The caller's own account over HTTP: another name, and the end."""

import asyncio
from collections import Counter
from uuid import uuid4

import httpx
import pytest

from tests.entrypoints.service import PASSWORD, Service, address, code, eventually

LATER = "the password that comes later"


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


# -- the end -------------------------------------------------------------------------------------------


def delete(client: httpx.Client, password: str = PASSWORD) -> httpx.Response:
    return client.request("DELETE", "/v1/me", json={"password": password})


def test_an_account_is_deleted_with_everything_that_spoke_for_it(service: Service) -> None:
    here = service.member()
    there = service.client().log_in(here.email)
    here.post("/v1/password/forgot", json={"email": here.email})
    link = service.token(here.email)
    answer = delete(here)
    assert (answer.status_code, answer.content) == (204, b"")
    for client in (here, there):
        assert code(client.get("/v1/me")) == "token_revoked"
        assert code(client.renew()) == "session_ended"
    assert code(here.post("/v1/login", json={"login": here.email, "password": PASSWORD})) == "invalid_credentials"
    reset = {"token": link, "new_password": PASSWORD, "confirm_password": PASSWORD}
    assert code(here.post("/v1/password/reset", json=reset)) == "link_invalid"
    assert "deleted" in service.mail(here.email, 2)["subject"]
    assert code(delete(here)) == "token_revoked"


def test_whoever_has_the_address_later_finds_nothing_of_it(service: Service) -> None:
    taken, email = name(), address("again")
    old = service.client().log_in(service.user(email, username=taken))
    assert delete(old).status_code == 204
    new = service.client()
    assert new.post("/v1/register", json={"email": email, "password": PASSWORD, "username": taken}).status_code == 202
    found = [mail for mail in eventually(lambda: service.mails(email)[1:]) if "token=" in mail.as_string()]
    assert len(found) == 1
    assert new.post("/v1/verify", json={"token": service.token(email, 2)}).status_code == 200
    new.log_in(email)
    assert new.get("/v1/me").json()["username"] == taken
    assert len(new.get("/v1/sessions").json()["items"]) == 1
    events = [event["action"] for event in new.get("/v1/me/events").json()["items"]]
    assert events == ["logged_in", "verified", "registered"]
    assert code(old.get("/v1/me")) == "token_revoked"


def test_a_wrong_password_or_none_deletes_nothing(service: Service) -> None:
    member = service.member()
    answer = delete(member, "not the right password")
    assert code(answer) == "invalid_credentials"
    assert answer.json()["errors"][0]["field"] == "password"
    assert code(member.delete("/v1/me")) == "malformed"
    empty = member.request("DELETE", "/v1/me", headers={"Content-Type": "application/json"})
    assert code(empty) == "malformed"
    assert code(member.request("DELETE", "/v1/me", json={"password": PASSWORD, "id": "x"})) == "malformed"
    assert code(member.request("DELETE", "/v1/me", params={"password": PASSWORD})) == "malformed"
    assert member.get("/v1/me").status_code == 200


def test_the_last_admin_stays_and_one_among_others_may_go(apart: Service) -> None:
    apart.start_api()
    first = apart.admin()
    assert code(delete(first)) == "last_admin"
    second = apart.admin()
    assert delete(second).status_code == 204
    assert code(delete(first)) == "last_admin"
    assert first.get("/v1/me").status_code == 200


@pytest.mark.anyio
async def test_nothing_survives_the_end_of_an_account_that_it_races(service: Service) -> None:
    """Logins, renewals and a reset by link on the way: each fails, or is over when the end has been answered."""
    for _ in range(6):
        member = service.member()
        member.post("/v1/password/forgot", json={"email": member.email})
        reset = {"token": service.token(member.email), "new_password": LATER, "confirm_password": LATER}
        login = {"login": member.email, "password": PASSWORD}
        async with httpx.AsyncClient(base_url=service.url, timeout=30) as client:
            refresh = {"refresh_token": member.pair["refresh_token"]}
            end = client.request("DELETE", "/v1/me", json={"password": PASSWORD}, headers=dict(member.headers))
            others = [client.post("/v1/login", json=login), client.post("/v1/refresh", json=refresh)]
            others.append(client.post("/v1/password/reset", json=reset))
            ended, *answers = await asyncio.gather(end, *others, client.post("/v1/login", json=login))
            assert not [answer.status_code for answer in answers if answer.status_code == 500]
            pairs = [member.pair, *(answer.json() for answer in answers if answer.status_code == 200)]
            if ended.status_code != 204:  # the reset was first: the password is not theirs any more
                assert code(ended) in {"invalid_credentials", "token_revoked"}
                assert answers[2].status_code == 204
            else:
                assert code(answers[2]) == "link_invalid"
                again = await client.post("/v1/login", json={**login, "password": LATER})
                assert code(again) == "invalid_credentials"
            for pair in pairs:
                bearer = {"Authorization": f"Bearer {pair['access_token']}"}
                assert (await client.get("/v1/me", headers=bearer)).status_code == 401
                again = await client.post("/v1/refresh", json={"refresh_token": pair["refresh_token"]})
                assert again.status_code == 401

"""Cookies of sessions and step-ups that are planted, stolen from another session, or over."""

from entrypoints.http.cross_site import SESSION_TOKEN
from tests.support.page import SAME_ORIGIN
from tests.support.service import Service, code
from tests.support.visitor import COOKIE, STEP_UP, cookie_of, step_up_of, wait_for_the_next_second


def test_second_session_cookie_makes_neither_count(service: Service) -> None:
    """Cookie tossing: a page of a sibling host has set one for the whole domain."""
    email = service.user("tossed")
    own, other = (cookie_of(service.url, email) for _ in range(2))
    client = service.client()
    for sent in (f"{own}; {other}", f"{other}; {own}", f"{own}; {own}", f"{own}; a=b; {COOKIE}="):
        assert code(client.get("/v1/forward-auth", headers={"Cookie": sent})) == "token_missing"
    apart = [("Cookie", own), ("Cookie", other)]
    assert code(client.get("/v1/forward-auth", headers=apart)) == "token_missing"


def test_step_up_counts_in_its_own_session_only(service: Service) -> None:
    email, stranger = service.user("owner"), service.user("stranger")
    mine, elsewhere, theirs = (cookie_of(service.url, one) for one in (email, email, stranger))
    client = service.client()

    def authenticated_at(cookie: str, step_up: str = "") -> int:
        sent = f"{cookie}; {STEP_UP}={step_up}" if step_up else cookie
        answer = client.get("/v1/forward-auth", headers={"Cookie": sent})
        assert answer.status_code == 200, answer.text
        return int(answer.headers["x-auth-time"])

    at = {cookie: authenticated_at(cookie) for cookie in (mine, elsewhere, theirs)}
    wait_for_the_next_second(max(at.values()))
    stepped = step_up_of(service, mine)
    assert authenticated_at(mine, stepped) > at[mine]
    assert authenticated_at(mine) == at[mine]
    for cookie in (elsewhere, theirs):
        assert authenticated_at(cookie, stepped) == at[cookie]
    for wrong in (stepped[:-3], "x", mine.partition("=")[2], f"{stepped}; {STEP_UP}=x", f"x; {STEP_UP}={stepped}"):
        assert authenticated_at(mine, wrong) == at[mine]
    token = service.client().post(SESSION_TOKEN, headers=SAME_ORIGIN | {"Cookie": f"{mine}; {STEP_UP}={stepped}"})
    bearer = {"Authorization": f"Bearer {token.json()['access_token']}"}
    assert int(client.get("/v1/forward-auth", headers=bearer).headers["x-auth-time"]) == at[mine]
    client.post("/sign-out", headers=SAME_ORIGIN | {"Cookie": mine})
    over = client.get("/v1/forward-auth", headers={"Cookie": f"{mine}; {STEP_UP}={stepped}"})
    assert (over.status_code, over.json()["code"]) == (401, "token_revoked")

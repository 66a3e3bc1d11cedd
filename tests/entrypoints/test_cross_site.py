"""Requests that pages of other sites make in a person's name, for every route; and where the API reads the cookie."""

from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest
from litestar import Litestar

from domain.role import Role
from entrypoints.http.cross_site import SESSION_TOKEN
from entrypoints.http.guard import policy_of
from entrypoints.http.identify import Credential
from tests.support.in_process import GOOD, inside
from tests.support.page import SAME_ORIGIN
from tests.support.service import Service, code
from tests.support.sweeping import stored_rows
from tests.support.visitor import STEP_UP, Visitor, cookie_of, sign_in

SAFE = {"GET", "HEAD", "OPTIONS"}
FOREIGN: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "Same-Origin"},
    {"Sec-Fetch-Site": ""},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {},
]
"""What a browser says, or does not say, about a request that does not come from a page of ours."""


def routes(application: Litestar) -> Iterator[tuple[str, str]]:
    """Method and path of every call."""
    for path in application.state.paths:
        names = {name: str(uuid4()) for name in ("user_id", "session_id", "factor_id", "invitation_id", "mail_id")}
        names |= {"client_id": str(uuid4()), "name": "x", "path": "x"}
        for method in sorted(path.methods):
            yield method, path.template.format_map(names)


def test_unsafe_request_of_another_site_is_refused_everywhere(service: Service, application: Litestar) -> None:
    admin = service.user("admin", role=Role.ADMIN)
    cookie = cookie_of(service.url, admin)
    unsafe = [(method, path) for method, path in routes(application) if method not in SAFE]
    assert len(unsafe) > 50
    assert {path for _, path in unsafe} >= {"/sign-in", "/sign-out", "/v1/me", "/v1/login", SESSION_TOKEN}
    before = stored_rows(service)
    client = service.client()
    for method, path in unsafe:
        for number, said in enumerate(FOREIGN):
            sent = cookie if number % 2 else f"{STEP_UP}=x; {cookie}"
            answer = client.request(method, path, headers=said | {"Cookie": sent})
            assert (answer.status_code, code(answer)) == (403, "cross_site"), (method, path, said)
            assert "set-cookie" not in answer.headers
    assert stored_rows(service) == before
    assert client.post("/sign-out", headers=SAME_ORIGIN | {"Cookie": cookie}).status_code == 303


def test_other_sites_open_pages_but_do_not_embed_them(service: Service, application: Litestar) -> None:
    """A sibling host could otherwise use up limits, or measure what a person sees: its requests carry the cookie."""
    client, cookie = service.client(), {"Cookie": cookie_of(service.url, service.user("embedded"))}
    shown = {path.template for path in application.state.paths if path.is_page and "GET" in path.methods}
    for method, path in routes(application):
        if method not in {"GET", "HEAD"} or path not in shown:
            continue
        for site, kind in (
            ("same-site", "image"),
            ("same-site", "iframe"),
            ("cross-site", "script"),
            ("same-site", "empty"),
        ):
            said = {"Sec-Fetch-Site": site, "Sec-Fetch-Dest": kind}
            assert client.request(method, path, headers=said | cookie).status_code == 403, (path, said)
    for site in ("cross-site", "same-site", "none"):
        said = {"Sec-Fetch-Site": site, "Sec-Fetch-Dest": "document"}
        assert client.get("/account", headers=said | cookie).status_code == 200
    assert (
        client.get("/sign-in", headers={"Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "iframe"}).status_code == 200
    )


def test_api_reads_the_cookie_at_two_paths_only(service: Service, application: Litestar) -> None:
    cookie = {"Cookie": cookie_of(service.url, service.user("admin", role=Role.ADMIN))}
    before, client = stored_rows(service), service.client()
    tried = 0
    for route in application.routes:
        for handler in getattr(route, "route_handlers", []):
            policy = policy_of(handler)
            if policy is None or not route.path.startswith("/v1/") or not (policy.caller or policy.client):
                continue
            path = route.path_format.format_map(dict.fromkeys(route.path_parameters, str(uuid4())))
            for method in set(handler.http_methods) - {"OPTIONS"}:
                answer = client.request(method, path, headers=SAME_ORIGIN | cookie)
                if policy.credential is not Credential.TOKEN:
                    assert (path, answer.status_code) in {("/v1/forward-auth", 200), (SESSION_TOKEN, 200)}
                    continue
                tried += 1
                assert (answer.status_code, code(answer)) == (
                    (401, "invalid_credentials") if policy.client else (401, "token_missing")
                ), (method, path)
    assert tried > 25
    assert stored_rows(service) == before


@pytest.mark.parametrize("said", FOREIGN[:3] + FOREIGN[5:7], ids=str)
def test_form_of_another_site_cannot_sign_a_person_in(service: Service, said: dict[str, str]) -> None:
    """Login CSRF: the person would go on in the account of the attacker."""
    with httpx.Client(base_url=service.url) as client:
        answer = client.post("/sign-in", data={"login": "a", "password": "b"}, headers=said)
        assert (answer.status_code, code(answer)) == (403, "cross_site")
        answer = client.post("/v1/login", json={"login": "a", "password": "b"}, headers=said)
        assert code(answer) == "invalid_credentials"


def test_old_browser_is_known_by_its_origin(service: Service) -> None:
    email = service.user("old")
    with httpx.Client(base_url=service.url, headers={"Origin": service.url}) as client:
        sign_in(client, email)
        assert client.post(SESSION_TOKEN).status_code == 200
        for other in (f"{service.url}/", f"{service.url}.evil.example", service.url.upper(), "http://localhost"):
            assert code(client.post(SESSION_TOKEN, headers={"Origin": other})) == "cross_site"
        twice = [("Origin", service.url), ("Origin", "https://evil.example")]
        assert client.post(SESSION_TOKEN, headers=twice).status_code in {400, 403}
        assert client.post("/sign-out").status_code == 303


def test_session_token_is_a_bearer_and_ends_with_the_session(service: Service) -> None:
    email = service.user("visitor")
    browser = Visitor(service).sign_in(email)
    tokens = [browser.post(SESSION_TOKEN).json() for _ in range(3)]
    assert {token["expires_in"] for token in tokens} == {600}
    assert len({token["access_token"] for token in tokens}) == 3
    api = service.client()
    api.headers["Authorization"] = f"Bearer {tokens[0]['access_token']}"
    me = api.get("/v1/me")
    assert (me.status_code, me.json()["email"]) == (200, email)
    [current] = [one for one in api.get("/v1/sessions").json()["items"] if one["current"]]
    assert browser.post("/sign-out").status_code == 303
    assert code(api.get("/v1/me")) == "token_revoked"
    assert code(browser.post(SESSION_TOKEN)) == "token_missing"
    again = service.client().log_in(email)
    assert current["id"] not in {one["id"] for one in again.get("/v1/sessions").json()["items"]}


def test_session_token_takes_no_bearer(service: Service) -> None:
    member = service.member()
    assert code(member.post(SESSION_TOKEN, headers=SAME_ORIGIN)) == "token_missing"


@pytest.mark.anyio
async def test_allowed_origin_of_the_same_site_gets_a_session_token(service: Service) -> None:
    cookie = {"Cookie": cookie_of(service.url, service.user("app"))}
    async with inside(service, LATCHKEY_CORS_ORIGINS=GOOD) as client:
        for sites in ({"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "same-origin"}, {}):
            answer = await client.post(SESSION_TOKEN, headers=cookie | sites | {"Origin": GOOD})
            assert answer.status_code == 200, (sites, answer.text)
            assert answer.headers["access-control-allow-origin"] == GOOD
            assert answer.headers["access-control-allow-credentials"] == "true"
            assert answer.headers["cache-control"] == "no-store"
        for said in (*FOREIGN, {"Sec-Fetch-Site": "cross-site", "Origin": GOOD}):
            answer = await client.post(SESSION_TOKEN, headers=cookie | said)
            assert code(answer) == "cross_site", said
        # With the cookie, it may call nothing else, and read no answer of a request with credentials.
        same_site = cookie | {"Sec-Fetch-Site": "same-site", "Origin": GOOD}
        answer = await client.post("/v1/logout", headers=same_site)
        assert code(answer) == "cross_site"
        assert "access-control-allow-credentials" not in answer.headers
        preflight = {"Origin": GOOD, "Access-Control-Request-Method": "POST"}
        allowed = await client.options(SESSION_TOKEN, headers=preflight)
        assert allowed.headers["access-control-allow-credentials"] == "true"
        assert (await client.options(SESSION_TOKEN, headers=preflight | {"Origin": "https://x"})).status_code == 403


@pytest.mark.anyio
async def test_origin_leaves_out_the_port_that_its_scheme_implies(service: Service) -> None:
    async with inside(service, LATCHKEY_PUBLIC_URL="https://accounts.good.example:443") as client:
        form = {"login": "x", "password": "x"}
        own, foreign = {"Origin": "https://accounts.good.example"}, {"Origin": "https://accounts.good.example:8443"}
        assert (await client.post("/sign-in", data=form, headers=own)).status_code == 401
        assert (await client.post("/sign-in", data=form, headers=foreign)).status_code == 403

"""Forward auth by the cookie of a browser session, and the way of a browser to the sign-in page and back."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from domain.role import Role
from tests.support.in_process import inside
from tests.support.page import SAME_ORIGIN
from tests.support.service import PASSWORD, Service, code
from tests.support.totp_app import add_totp
from tests.support.visitor import COOKIE, STEP_UP, cookie_of, step_up_of

pytestmark = pytest.mark.anyio

ASK = "/v1/forward-auth"
NOTES, PLAIN = "https://notes.example.org", "http://notes.example.org"
OTHER = "http://localhost:9000"
PAGE = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "X-Forwarded-Host": "notes.example.org"}


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with inside(service, LATCHKEY_PROTECTED_ORIGINS=f"{NOTES}, {PLAIN}, {OTHER}") as client:
        yield client


async def page_after_sign_in(client: httpx.AsyncClient, service: Service, location: str) -> str:
    """Where the browser is at last, after signing in at that URL."""
    assert location.startswith(f"{service.url}/sign-in?return_to="), location
    [return_to] = parse_qs(urlsplit(location).query)["return_to"]
    form = {"login": service.user("visitor"), "password": PASSWORD, "return_to": return_to}
    answer = await client.post("/sign-in", data=form, headers=SAME_ORIGIN)
    client.cookies.clear()
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


@pytest.mark.parametrize("role", Role)
def test_cookie_has_the_headers_of_a_bearer(service: Service, role: Role) -> None:
    email = service.user(role, role=role)
    bearer = service.client().log_in(email)
    by_cookie = service.client().get(ASK, headers={"Cookie": cookie_of(service.url, email)})
    by_bearer = bearer.get(ASK)
    assert (by_cookie.status_code, by_cookie.content) == (200, b"")
    for name in ("user", "role", "verified", "acr"):
        assert by_cookie.headers[f"x-auth-{name}"] == by_bearer.headers[f"x-auth-{name}"]
    assert by_cookie.headers["x-auth-session"] != by_bearer.headers["x-auth-session"]
    assert "set-cookie" not in by_cookie.headers


def test_cookie_needs_the_role_and_the_level_like_a_bearer(service: Service) -> None:
    cookie = {"Cookie": cookie_of(service.url, service.user("moderator", role=Role.MODERATOR))}
    client = service.client()
    assert client.get(f"{ASK}?role=moderator&acr=aal1&max_age=300", headers=cookie).status_code == 200
    assert code(client.get(f"{ASK}?role=admin", headers=cookie)) == "role_required"
    assert code(client.get(f"{ASK}?acr=aal2", headers=cookie)) == "step_up_required"
    assert code(client.get(f"{ASK}?role=king", headers=cookie)) == "malformed"


def test_authorization_header_wins_over_the_cookie(service: Service) -> None:
    cookie = {"Cookie": cookie_of(service.url, service.user("both"))}
    client = service.member()
    assert client.get(ASK, headers=cookie).headers["x-auth-session"] == client.pair["session_id"]
    client.headers["Authorization"] = "Bearer invalid"
    assert code(client.get(ASK, headers=cookie)) == "token_invalid"


@pytest.mark.parametrize("scheme", ["https", "http", None])
async def test_browser_returns_to_the_page_that_it_asked_for(
    client: httpx.AsyncClient, service: Service, scheme: str | None
) -> None:
    proxy = PAGE | {"X-Forwarded-Uri": "/a/b?c=%2F&d=//x"} | ({"X-Forwarded-Proto": scheme} if scheme else {})
    answer = await client.get(ASK, headers=proxy)
    assert (answer.status_code, answer.content, answer.headers["cache-control"]) == (302, b"", "no-store")
    there = await page_after_sign_in(client, service, answer.headers["location"])
    assert there == f"{PLAIN if scheme == 'http' else NOTES}/a/b?c=%2F&d=//x"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("@evil.example/", "/"),
        (".evil.example/", "/"),
        ("/\x7fx", "/"),
        (f"/{'x' * 3000}", "/"),
        (f"/{'x' * 1500}", f"/{'x' * 1500}"),
        ("/@evil.example//", "/@evil.example//"),
    ],
)
async def test_no_path_of_a_proxy_leads_to_another_host(
    client: httpx.AsyncClient, service: Service, path: str, expected: str
) -> None:
    answer = await client.get(ASK, headers=PAGE | {"X-Forwarded-Uri": path})
    there = await page_after_sign_in(client, service, answer.headers["location"])
    assert there == NOTES + expected


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Accept": "application/json", "X-Forwarded-Host": "notes.example.org"},
        {"Accept": "*/*", "X-Forwarded-Host": "notes.example.org"},
        {"Accept": "text/html"},
        {"Accept": "text/html", "X-Forwarded-Host": "evil.example"},
        {"Accept": "text/html", "X-Forwarded-Host": "notes.example.org.evil.example"},
        {"Accept": "text/html", "X-Forwarded-Host": "notes.example.org, evil.example"},
        {"Accept": "text/html", "X-Forwarded-Host": "notes.example.org:8443"},
        {"Accept": "text/html", "Host": "notes.example.org"},
        PAGE | {"Authorization": "Bearer invalid"},
    ],
    ids=str,
)
async def test_programs_and_other_hosts_get_401(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await client.get(ASK, headers=headers)
    assert answer.status_code == 401
    assert code(answer) in {"token_missing", "token_invalid"}
    assert "location" not in answer.headers


async def test_host_twice_gets_401_and_another_spelling_is_known(client: httpx.AsyncClient) -> None:
    twice = [*PAGE.items(), ("X-Forwarded-Host", "notes.example.org")]
    assert (await client.get(ASK, headers=twice)).status_code == 401
    for spelling in ("NOTES.example.org", "notes.example.org:443"):
        assert (await client.get(ASK, headers=PAGE | {"X-Forwarded-Host": spelling})).status_code == 302
    by_port = PAGE | {"X-Forwarded-Host": "localhost:9000", "X-Forwarded-Proto": "https"}
    assert (await client.get(ASK, headers=by_port)).status_code == 302


@pytest.mark.parametrize("cookie", ["", "x", "a; latchkey=b"])
async def test_dead_cookie_leads_to_the_sign_in_page(client: httpx.AsyncClient, cookie: str) -> None:
    assert (await client.get(ASK, headers=PAGE | {"Cookie": f"latchkey={cookie}"})).status_code == 302


async def test_lacking_a_role_is_403_for_browsers_too(client: httpx.AsyncClient, service: Service) -> None:
    """Signing in again would not help, so it must not lead there."""
    cookie = {"Cookie": cookie_of(service.url, service.user("member"))}
    assert code(await client.get(f"{ASK}?role=admin", headers=PAGE | cookie)) == "role_required"


async def test_browser_of_a_person_who_must_add_a_factor_is_led_there(service: Service) -> None:
    cookie = {"Cookie": cookie_of(service.url, service.user("moderator", role=Role.MODERATOR))}
    async with inside(service, LATCHKEY_PROTECTED_ORIGINS=NOTES, LATCHKEY_REQUIRE_FACTOR="moderator") as client:
        answer = await client.get(ASK, headers=PAGE | cookie)
        assert answer.status_code == 302, answer.text
        page = await client.get(answer.headers["location"], headers=cookie)
        assert (page.url.path, page.status_code) == ("/account/factors", 200)
        assert code(await client.get(ASK, headers=cookie)) == "factor_required"


async def test_browser_confirms_a_session_if_the_account_can(client: httpx.AsyncClient, service: Service) -> None:
    email = service.user("owner")
    cookie = cookie_of(service.url, email)
    asked = f"{ASK}?acr=aal2"
    assert code(await client.get(asked, headers=PAGE | {"Cookie": cookie})) == "step_up_required"
    by_api = service.client().log_in(email)
    app, _ = add_totp(by_api)
    answer = await client.get(asked, headers=PAGE | {"Cookie": cookie})
    assert answer.status_code == 302, answer.text
    assert answer.headers["location"].startswith(f"{service.url}/confirm?return_to=")
    assert answer.headers["location"].endswith("&acr=aal2")
    assert code(await client.get(f"{ASK}?acr=phr", headers=PAGE | {"Cookie": cookie})) == "step_up_required"
    assert code(await client.get(asked, headers={"Cookie": cookie})) == "step_up_required"

    stepped = step_up_of(service, cookie, totp=app.code())
    confirmed = PAGE | {"Cookie": f"{cookie}; {STEP_UP}={stepped}"}
    answer = await client.get(f"{asked}&max_age=300", headers=confirmed)
    assert (answer.status_code, answer.headers["x-auth-acr"]) == (200, "aal2")


@pytest.mark.parametrize(
    "target", ["/https://evil.example/", "/javascript://x/%0aalert(1)", "//evil.example", "/\\x"]
)
async def test_sign_in_never_leads_to_another_host(client: httpx.AsyncClient, service: Service, target: str) -> None:
    form = {"login": service.user("lured"), "password": PASSWORD, "return_to": target}
    answer = await client.post("/sign-in", data=form, headers=SAME_ORIGIN)
    assert answer.status_code == 303
    url = answer.url.join(answer.headers["location"])
    assert (url.scheme, url.netloc) == (answer.url.scheme, answer.url.netloc)
    assert not answer.headers["location"].startswith(("http", "java", "//"))


async def test_form_of_a_sign_in_may_lead_to_its_protected_page_only(client: httpx.AsyncClient) -> None:
    """Browsers apply `form-action` to the redirect after the form."""
    answer = await client.get(ASK, headers=PAGE)
    page = await client.get(answer.headers["location"])
    form = {"login": "x", "password": "wrong", "return_to": page.url.params["return_to"]}
    refused = await client.post("/sign-in", data=form, headers=SAME_ORIGIN)
    assert refused.status_code == 401
    for shown in (page, refused):
        assert f"form-action 'self' {NOTES};" in shown.headers["content-security-policy"]
    forged = f"{answer.headers['location']}x"
    for other in ("/sign-in", "/sign-in?return_to=/account", f"/sign-in?return_to={NOTES}/", forged):
        assert "form-action 'self';" in (await client.get(other)).headers["content-security-policy"]


async def test_session_over_https_is_read_from_its_own_cookie_only(service: Service) -> None:
    async with inside(service, LATCHKEY_PUBLIC_URL="https://localhost") as client:
        form = {"login": service.user("secure"), "password": PASSWORD}
        answer = await client.post("/sign-in", data=form, headers=SAME_ORIGIN)
        [cookie] = [it for it in answer.headers.get_list("set-cookie") if it.startswith("__Host-latchkey=")]
        assert {part.strip().lower() for part in cookie.split(";")[1:]} >= {
            *("secure", "httponly", "samesite=lax", "path=/", "max-age=2592000")
        }
        assert "domain" not in cookie.lower()
        value = cookie.partition(";")[0]
        client.cookies.clear()
        assert (await client.get(ASK, headers={"Cookie": value})).status_code == 200
        for other in (value.removeprefix("__Host-"), value.lower(), f"{value}; {COOKIE}=x; {value}", f"x{value}"):
            assert code(await client.get(ASK, headers={"Cookie": other})) == "token_missing", other

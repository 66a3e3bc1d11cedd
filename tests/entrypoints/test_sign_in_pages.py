"""Sign-in pages over HTTP: passwords, second factors, passkeys, and what a browser session begins and ends with."""

import json
import re
from dataclasses import replace
from urllib.parse import quote, urljoin

import httpx
import pytest

from domain.challenge import LIFETIME, ChallengePurpose
from entrypoints.container import Container
from entrypoints.settings import load
from tests.support.authenticator import SoftwareAuthenticator
from tests.support.factor_users import add_passkey
from tests.support.page import SAME_ORIGIN, Document, fill_in
from tests.support.service import PASSWORD, Client, Service, code
from tests.support.totp_app import TotpApp, add_totp


def sign_in(client: httpx.Client, login: str, password: str = PASSWORD, **query: str) -> httpx.Response:
    return fill_in(client, client.get("/sign-in", params=query), login=login, password=password)


def target(answer: httpx.Response) -> str:
    """The URL of a redirect after a form."""
    assert answer.status_code == 303, answer.text
    return urljoin(str(answer.url), answer.headers["location"])


def is_signed_in(client: httpx.Client, *, latchkey: str = "") -> bool:
    """By the client's cookie, or by this one."""
    headers = SAME_ORIGIN | ({"Cookie": f"latchkey={latchkey}"} if latchkey else {})
    return client.post("/v1/session/token", headers=headers).status_code == 200


def with_totp(service: Service) -> tuple[str, TotpApp, list[str]]:
    member = service.member()
    app, added = add_totp(member)
    return member.email, app, added["recovery_codes"]


def browser(service: Service) -> Client:
    return service.client()


# -- password ------------------------------------------------------------------------------------------


def test_password_signs_in_and_leads_back(service: Service) -> None:
    email, client = service.user("visitor"), browser(service)
    signed = sign_in(client, email, return_to="/account/factors?new=1")
    assert target(signed) == f"{service.url}/account/factors?new=1"
    [cookie] = signed.headers.get_list("set-cookie")
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert cookie.startswith("latchkey=")
    assert parts >= {"httponly", "samesite=lax", "path=/"}
    assert not {part for part in parts if part.startswith(("domain", "secure"))}
    assert is_signed_in(client)
    assert target(sign_in(browser(service), email.upper())) == f"{service.url}/account"


def test_wrong_password_shows_the_form_again(service: Service) -> None:
    email, client = service.user("visitor"), browser(service)
    for login in (email, "<script>\"'&", "x" * 300):
        refused = sign_in(client, login, "not the passphrase at all", return_to="/account/events")
        assert refused.status_code == 401
        assert "set-cookie" not in refused.headers
        form = Document(refused).form_with("login")
        assert (form.fields["login"], form.fields["password"]) == (login, "")
        assert form.fields["return_to"] == "/account/events"
        assert 'role="alert">Incorrect login or password.' in refused.text
        assert "<title>Error: " in refused.text
    assert not is_signed_in(client)


def test_disabled_user_cannot_sign_in(service: Service) -> None:
    admin, email = service.admin(), service.user("disabled")
    [user] = admin.get("/v1/users", params={"query": email}).json()["items"]
    admin.patch(f"/v1/users/{user['id']}", json={"disabled": True})
    refused = sign_in(browser(service), email)
    assert (refused.status_code, "set-cookie" in refused.headers) == (403, False)
    assert "disabled" in refused.text


# -- second factor -------------------------------------------------------------------------------------


def test_second_factor_signs_in_after_the_right_password(service: Service) -> None:
    email, app, codes = with_totp(service)
    client = browser(service)
    step = sign_in(client, email, return_to="/account/events")
    assert (step.status_code, "set-cookie" in step.headers) == (200, False)
    assert {name for form in Document(step).forms for name in form.fields} == {
        *("challenge", "return_to", "factors", "totp", "recovery_code")
    }
    wrong = fill_in(client, step, totp=app.wrong_code())
    assert wrong.status_code == 401
    assert 'id="totp-error" role="alert">This code or passkey is not valid.' in wrong.text
    assert "set-cookie" not in wrong.headers
    assert not is_signed_in(client)
    assert target(fill_in(client, wrong, totp=app.code())) == f"{service.url}/account/events"
    assert is_signed_in(client)

    other = browser(service)
    step = sign_in(other, email)
    wrong = fill_in(other, step, recovery_code="AAAA-AAAA")
    assert (wrong.status_code, "<details open>" in wrong.text) == (401, True)
    assert target(fill_in(other, wrong, recovery_code=codes[0])) == f"{service.url}/account"
    assert is_signed_in(other)


def test_passkey_as_second_factor_and_alone(service: Service) -> None:
    member, device = service.member(), SoftwareAuthenticator(origin=service.url)
    add_passkey(member, device)
    client = browser(service)
    step = sign_in(client, member.email, return_to="/account/events")
    form = Document(step).form_with("credential")
    assert form.attributes["data-passkey"] == "get"
    assert "hidden" in form.attributes
    wrong = fill_in(client, step, credential='{"rawId": "AA"}')
    assert (wrong.status_code, Document(wrong).form_with("credential").fields) == (401, form.fields)
    credential = json.dumps(device.get(json.loads(form.attributes["data-options"])))
    assert target(fill_in(client, wrong, credential=credential)) == f"{service.url}/account/events"
    assert is_signed_in(client)

    alone = browser(service)
    page = alone.get("/sign-in", params={"return_to": "/account/events"})
    form = Document(page).form_with("credential")
    offered = alone.post(urljoin(service.url, form.attributes["data-url"])).json()
    answer = {"challenge": offered["challenge"], "credential": json.dumps(device.get(offered["options"]))}
    for credential in ("", "[]", "{", '{"rawId": "AA"}'):
        refused = fill_in(alone, page, **answer | {"credential": credential})
        assert refused.status_code in {400, 401}
        assert 'role="alert"' in refused.text
    assert target(fill_in(alone, page, **answer)) == f"{service.url}/account/events"
    assert is_signed_in(alone)
    used = alone.get(target(fill_in(browser(service), page, **answer)))
    assert "sign in again" in alone.get(f"{used.url}&switch=1").text


def test_used_or_expired_challenge_leads_back_to_the_start(service: Service) -> None:
    email, app, codes = with_totp(service)
    client = browser(service)
    step = sign_in(client, email, return_to="/account/events")
    assert fill_in(client, step, totp=app.code()).status_code == 303
    container = Container(settings=load(service.environ))
    challenges = container.challenges()
    made = challenges.new(ChallengePurpose.LOGIN)
    expired = challenges.sign(replace(made, issued_at=made.issued_at - LIFETIME))
    form = Document(step).form_with("recovery_code")
    for challenge in (form.fields["challenge"], "forged", expired):
        again = client.post(
            form.action, data=form.fields | {"challenge": challenge, "recovery_code": codes[0]}, headers=SAME_ORIGIN
        )
        assert target(again) == f"{service.url}/sign-in?done=expired&return_to=%2Faccount%2Fevents"
        assert "set-cookie" not in again.headers
    shown = browser(service).get(target(again))
    assert "Please sign in again." in shown.text
    assert Document(shown).form_with("login").fields["return_to"] == "/account/events"
    for path in ("/sign-in/factor", "/sign-in/passkey"):
        assert target(client.get(path)) == f"{service.url}/sign-in"


# -- sessions ------------------------------------------------------------------------------------------


def test_sign_in_opens_a_new_session_and_ends_the_old_one(service: Service) -> None:
    """Session fixation: the sign-in replaces a cookie that an attacker planted."""
    client = browser(service)
    email, app, _ = with_totp(service)
    sign_in(client, service.user("planted"))
    planted = client.cookies["latchkey"]
    sign_in(client, service.user("victim"), switch="1")
    second = client.cookies["latchkey"]
    assert planted != second
    over = browser(service).get("/v1/forward-auth", headers={"Cookie": f"latchkey={planted}"})
    assert (over.status_code, over.json()["code"]) == (401, "token_revoked")
    fill_in(client, sign_in(client, email, switch="1"), totp=app.code())
    assert client.cookies["latchkey"] not in {planted, second}
    assert not is_signed_in(browser(service), latchkey=second)
    assert is_signed_in(client)
    client.cookies.clear()
    client.cookies.set("latchkey", "x" * 107)
    assert target(sign_in(client, service.user("careless"))) == f"{service.url}/account"


def test_signed_in_person_is_not_sent_on_without_a_click(service: Service) -> None:
    email, client = service.user("visitor"), browser(service)
    sign_in(client, email)
    page = client.get("/sign-in", params={"return_to": "/account/events"})
    assert page.status_code == 200
    assert f"signed in as <strong>{email}</strong>" in page.text
    assert 'href="./account/events"' in page.text
    assert 'href="./sign-in?switch=1&amp;return_to=/account/events"' in page.text
    assert 'name="password"' in client.get("/sign-in?switch=1").text
    for lure in ("/docs/evil.example/://", "/account?next=https://evil.example/"):
        page = client.get("/sign-in", params={"return_to": lure})
        assert f'<a class="button" href=".{lure}">Continue</a>' in page.text
        form = client.get("/sign-in", params={"return_to": lure, "switch": "1"})
        assert "form-action 'self';" in form.headers["content-security-policy"]


def test_sign_out_ends_the_session_and_clears_the_cookies(service: Service) -> None:
    client = browser(service)
    sign_in(client, service.user("visitor"))
    cookie = client.cookies["latchkey"]
    answer = client.post("/sign-out", headers=SAME_ORIGIN)
    assert target(answer) == f"{service.url}/sign-in?done=signed_out"
    assert answer.headers["clear-site-data"] == '"cookies"'
    cleared = answer.headers.get_list("set-cookie")
    assert {line.partition("=")[0] for line in cleared} == {"latchkey", "latchkey-step-up"}
    assert all("Max-Age=0" in line for line in cleared)
    assert not is_signed_in(browser(service), latchkey=cookie)
    assert "You are signed out." in client.get(target(answer)).text
    client.cookies.set("latchkey", cookie)
    again = client.post("/sign-out", headers=SAME_ORIGIN)
    assert target(again).endswith("/sign-in?done=signed_out")
    assert len(again.headers.get_list("set-cookie")) == 2


@pytest.mark.parametrize(
    "path",
    [
        *("/sign-in", "/sign-in/factor", "/sign-in/passkey", "/register", "/confirm"),
        *("/verify", "/reset", "/email", "/invitation"),
    ],
)
def test_form_of_another_site_is_refused(service: Service, path: str) -> None:
    """Login CSRF: without a cookie as well."""
    form = {"login": service.user("stranger"), "password": PASSWORD, "email": "x", "challenge": "x", "totp": "1"}
    client = browser(service)
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": service.url},
        {"Sec-Fetch-Site": "none"},
    ):
        refused = client.post(path, data=form, headers=headers)
        assert (refused.status_code, code(refused)) == (403, "cross_site"), headers
        assert "set-cookie" not in refused.headers


@pytest.mark.parametrize(
    "hostile",
    [
        *("https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)"),
        *(
            "/%0d%0aSet-Cookie:x=y",
            "/\r\nSet-Cookie: x=y",
            " //evil.example",
            "/\t/evil.example",
            "http:evil.example",
        ),
        *(
            "https://accounts.example.org.evil.example",
            "aHR0cHM6Ly9ldmlsLmV4YW1wbGU.c2lnbg",
            "@evil.example",
            "/" * 9,
        ),
    ],
)
def test_sign_in_leads_only_to_own_pages(service: Service, hostile: str) -> None:
    client = browser(service)
    page = client.get(f"/sign-in?return_to={quote(hostile, safe='')}")
    assert "form-action 'self';" in page.headers["content-security-policy"]
    login = _SHARED.setdefault(service.url, service.user("shared"))
    for signed in (
        fill_in(client, page, login=login, password=PASSWORD),
        fill_in(client, client.get(f"/confirm?return_to={quote(hostile, safe='')}"), password=PASSWORD),
    ):
        led = target(signed)
        assert led.startswith(f"{service.url}/"), led
        assert httpx.URL(led).path == "/account" or "%0d%0a" in led
        assert "x" not in signed.cookies
    for link in re.findall(r'(?:href|action)="([^"]*)"', client.get(page.url).text):
        assert urljoin(f"{service.url}/", link).startswith(f"{service.url}/")


_SHARED: dict[str, str] = {}

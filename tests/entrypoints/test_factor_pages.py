"""The pages of passkeys, the authenticator app and recovery codes."""

import json
import re
from html import unescape

import httpx
import pytest

from tests.support.authenticator import SoftwareAuthenticator
from tests.support.factor_owner import on_another_device
from tests.support.in_process import inside
from tests.support.page import SAME_ORIGIN, Document
from tests.support.service import PASSWORD, Service, unique_email
from tests.support.sweeping import stored_rows
from tests.support.totp_app import TotpApp
from tests.support.visitor import Visitor

RECOVERY_CODE = re.compile(r"(?:[A-Z2-7]{4}-){5}[A-Z2-7]{4}")
SECRET = re.compile(r"<code>((?:[A-Z2-7]{4} ?)+)</code>")


def visitor(service: Service) -> Visitor:
    return Visitor(service).sign_in(service.user("visitor"))


def with_app(service: Service) -> tuple[Visitor, TotpApp, list[str]]:
    """Someone who has just added an authenticator app, with the recovery codes that the page showed."""
    someone = visitor(service)
    page = someone.open("/account/totp")
    app = TotpApp(secret_of(page))
    shown = someone.send(page.form("/account/totp"), code=app.code())
    return someone, app, RECOVERY_CODE.findall(shown.text)


def secret_of(page: Document) -> str:
    match = SECRET.search(page.answer.text)
    assert match is not None
    return match[1].replace(" ", "")


def add_passkey(someone: Visitor, page: Document, device: SoftwareAuthenticator) -> Document:
    """As the script of the page does."""
    match = re.search(r'data-options="([^"]*)"', page.answer.text)
    assert match is not None
    credential = json.dumps(device.create(on_another_device(json.loads(unescape(match[1])))))
    return someone.send(page.form("/account/passkeys/new"), credential=credential, name="My phone")


def test_list_without_factors_offers_both_kinds(service: Service) -> None:
    page = visitor(service).open("/account/factors")
    assert "You have none yet." in page.text
    assert {"/account/passkeys/new", "/account/totp"} <= {httpx.URL(link).path for link in page.links}


def test_first_factor_shows_recovery_codes_once(service: Service) -> None:
    someone, _, codes = with_app(service)
    assert len(set(codes)) == 10
    for path in ("/account/factors", "/account", "/account/events", "/account/sessions"):
        assert not RECOVERY_CODE.search(someone.open(path).text)
    page = someone.open("/account/factors")
    assert "Authenticator app" in page.text
    assert "10 codes are left." in page.text
    body = {"login": someone.email, "password": PASSWORD}
    login = service.client().post("/v1/login", json=body).json()
    answer = service.client().post(
        "/v1/login/factor", json={"challenge": login["challenge"], "recovery_code": codes[0]}
    )
    assert answer.status_code == 200


def test_wrong_code_keeps_the_secret_that_was_scanned(service: Service) -> None:
    someone = visitor(service)
    page = someone.open("/account/totp")
    secret = secret_of(page)
    app = TotpApp(secret)
    for _ in range(2):
        page = someone.send(page.form("/account/totp"), code=app.wrong_code(), status=401)
        assert page.error_of("code").startswith("This code is not right.")
        assert secret_of(page) == secret
    assert "recovery codes" in someone.send(page.form("/account/totp"), code=app.code()).heading


def test_used_up_challenge_is_replaced(service: Service) -> None:
    someone = visitor(service)
    page = someone.open("/account/totp")
    secret = secret_of(page)
    form = page.form("/account/totp")
    form.fields["challenge"] = "a.forged.challenge"
    page = someone.send(form, code="000000", status=400)
    assert page.alerts
    assert not page.error_of("code")
    assert secret_of(page) != secret
    app = TotpApp(secret_of(page))
    someone.send(page.form("/account/totp"), code=app.code())


def test_passkey_is_added_with_a_name(service: Service) -> None:
    someone = visitor(service)
    device = SoftwareAuthenticator(origin=service.url, synced=True)
    shown = add_passkey(someone, someone.open("/account/passkeys/new"), device)
    assert len(RECOVERY_CODE.findall(shown.text)) == 10
    page = someone.open("/account/factors")
    assert "My phone" in page.text
    assert "synchronized to your other devices" in page.text
    assert "Not used yet" in page.text


def test_refused_passkey_is_explained_and_can_be_tried_again(service: Service) -> None:
    someone = visitor(service)
    before = stored_rows(service)["factors"]
    for credential in ("", "nonsense", "[]", "{}", '{"rawId": "AA"}', "[" * 9000):
        page = someone.submit("/account/passkeys/new", credential=credential, name="Phone", status=401)
        assert page.alerts == ["This code or passkey is not valid."]
        assert page.form("/account/passkeys/new").fields["name"] == "Phone"
    page = someone.submit("/account/passkeys/new", name="x" * 101, status=400)
    assert page.error_of("name")
    assert stored_rows(service)["factors"] == before
    assert add_passkey(someone, page, SoftwareAuthenticator(origin=service.url)).heading == "Your recovery codes"


def test_factor_is_renamed(service: Service) -> None:
    someone, _, _ = with_app(service)
    path = one_path(someone)
    page = someone.submit(path, name="Tablet")
    assert "The new name is saved." in page.text
    assert "Tablet" in page.text
    for name in ("", " ", "x" * 101):
        page = someone.submit(path, name=name, status=400)
        assert page.error_of("name")


def test_factor_is_removed_after_confirmation_and_a_question(service: Service) -> None:
    someone, app, _ = with_app(service)
    path = one_path(someone)
    for asked in (f"{path}/remove", "/account/recovery-codes", "/account/passkeys/new", "/account/password"):
        location = someone.open(asked, status=303).answer.headers["location"]
        assert location.endswith(f"confirm?return_to={asked}")
    location = someone.post(f"{path}/remove").headers["location"]
    assert location.endswith(f"confirm?return_to={path}/remove")
    someone.step_up(totp=app.code())
    page = someone.open(f"{path}/remove")
    assert page.heading == "Remove Authenticator app?"
    page = someone.send(page.form(f"{path}/remove"))
    assert "Removed." in page.text
    assert "You have none yet." in page.text
    someone.open(f"{path}/remove", status=404)


@pytest.mark.anyio
async def test_last_factor_stays_where_the_role_needs_one(service: Service) -> None:
    someone, app, _ = with_app(service)
    path = f"{one_path(someone)}/remove"
    someone.step_up(totp=app.code())
    cookies = {"Cookie": "; ".join(f"{name}={value}" for name, value in someone.client.cookies.items())}
    async with inside(service, LATCHKEY_REQUIRE_FACTOR="member") as client:
        refused = Document(await client.post(path, headers=SAME_ORIGIN | cookies))
    assert refused.answer.status_code == 403
    assert refused.alerts == ["Your role requires a second factor. Add another one before you remove this one."]


def test_only_verified_people_are_offered_a_factor(service: Service) -> None:
    email = unique_email("unverified")
    service.client().post("/v1/register", json={"email": email, "password": PASSWORD})
    someone = Visitor(service).sign_in(email)
    assert "Not verified yet." in someone.open("/account").text
    page = someone.open("/account/factors")
    assert "Verify your e-mail address before you add a passkey or an app." in page.text
    assert not [link for link in page.links if "passkeys/new" in link or "totp" in link]
    for path in ("/account/passkeys/new", "/account/totp"):
        someone.open(path, status=403)
        assert someone.post(path).status_code == 403


def test_recovery_codes_are_replaced_after_a_question(service: Service) -> None:
    someone, app, first = with_app(service)
    someone.step_up(totp=app.code())
    page = someone.open("/account/recovery-codes")
    assert "You have 10 unused codes." in page.text
    assert not RECOVERY_CODE.search(page.text)
    page = someone.send(page.form("/account/recovery-codes"))
    codes = RECOVERY_CODE.findall(page.text)
    assert len(set(codes) - set(first)) == 10


def test_recovery_codes_need_a_factor(service: Service) -> None:
    someone = visitor(service)
    assert "You get them when you add a passkey" in someone.open("/account/recovery-codes").text
    refused = Document(someone.post("/account/recovery-codes"))
    assert refused.answer.status_code == 404
    assert refused.alerts == ["Recovery codes require a second factor. Add one first."]


def test_factor_of_another_user_is_not_found(service: Service) -> None:
    owner, _, _ = with_app(service)
    someone, path = visitor(service), one_path(owner)
    before = stored_rows(service)["factors"]
    for tried in (path, f"{path}/remove"):
        someone.open(tried, status=404)
        assert someone.post(tried, {"name": "Mine"}).status_code == 404
    assert stored_rows(service)["factors"] == before


def one_path(someone: Visitor) -> str:
    (path,) = {
        httpx.URL(link).path
        for link in someone.open("/account/factors").links
        if re.search(r"/factors/[0-9a-f-]{36}$", link)
    }
    return path

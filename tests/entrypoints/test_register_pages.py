"""Registration on pages, in each mode, and the confirmation that a person gives within a session."""

import json
import re
from urllib.parse import urljoin

import pytest

from tests.support.authenticator import SoftwareAuthenticator
from tests.support.factor_users import add_passkey
from tests.support.in_process import inside
from tests.support.page import SAME_ORIGIN, Document, fill_in
from tests.support.service import PASSWORD, Service, code, unique_email
from tests.support.totp_app import add_totp
from tests.support.visitor import Visitor

# -- registration --------------------------------------------------------------------------------------


def test_person_registers_verifies_and_signs_in(service: Service) -> None:
    client, email = service.client(), unique_email("newcomer")
    assert 'href="./register"' in client.get("/sign-in").text
    page = client.get("/register")
    sent = fill_in(client, page, email=email, password=PASSWORD, username="")
    assert (sent.status_code, "Check your mailbox" in sent.text) == (200, True)
    assert "set-cookie" not in sent.headers
    known = fill_in(client, page, email=service.user("known"), password=PASSWORD)
    assert known.text == sent.text
    verified = client.post("/verify", data={"token": service.token(email)})
    assert "Your e-mail address is verified" in verified.text
    Visitor(service).sign_in(email)


def test_registration_form_shows_each_error_beside_its_field(service: Service) -> None:
    client = service.client()
    page = client.get("/register")
    refused = fill_in(client, page, email='<b>"', username="a b", password="short")
    assert refused.status_code == 422
    for name in ("email", "username", "password"):
        assert f'id="{name}-error" role="alert">' in refused.text
    again = Document(refused).form_with("email").fields
    assert (again["email"], again["username"], again["password"]) == ('<b>"', "a b", "")
    assert "<b>" not in refused.text
    assert "short" not in refused.text
    client.headers["Accept-Language"] = "de"
    german = fill_in(client, client.get("/register"), email=unique_email(), username="", password="short")
    assert '<html lang="de">' in german.text
    assert re.search(r'id="password-error" role="alert">Ein Passwort muss', german.text), german.text


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("mode", "heading"), [("invited", "You need an invitation"), ("closed", "Registration is closed")]
)
async def test_register_page_says_that_registration_is_not_open(service: Service, mode: str, heading: str) -> None:
    async with inside(service, LATCHKEY_REGISTRATION=mode) as client:
        page = await client.get("/register")
        refused = await client.post("/register", data={"email": unique_email(), "password": PASSWORD})
        others = [await client.get(path) for path in ("/", "/sign-in")]
    assert (page.status_code, refused.status_code) == (200, 403)
    for shown in (page, refused):
        assert f"<h1>{heading}</h1>" in shown.text
        assert not Document(shown).forms
    assert not [other for other in others if "register" in other.text]


# -- confirmation --------------------------------------------------------------------------------------


def test_password_confirms_a_person_without_a_factor(service: Service) -> None:
    client = Visitor(service).sign_in(service.user("owner")).client
    page = client.get("/confirm", params={"return_to": "/account/email"})
    wrong = fill_in(client, page, password="not the passphrase")
    assert (wrong.status_code, 'id="password-error" role="alert">Incorrect password.' in wrong.text) == (401, True)
    assert "set-cookie" not in wrong.headers
    done = fill_in(client, wrong, password=PASSWORD)
    assert urljoin(service.url, done.headers["location"]) == f"{service.url}/account/email"
    [cookie] = done.headers.get_list("set-cookie")
    assert cookie.startswith("latchkey-step-up=")
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    unknown = service.client().get("/confirm?return_to=/account/email")
    assert unknown.headers["location"].startswith("./sign-in?return_to=/confirm")


def test_each_kind_of_factor_confirms(service: Service) -> None:
    """A password alone does not, where there is a factor. For pages of ours, which ask for the strongest factor, a
    code of the app does not suffice beside a passkey: the page would lead here again."""
    member, device = service.member(), SoftwareAuthenticator(origin=service.url)
    app, added = add_totp(member)
    step = member.post("/v1/step-up", json={"totp": app.code()}).json()["access_token"]
    member.headers["Authorization"] = f"Bearer {step}"
    add_passkey(member, device)
    client = service.client()
    second = fill_in(client, client.get("/sign-in"), login=member.email, password=PASSWORD)
    assert fill_in(client, second, recovery_code=added["recovery_codes"][0]).status_code == 303
    own = Document(client.get("/confirm?return_to=/account/factors"))
    assert {name for form in own.forms for name in form.fields} == {
        *("challenge", "credential", "return_to", "recovery_code")
    }
    assert "a code of the authenticator app does not suffice" in own.text
    strict = client.get("/confirm?acr=phr")
    for shown in (strict, client.post("/confirm", data={"acr": "phr"}, headers=SAME_ORIGIN)):
        [form] = Document(shown).forms
        assert form.fields.keys() == {"challenge", "credential", "acr"}
    page = client.get("/confirm")
    assert {name for form in Document(page).forms for name in form.fields} == {
        *("challenge", "credential", "totp", "recovery_code")
    }
    form = Document(page).form_with("credential")
    credential = json.dumps(device.get(json.loads(form.attributes["data-options"])))
    for name, wrong, right in (
        ("totp", app.wrong_code(), app.code()),
        ("recovery_code", "AAAA", added["recovery_codes"][1]),
        ("credential", '{"rawId": "AA"}', credential),
    ):
        refused = fill_in(client, page, **{name: wrong})
        assert (refused.status_code, 'role="alert">This code or passkey' in refused.text) == (401, True), name
        assert "set-cookie" not in refused.headers
        done = fill_in(client, page, **{name: right})
        assert done.status_code == 303, (name, done.text)
        assert done.headers["set-cookie"].startswith("latchkey-step-up=")
    again = fill_in(client, page, credential=credential)
    assert (again.status_code, "Start again." in again.text) == (400, True)
    nothing = client.post("/confirm", data={"return_to": "/account"}, headers=SAME_ORIGIN)
    assert nothing.status_code == 400
    assert code(client.post("/confirm", data={"password": PASSWORD})) == "cross_site"

"""The pages of one's own account: each does what it says, and shows every refusal beside its field."""

import re

import httpx

from tests.support.page import Document
from tests.support.service import PASSWORD, Service, eventually, unique_email
from tests.support.visitor import Visitor

NEW_PASSWORD = "a long walk to the lighthouse"


def visitor(service: Service, *, username: str | None = None) -> Visitor:
    return Visitor(service).sign_in(service.user("visitor", username=username))


def test_overview_shows_the_account_and_leads_everywhere(service: Service) -> None:
    someone = visitor(service, username=f"ada-{unique_email()[8:14]}")
    page = someone.open("/account")
    assert someone.email in page.text
    assert "ada-" in page.text
    assert "Verified" in page.text
    paths = {httpx.URL(link).path for link in page.links}
    assert paths >= {
        *("/account/profile", "/account/email", "/account/password", "/account/factors", "/account/sessions"),
        *("/account/events", "/account/export", "/account/delete"),
    }
    for path in paths - {"/users"}:
        assert someone.open(path).heading


def test_username_is_changed_and_given_up(service: Service) -> None:
    someone, name = visitor(service), f"grace-{unique_email()[8:14]}"
    page = someone.submit("/account/profile", username=name)
    assert page.answer.url.path == "/account"
    assert "Your profile is saved." in page.text
    assert name in page.text
    page = someone.submit("/account/profile", username="")
    assert name not in page.text


def test_chosen_language_is_that_of_pages(service: Service) -> None:
    someone = visitor(service)
    page = someone.submit("/account/profile", locale="de")
    assert page.answer.headers["content-language"] == "de"
    page = someone.open("/account/profile")
    assert page.form("/account/profile").fields["locale"] == "de"
    assert "Deutsch" in page.text
    assert someone.client.cookies["latchkey-language"] == "de"
    page = someone.send(page.form("/account/profile"), locale="")
    assert page.answer.headers["content-language"] == "en"
    assert "latchkey-language" not in someone.client.cookies
    refused = Document(someone.post("/account/profile", {"username": "unsaved", "locale": "xx"}))
    assert refused.answer.status_code == 400
    assert refused.error_of("locale") == "Choose one of the languages."
    assert someone.open("/account/profile").form("/account/profile").fields == {"username": "", "locale": ""}


def test_profile_form_changes_only_what_it_names(service: Service) -> None:
    name = f"grace-{unique_email()[8:14]}"
    someone = visitor(service, username=name)
    someone.submit("/account/profile", locale="de")
    for fields in ({}, {"locale": "de"}, {"username": name}):
        assert someone.post("/account/profile", fields | {"x": "y"}).status_code == 303
        kept = someone.open("/account/profile").form("/account/profile").fields
        assert kept == {"username": name, "locale": "de"}, fields


def test_refused_username_is_explained_beside_the_field(service: Service) -> None:
    taken = f"taken-{unique_email()[8:14]}"
    service.user("holder", username=taken)
    someone = visitor(service)
    page = someone.submit("/account/profile", username=taken, status=409)
    assert "already taken" in page.error_of("username")
    assert page.form("/account/profile").fields["username"] == taken
    page = someone.submit("/account/profile", username="no blanks please", status=422)
    assert page.error_of("username")


def test_address_changes_by_the_mailed_link(service: Service) -> None:
    someone, new = visitor(service), unique_email("new")
    page = someone.submit("/account/email", new_email=new, password=PASSWORD)
    assert "Check the mailbox of your new address" in page.text
    link = someone.service.token(new)
    assert someone.post("/email", {"token": link}).status_code == 200
    assert new in someone.open("/account").text


def test_refused_address_is_explained_beside_the_field(service: Service) -> None:
    someone, new = visitor(service), unique_email("new")
    page = someone.submit("/account/email", new_email=new, password="wrong", status=401)
    assert page.error_of("password") == "Incorrect password."
    assert page.form("/account/email").fields["new_email"] == new
    assert page.form("/account/email").fields["password"] == ""
    page = someone.submit("/account/email", new_email="nonsense", password=PASSWORD, status=422)
    assert page.error_of("new_email")
    page = someone.submit("/account/email", new_email=someone.email, password=PASSWORD, status=422)
    assert page.error_of("new_email") == "This is already your e-mail address."


def test_password_change_keeps_this_browser_signed_in_and_no_other(service: Service) -> None:
    someone = visitor(service)
    other = Visitor(service).sign_in(someone.email)
    former = someone.client.cookies["latchkey"]
    page = someone.submit(
        "/account/password", current_password=PASSWORD, new_password=NEW_PASSWORD, confirm_password=NEW_PASSWORD
    )
    assert "Your password is changed." in page.text
    assert someone.client.cookies["latchkey"] != former
    assert other.open("/account", status=303).answer.headers["location"].startswith("./sign-in")
    other.sign_in(someone.email, NEW_PASSWORD)


def test_refused_passwords_are_explained_beside_each_field(service: Service) -> None:
    someone = visitor(service)
    right = {"current_password": PASSWORD, "new_password": NEW_PASSWORD, "confirm_password": NEW_PASSWORD}
    page = someone.submit("/account/password", **right | {"current_password": "wrong"}, status=401)
    assert page.error_of("current_password") == "The current password is incorrect."
    page = someone.submit("/account/password", **right | {"new_password": "short"}, status=422)
    assert page.error_of("new_password")
    assert page.error_of("confirm_password")
    page = someone.submit(
        "/account/password", **right | {"new_password": PASSWORD, "confirm_password": PASSWORD}, status=422
    )
    assert page.error_of("new_password")
    assert PASSWORD not in page.answer.text


def test_devices_are_listed_and_signed_out(service: Service) -> None:
    someone = visitor(service)
    phone, laptop = (Visitor(service).sign_in(someone.email) for _ in range(2))
    page = someone.open("/account/sessions")
    assert page.text.count("Last used on") == 3
    assert page.text.index("This device") < page.text.index("Sign this device out")
    ended = someone.send(page.forms[1])
    assert "The device is signed out." in ended.text
    assert sorted(one.client.get("/account").status_code for one in (phone, laptop)) == [200, 303]
    page = someone.submit("/account/sessions/end-all")
    assert "All other devices are signed out." in page.text
    assert "You are signed in nowhere else." in page.text
    assert {one.client.get("/account").status_code for one in (phone, laptop)} == {303}


def test_session_of_another_user_stays(service: Service) -> None:
    someone, other = visitor(service), visitor(service)
    Visitor(service).sign_in(other.email)
    theirs = other.open("/account/sessions").forms[1].fields["session_id"]
    for session_id in (theirs, "nonsense", ""):
        refused = Document(someone.post("/account/sessions", {"session_id": session_id}))
        assert refused.answer.status_code == 404
        assert refused.alerts == ["Session not found."]
    assert other.open("/account/sessions").text.count("Last used on") == 2


def test_activity_is_listed_in_pages(service: Service) -> None:
    someone = visitor(service)
    names = [f"name-{number}-{unique_email()[8:14]}" for number in range(22)]
    for name in names:
        someone.post("/account/profile", {"username": name})
    page = someone.open("/account/events")
    assert page.text.count("Username changed") == 20
    (older,) = (link for link in page.links if "cursor=" in link)
    page = someone.open(older)
    assert page.text.count("Username changed") == 2
    assert "Account created by an operator" in page.text
    assert not [link for link in page.links if "cursor=" in link]
    someone.open("/account/events?cursor=nonsense", status=400)


def test_export_is_a_file(service: Service) -> None:
    someone = visitor(service)
    someone.open("/account/export")
    answer = someone.post("/account/export")
    assert answer.json()["user"]["email"] == someone.email
    assert {session["kind"] for session in answer.json()["sessions"]} == {"browser"}
    assert answer.headers["content-disposition"] == 'attachment; filename="latchkey-export.json"'


def test_account_is_deleted_with_the_password_only(service: Service) -> None:
    someone = visitor(service)
    page = someone.submit("/account/delete", password="wrong", status=401)
    assert page.error_of("password") == "Incorrect password."
    page = someone.submit("/account/delete", password=PASSWORD)
    assert page.heading == "Your account is deleted"
    assert page.answer.headers["clear-site-data"] == '"cookies"'
    assert not someone.client.cookies
    login = {"login": someone.email, "password": PASSWORD}
    assert someone.client.post("/v1/login", json=login).status_code == 401
    assert eventually(lambda: re.search("account", str(service.mail(someone.email)), re.IGNORECASE))

"""Add, use, rename and remove passkeys, authenticator apps and recovery codes."""

import re

from selenium.webdriver.common.by import By

from domain.role import Role
from tests.support.person import Person
from tests.support.service import PASSWORD, eventually
from tests.support.totp_app import TotpApp

CODE = re.compile(r"(?:[A-Z2-7]{4}-){5}[A-Z2-7]{4}")


def test_first_passkey_comes_with_recovery_codes_that_are_shown_once(person: Person) -> None:
    person.sign_in()
    person.press("Add one")
    person.add_authenticator()
    person.press("Add a passkey")
    person.fill(name="My laptop")
    person.press("Create a passkey")
    codes = CODE.findall(person.text)
    assert len(set(codes)) == 10
    person.press("I have saved the codes")
    assert "My laptop" in person.text
    person.driver.back()
    assert not CODE.findall(person.driver.page_source)
    person.open("/account/recovery-codes")
    assert not CODE.findall(person.driver.page_source)


def test_recovery_code_is_typed_as_it_is_shown(person: Person) -> None:
    person.sign_in()
    person.add_passkey()
    first = CODE.findall(person.text)[0]
    person.forget_cookies()
    person.set_user_present(False)
    person.sign_in(person.email)
    person.touch("Use a recovery code")
    person.fill(recovery_code=first.lower())
    person.press("Continue")
    assert person.path == "/account"
    assert "9 codes left" in person.text


def test_recovery_codes_are_replaced(person: Person) -> None:
    person.sign_in()
    person.add_passkey()
    former = CODE.findall(person.text)
    person.open("/account")
    person.press("Replace codes")
    assert person.heading == "Confirm that it is you"
    person.press("Use your passkey")
    person.press("Keep them")
    person.press("Replace the codes")
    person.press("Replace the codes")
    codes = CODE.findall(person.text)
    assert not set(codes) & set(former)
    person.forget_cookies()
    person.set_user_present(False)
    for works, code in ((False, former[0]), (True, codes[0])):
        person.sign_in(person.email)
        person.touch("Use a recovery code")
        person.fill(recovery_code=code)
        person.press("Continue")
        assert (person.path == "/account") is works


def test_device_with_a_passkey_adds_no_second_one(person: Person) -> None:
    person.sign_in()
    person.add_passkey()
    person.open("/account/passkeys/new")
    person.press("Use your passkey")
    person.touch("Create a passkey")
    person.wait_for("already has a passkey")
    assert person.path == "/account/passkeys/new"


def test_cancelled_passkey_can_be_tried_again(person: Person) -> None:
    person.sign_in()
    authenticator = person.add_authenticator(isUserVerified=False)
    person.open("/account/passkeys/new")
    person.touch("Create a passkey")
    person.wait_for("The passkey was not")
    person.cdp("WebAuthn.setUserVerified", authenticatorId=authenticator, isUserVerified=True)
    person.press("Create a passkey")
    assert CODE.search(person.text)


def test_passkey_is_renamed_and_removed(person: Person) -> None:
    person.sign_in()
    person.add_passkey()
    person.open("/account/factors")
    person.press("Rename or remove")
    person.submit("Save", name="Old phone")
    assert "The new name is saved." in person.text
    person.press("Rename or remove")
    assert person.heading == "Old phone"
    person.press("Remove this passkey")
    person.press("Use your passkey")
    person.press("Keep it")
    person.press("Rename or remove")
    person.press("Remove this passkey")
    person.press("Remove")
    assert "Removed." in person.text
    assert "You have none yet." in person.text


def test_second_passkey_requires_a_step_up(person: Person) -> None:
    """The session was opened with the password alone, before the account had a factor."""
    person.sign_in()
    app, _ = person.totp()
    person.open("/account/passkeys/new")
    assert person.heading == "Confirm that it is you"
    person.submit("Continue", totp=app.wrong_code())
    assert person.error_of("totp")
    person.submit("Continue", totp=app.code())
    assert person.path == "/account/passkeys/new"


def test_step_up_by_passkey_and_by_recovery_code(person: Person) -> None:
    person.sign_in()
    _, codes = person.totp()
    person.open("/account/totp")
    assert person.heading == "Confirm that it is you"
    person.touch("Use a recovery code")
    person.fill(recovery_code=codes[0])
    person.press("Continue", 1)
    assert person.path == "/account/totp"


def test_authenticator_app_is_added_by_the_key(person: Person) -> None:
    person.sign_in()
    person.open("/account/factors")
    person.press("Add an authenticator app")
    app = key_of(person)
    person.submit("Add the app", code=app.wrong_code())
    assert person.error_of("code")
    assert key_of(person).secret == app.secret
    person.submit("Add the app", code=app.code())
    assert len(CODE.findall(person.text)) == 10
    person.forget_cookies()
    person.sign_in(person.email)
    person.submit("Continue", totp=app.code())
    assert person.path == "/account"


def test_authenticator_app_is_replaced(person: Person) -> None:
    person.sign_in()
    app, _ = person.totp()
    person.sign_in(person.email)
    person.submit("Continue", totp=app.code())
    person.open("/account/factors")
    person.press("Replace the authenticator app")
    person.submit("Add the app", code=key_of(person).code())
    assert person.path == "/account/factors"
    assert person.text.count("Authenticator app") >= 1
    assert person.text.count("Rename or remove") == 1


def test_this_was_not_me_removes_a_planted_passkey(person: Person) -> None:
    email = person.sign_in()
    person.add_passkey()
    token = eventually(lambda: person.service.token(email))
    person.open(f"/email?token={token}")
    assert person.heading == "Was this not you?"
    person.press("This was not me")
    person.set_user_present(False)
    person.open("/account")
    assert person.path == "/sign-in"


def test_admin_without_a_factor_does_what_needs_none(person: Person) -> None:
    person.sign_in(role=Role.ADMIN)
    person.open("/account/delete")
    person.submit("Delete my account", password=f"{PASSWORD}!")
    assert person.error_of("password")


def key_of(person: Person) -> TotpApp:
    if not person.driver.find_element(By.TAG_NAME, "details").get_attribute("open"):
        person.touch("Or type the key")
    return TotpApp(person.driver.find_element(By.CSS_SELECTOR, "details code").text.replace(" ", ""))

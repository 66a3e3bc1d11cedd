"""Sign in and out: by password, passkey and second factor."""

from domain.role import Role
from tests.support.person import Person
from tests.support.service import PASSWORD, unique_email


def test_password_leads_to_the_account(person: Person) -> None:
    email = person.sign_in()
    assert person.path == "/account"
    assert email in person.text


def test_username_signs_in(person: Person) -> None:
    name = f"ada-{unique_email()[8:14]}"
    person.service.user("named", username=name)
    person.sign_in(name)
    assert name in person.text


def test_wrong_password_keeps_the_name_alone(person: Person) -> None:
    email = person.service.user("forgetful")
    person.sign_in(email, password="not the right passphrase")
    assert person.alerts() == ["Incorrect login or password."]
    assert person.field("login").get_attribute("value") == email
    assert person.field("password").get_attribute("value") == ""
    person.submit("Sign in", password=PASSWORD)
    assert person.path == "/account"


def test_sign_in_returns_to_the_page_that_required_it(person: Person) -> None:
    email = person.service.user("returning")
    person.open("/account/events")
    assert person.path == "/sign-in"
    person.submit("Sign in", login=email, password=PASSWORD)
    assert person.path == "/account/events"


def test_sign_in_never_leads_to_another_site(person: Person) -> None:
    email = person.service.user("lured")
    for elsewhere in ("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"):
        person.open(f"/sign-in?switch=1&return_to={elsewhere}")
        person.submit("Sign in", login=email, password=PASSWORD)
        assert person.path == "/account"


def test_passkey_button_signs_in(person: Person) -> None:
    email = person.sign_in()
    person.add_passkey()
    person.forget_cookies()
    person.open_without_taking_a_passkey("/sign-in")
    person.press("Sign in with a passkey")
    assert person.path == "/account"
    assert email in person.text


def test_passkey_signs_in_without_a_click(person: Person) -> None:
    email = person.sign_in()
    person.add_passkey()
    person.forget_cookies()
    person.open("/sign-in?return_to=/account/sessions")
    person.wait_for_path("/account/sessions")
    person.open("/account")
    assert email in person.text


def test_dismissed_passkey_leaves_the_password(person: Person) -> None:
    email = person.service.user("shy")
    person.open("/sign-in")
    person.add_authenticator(isUserVerified=False)
    person.touch("Sign in with a passkey")
    person.wait_for("The passkey was not used: the request was cancelled or took too long.")
    assert len(person.alerts()) == 1
    person.submit("Sign in", login=email, password=PASSWORD)
    assert person.path == "/account"


def test_removed_passkey_is_refused(person: Person) -> None:
    person.sign_in()
    person.add_passkey()
    person.open("/account/factors")
    person.press("Rename or remove")
    person.press("Remove this passkey")
    person.press("Use your passkey")
    person.press("Remove")
    person.forget_cookies()
    person.keep_passkey_form()
    person.set_user_present(False)
    person.send_kept_form()
    assert person.heading == "Sign in"
    assert person.alerts()


def test_authenticator_app_is_the_second_step(person: Person) -> None:
    email = person.service.user("careful")
    app, _ = person.totp(email)
    person.sign_in(email)
    assert person.heading == "Second step"
    person.submit("Continue", totp=app.wrong_code())
    assert person.error_of("totp")
    person.submit("Continue", totp=app.code())
    assert person.path == "/account"


def test_code_of_an_authenticator_app_works_once(person: Person) -> None:
    email = person.service.user("careful")
    app, _ = person.totp(email)
    person.sign_in(email)
    person.submit("Continue", totp=app.last_code())
    assert person.error_of("totp")


def test_recovery_code_is_the_second_step_once(person: Person) -> None:
    email = person.service.user("careful")
    _, codes = person.totp(email)
    for works in (True, False):
        person.sign_in(email)
        person.touch("Use a recovery code")
        person.fill(recovery_code=codes[0])
        person.press("Continue", 1)
        assert (person.path == "/account") is works
    assert person.error_of("recovery_code")


def test_passkey_is_the_second_step(person: Person) -> None:
    email = person.sign_in()
    person.add_passkey()
    person.forget_cookies()
    person.set_user_present(False)
    person.sign_in(email)
    assert person.heading == "Second step"
    assert "Your password is right." in person.text
    person.set_user_present(True)
    person.press("Use your passkey")
    assert person.path == "/account"


def test_signed_in_person_goes_on_or_signs_in_as_another(person: Person) -> None:
    email, other = person.sign_in(), person.service.user("other")
    person.open("/sign-in?return_to=/account/events")
    assert f"You are signed in as {email}." in person.text
    person.press("Continue")
    assert person.path == "/account/events"
    person.open("/sign-in")
    person.press("Use another account")
    person.submit("Sign in", login=other, password=PASSWORD)
    assert other in person.text


def test_sign_out_says_so_and_ends_the_session(person: Person) -> None:
    person.sign_in()
    person.press("Sign out")
    assert person.path == "/sign-in"
    assert "You are signed out." in person.text
    person.open("/account")
    assert person.path == "/sign-in"


def test_forgotten_password_is_replaced_by_mail(person: Person) -> None:
    email = person.service.user("forgetful")
    person.open("/sign-in")
    person.press("Forgot your password?")
    person.submit("Send me a link", email=email)
    person.open_link("/reset", email)
    new = "a long walk to the lighthouse"
    person.submit("Set new password", new_password=new, confirm_password=new)
    person.sign_in(email, password=new)
    assert person.path == "/account"


def test_admin_sees_the_way_to_users(person: Person) -> None:
    person.sign_in(role=Role.ADMIN)
    person.press("Users")
    assert person.path == "/users"

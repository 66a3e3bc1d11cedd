"""Every page in every state. A tour stops at each, and yields its name."""

from collections.abc import Callable, Iterator

from tests.support.account_tours import account, confirm, factors, management, users
from tests.support.person import Person
from tests.support.service import PASSWORD, unique_email

Tour = Callable[[Person], Iterator[str]]
NEW_PASSWORD = "a long walk to the lighthouse"


def sign_in(person: Person) -> Iterator[str]:
    person.open("/")
    yield "home"
    person.open("/sign-in")
    yield "sign-in"
    person.submit("Sign in", login="ada@example.org", password="wrong")
    yield "sign-in-refused"
    person.sign_in()
    person.open("/sign-in")
    yield "sign-in-already"
    person.open("/account")
    person.press("Sign out")
    yield "sign-out"


def second_step(person: Person) -> Iterator[str]:
    email = person.service.user("careful")
    app, _ = person.totp(email)
    person.sign_in(email)
    yield "factor-app"
    person.submit("Continue", totp=app.wrong_code())
    yield "factor-app-refused"
    person.touch("Use a recovery code")
    yield "factor-recovery-code"
    person.fill(recovery_code="wrong")
    person.press("Continue", 1)
    yield "factor-recovery-code-refused"
    person.submit("Continue", totp=app.code())
    person.add_authenticator()
    person.open("/account/passkeys/new")
    person.press("Create a passkey")
    person.open("/account/factors")
    yield "account-factors"
    person.forget_cookies()
    person.set_user_present(False)
    person.sign_in(email)
    yield "factor-passkey"


def register(person: Person) -> Iterator[str]:
    person.open("/register")
    yield "register"
    person.script("document.querySelector('form').noValidate = true")
    person.submit("Create an account", email="nonsense", username="no blanks", password="short")
    yield "register-refused"
    email = unique_email("new")
    person.open("/register")
    person.submit("Create an account", email=email, password=PASSWORD)
    yield "register-sent"
    person.sign_in(email)
    yield "account-unverified"
    person.open("/account/factors")
    yield "account-factors-unverified"
    person.open_link("/verify", email)
    yield "verify"
    person.press("Verify my e-mail address")
    yield "verify-done"
    person.open("/verify?token=nonsense")
    yield "verify-dead"
    person.open("/verify")
    yield "verify-ask"


def links(person: Person) -> Iterator[str]:
    email = person.service.user("forgetful")
    person.open("/reset")
    yield "reset-ask"
    person.submit("Send me a link", email=email)
    yield "reset-sent"
    link = f"/reset?token={person.service.token(email)}"
    person.open(link)
    yield "reset"
    person.submit("Set new password", new_password=NEW_PASSWORD, confirm_password=NEW_PASSWORD[::-1])
    yield "reset-refused"
    person.submit("Set new password", new_password=NEW_PASSWORD, confirm_password=NEW_PASSWORD)
    yield "reset-done"
    person.open(link)
    yield "reset-dead"
    invited = unique_email("invited")
    person.service.admin().post("/v1/invitations", json={"email": invited})
    link = f"/invitation?token={person.service.token(invited)}"
    person.open(link)
    yield "invitation"
    person.script("document.querySelector('form').noValidate = true")
    person.submit("Create my account", password="short")
    yield "invitation-refused"
    person.submit("Create my account", password=PASSWORD)
    yield "invitation-done"
    person.open(link)
    yield "invitation-dead"
    person.open("/no-such-page")
    yield "not-found"


def development(person: Person) -> Iterator[str]:
    person.open("/docs")
    yield "docs"
    person.open("/problems/token_revoked")
    yield "problem"
    person.open("/")
    person.press("Mailbox")
    assert person.path == "/dev/mail"
    yield "mailbox"


TOURS: tuple[Tour, ...] = (
    sign_in,
    second_step,
    register,
    links,
    account,
    factors,
    confirm,
    users,
    management,
    development,
)

"""Every page in every state. A tour stops at each, and yields its name."""

from collections.abc import Callable, Iterator

from domain.rate_limits import RATES, Limit
from tests.support.account_tours import account, confirm, factors, management, users
from tests.support.outages import database_away
from tests.support.person import Person
from tests.support.service import PASSWORD, unique_email
from tests.support.visitor import Visitor

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
    for done in ("expired", "no_cookie"):
        person.open(f"/sign-in?done={done}")
        yield f"sign-in-{done.replace('_', '-')}"


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
    catch_mail(person)
    person.open("/dev/mail")
    person.follow("a[href$='/mail.eml']")
    assert person.driver.find_element("tag name", "iframe")
    yield "mailbox-mail"


def catch_mail(person: Person) -> None:
    """Put a mail where the mail catcher of development puts it."""
    email, mailbox = person.service.user(unique_email()), person.service.folder / "data" / "mailbox"
    person.service.client().post("/v1/password/forgot", json={"email": email})
    mailbox.mkdir(exist_ok=True)
    (mailbox / "mail.eml").write_bytes(person.service.mail(email).as_bytes())


def limited(person: Person) -> Iterator[str]:
    person.open("/register")
    yield "register-invited"
    wrong, visitor = {"login": unique_email(), "password": "wrong"}, Visitor(person.service)
    for _ in range(RATES[Limit.LOGIN][0].times):
        visitor.post("/sign-in", wrong)
    assert visitor.post("/sign-in", wrong).status_code == 429
    person.open("/sign-in")
    person.submit("Sign in", **wrong)
    yield "sign-in-limited"


def closed(person: Person) -> Iterator[str]:
    person.open("/register")
    yield "register-closed"
    person.sign_in()
    person.open("/sign-in?switch=1")
    with database_away(person.service):
        person.submit("Sign in", login=person.email, password=PASSWORD)
        yield "sign-in-unavailable"
        person.open("/account")
        yield "account-unavailable"
    complaints = person.browser.complaints()
    assert {"status of 503" in text for text in complaints} == {True}, complaints


SETTINGS: dict[Tour, dict[str, str]] = {
    limited: {"LATCHKEY_REGISTRATION": "invited", "LATCHKEY_RATE_LIMITS": "on"},
    closed: {"LATCHKEY_REGISTRATION": "closed"},
}
"""Settings of the services that tours have to themselves. The other tours share one."""

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
    limited,
    closed,
)

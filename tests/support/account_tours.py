"""The pages of an account and of users, in every state."""

import asyncio
from collections.abc import Iterator

from domain.role import Role
from tests.support.person import Person
from tests.support.service import PASSWORD, eventually, unique_email
from tests.support.sweeping import fetch
from tests.support.visitor import Visitor

REFUSAL = "550 5.1.1 The e-mail account that you tried to reach does not exist: " + "x" * 80
PARK = "UPDATE mails SET outcome = 'parked', note = $1 WHERE recipient = $2 AND outcome = 'sent' RETURNING id"


def long_email() -> str:
    name, _, _ = unique_email().partition("@")
    return f"bartholomew.featherstonehaugh-cholmondeley.{name}@a-rather-long-subdomain.example.org"


def account(person: Person) -> Iterator[str]:
    email = long_email()
    person.sign_in(person.service.user(email))
    yield "account"
    person.open("/account/profile")
    yield "account-profile"
    person.submit("Save", username="no blanks please")
    yield "account-profile-refused"
    person.submit("Save", username=f"ada-{unique_email()[8:14]}")
    yield "account-done"
    person.open("/account/email")
    yield "account-email"
    person.submit("Send the link", new_email=email, password=PASSWORD)
    yield "account-email-refused"
    new = unique_email("new")
    person.submit("Send the link", new_email=new, password=PASSWORD)
    yield "account-email-asked"
    person.open_link("/email", new)
    yield "email"
    person.press("Yes, use this address")
    yield "email-done"
    person.open_link("/email", email)
    yield "restore"
    person.open("/account/password")
    yield "account-password"
    person.fill(current_password="wrong", new_password="x" * 15, confirm_password="y" * 15)
    person.press("Change password")
    yield "account-password-refused"
    person.open("/account/sessions")
    yield "account-sessions-alone"
    Visitor(person.service).sign_in(new)
    person.open("/account/sessions")
    person.touch("Sign out", 1)
    yield "account-sessions"
    person.open("/account/sessions/end-all")
    yield "account-sessions-end"
    person.open("/account/events")
    yield "account-events"
    person.open("/account/export")
    yield "account-export"
    person.open("/account/delete")
    yield "account-delete"
    person.submit("Delete my account", password="wrong")
    yield "account-delete-refused"
    person.submit("Delete my account", password=PASSWORD)
    yield "account-deleted"


def factors(person: Person) -> Iterator[str]:
    person.sign_in()
    person.open("/account/factors")
    yield "account-factors-none"
    person.open("/account/recovery-codes")
    yield "account-codes-none"
    person.open("/account/totp")
    yield "account-totp"
    person.submit("Add the app", code="000000")
    yield "account-totp-refused"
    person.open("/account/passkeys/new")
    yield "account-passkey"
    person.add_authenticator()
    person.press("Create a passkey")
    yield "account-codes"
    person.open("/account/passkeys/new")
    yield "confirm-passkey"
    person.press("Use your passkey")
    person.touch("Create a passkey")
    person.wait_for(person.say("This device or password manager already has a passkey for your account."))
    yield "account-passkey-refused"
    person.open("/account/factors")
    person.press("Rename or remove")
    yield "account-factor"
    person.press("Remove this passkey")
    yield "account-factor-remove"
    person.open("/account/recovery-codes")
    yield "account-codes-ask"
    person.open("/account")
    yield "account-with-factor"


def confirm(person: Person) -> Iterator[str]:
    person.sign_in()
    person.open("/confirm?return_to=/account/factors")
    yield "confirm-password"
    app, _ = person.totp()
    person.open("/account/passkeys/new")
    yield "confirm-app"
    person.submit("Continue", totp=app.wrong_code())
    yield "confirm-app-refused"


def users(person: Person) -> Iterator[str]:
    user = Visitor(person.service).sign_in(person.service.user(long_email()))
    person.totp(user.email)
    person.sign_in(role=Role.ADMIN)
    person.open("/users")
    yield "users"
    person.submit("Search", query=unique_email())
    yield "users-none"
    person.submit("Search", query=user.email)
    person.press(user.email)
    yield "user"
    place = person.path
    for act in ("role", "sign-out", "reset-factors", "disable", "delete"):
        person.open(f"{place}/{act}")
        yield f"user-{act}"
    person.open(f"{place}/disable")
    person.press("Disable the account")
    yield "user-disabled"
    person.open(f"{place}/enable")
    yield "user-enable"
    person.open(f"{place}/events")
    yield "user-events"
    person.open(f"/users?query={person.email}")
    person.press(person.email)
    yield "user-own"
    person.sign_in()
    person.open("/users")
    yield "users-forbidden"


def management(person: Person) -> Iterator[str]:
    person.sign_in(role=Role.ADMIN)
    person.open("/users/invitations")
    invited = long_email()
    person.submit("Invite", email=invited)
    yield "invitations"
    person.submit("Invite", email=person.email)
    yield "invitations-refused"
    person.open("/users/invitations")
    person.follow("a[href$='/revoke']")
    yield "invitation-revoke"
    person.open("/users/mails")
    yield "mails-none"
    eventually(lambda: asyncio.run(fetch(person.service, PARK, REFUSAL, invited)))
    person.open("/users/mails")
    yield "mails"
    person.follow("form[action$='/users/mails'] button")
    yield "mails-done"
    person.open("/users/clients/new")
    yield "client-new"
    person.submit("Add the client", name="x" * 64)
    yield "client-added"
    person.open("/users/clients")
    yield "clients"
    person.follow("a[href$='/remove']")
    yield "client-remove"

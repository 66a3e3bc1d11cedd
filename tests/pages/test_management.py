"""Invite people, and add programs, on pages."""

from domain.role import Role
from tests.support.person import Person
from tests.support.service import PASSWORD, unique_email


def test_invited_person_creates_the_account(person: Person) -> None:
    email = unique_email("invited")
    person.sign_in(role=Role.MODERATOR)
    person.press("Users")
    person.press("Invitations")
    person.submit("Invite", email=email)
    assert email in person.text
    person.forget_cookies()
    person.open_link("/invitation", email)
    person.submit("Create my account", password=PASSWORD)
    person.sign_in(email)
    assert person.path == "/account"


def test_invitation_is_revoked(person: Person) -> None:
    email = unique_email("invited")
    person.sign_in(role=Role.MODERATOR)
    person.open("/users/invitations")
    person.submit("Invite", email=email)
    person.press(f"Revoke {email}")
    person.press("Cancel")
    person.press(f"Revoke {email}")
    person.press("Revoke the invitation")
    person.open_link("/invitation", email)
    assert person.heading == "This link is not valid"


def test_account_is_not_invited(person: Person) -> None:
    person.sign_in(role=Role.MODERATOR)
    person.open("/users/invitations")
    person.submit("Invite", email=person.service.user("known"))
    assert person.alerts()


def test_secret_of_a_client_is_shown_once(person: Person) -> None:
    name = f"Shop {unique_email()[8:14]}"
    person.sign_in(role=Role.ADMIN)
    person.press("Users")
    person.press("Clients")
    person.press("Add a client")
    person.submit("Add the client", name=name)
    secret = person.driver.find_elements("css selector", "dd code")[1].text
    person.press("I have saved it")
    assert name in person.text
    person.driver.back()
    assert secret not in person.driver.page_source
    person.open("/users/clients")
    person.press(f"Remove {name}")
    person.press("Remove the client")
    assert name not in person.text


def test_moderator_sees_no_clients_and_no_mails(person: Person) -> None:
    person.sign_in(role=Role.MODERATOR)
    person.press("Users")
    assert "Clients" not in person.text
    for path in ("/users/clients", "/users/mails"):
        person.open(path)
        assert "Back to" in person.text

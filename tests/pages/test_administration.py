"""What moderators and admins do to users."""

from domain.role import Role
from tests.support.person import Person
from tests.support.service import unique_email
from tests.support.visitor import Visitor


def managed(person: Person, role: Role = Role.ADMIN) -> Visitor:
    """A signed-in user, whose page an admin has opened by search."""
    other = Visitor(person.service).sign_in(person.service.user("managed"))
    person.sign_in(role=role)
    person.press("Users")
    person.submit("Search", query=other.email)
    person.press(other.email)
    assert person.heading == other.email
    return other


def signed_in(user: Visitor) -> bool:
    return user.client.get("/account").status_code == 200


def test_role_is_changed(person: Person) -> None:
    user = managed(person)
    person.press("Change the role")
    person.choose("role", "moderator")
    person.press("Change the role")
    assert person.heading == user.email
    assert "Moderator" in person.text
    user.sign_in(user.email)
    assert "Users" in user.open("/account").text


def test_user_is_disabled_and_enabled(person: Person) -> None:
    user = managed(person)
    person.press("Disable the account")
    person.press("Cancel")
    person.press("Disable the account")
    person.press("Disable the account")
    assert "Disabled" in person.text
    assert not signed_in(user)
    person.press("Enable the account")
    person.press("Enable the account")
    assert "Enabled" in person.text
    assert signed_in(user.sign_in(user.email))


def test_user_is_signed_out_by_a_moderator(person: Person) -> None:
    user = managed(person, Role.MODERATOR)
    assert "Delete the account" not in person.text
    person.press("Sign out everywhere")
    person.press("Sign out everywhere")
    assert person.heading == user.email
    assert not signed_in(user)


def test_factors_of_a_user_are_reset(person: Person) -> None:
    user = managed(person)
    person.totp(user.email)
    person.driver.refresh()
    assert "Authenticator app" in person.text
    person.press("Remove all second factors")
    person.press("Remove all second factors")
    assert person.heading == user.email
    assert "Authenticator app" not in person.text
    assert not signed_in(user)
    assert signed_in(user.sign_in(user.email))


def test_user_is_deleted(person: Person) -> None:
    user = managed(person)
    person.press("Delete the account")
    person.press("Delete the account")
    assert person.path == "/users"
    person.submit("Search", query=user.email)
    assert "No user found." in person.text
    assert not signed_in(user)


def test_peer_is_not_managed(person: Person) -> None:
    other = person.service.user("peer", role=Role.ADMIN)
    person.sign_in(role=Role.ADMIN)
    person.open(f"/users?query={other}")
    person.press(other)
    assert "You can only manage users with a lower role than yours." in person.text


def test_activity_of_a_user_names_the_admin(person: Person) -> None:
    managed(person)
    person.press("Sign out everywhere")
    person.press("Sign out everywhere")
    person.press("Activity of this user")
    assert person.heading == "Activity"
    assert person.email in person.text


def test_step_up_before_an_act_leads_back_to_it(person: Person) -> None:
    managed(person)
    app, _ = person.totp(person.email)
    person.press("Delete the account")
    assert person.heading == "Confirm that it is you"
    person.submit("Continue", totp=app.code())
    assert person.heading == "Delete this account?"
    person.press("Delete the account")
    assert person.path == "/users"


def test_demoted_admin_loses_the_pages_at_once(person: Person) -> None:
    person.sign_in(role=Role.MODERATOR)
    person.open("/users")
    admin = person.service.admin()
    (user,) = admin.get("/v1/users", params={"query": person.email}).json()["items"]
    assert admin.patch(f"/v1/users/{user['id']}", json={"role": "member"}).status_code == 200
    person.submit("Search", query=unique_email())
    assert person.heading != "Users"
    person.open("/account")
    assert person.path in {"/account", "/sign-in"}
    assert "Users" not in person.text

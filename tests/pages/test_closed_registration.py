"""Pages where registration needs an invitation or is closed, and moderators need a factor."""

import pytest

from domain.role import Role
from tests.support.person import Person


@pytest.fixture(scope="module", params=["invited", "closed"])
def settings(request: pytest.FixtureRequest) -> dict[str, str]:
    return {"LATCHKEY_REGISTRATION": str(request.param), "LATCHKEY_REQUIRE_FACTOR": "moderator"}


def invited(settings: dict[str, str]) -> bool:
    return settings["LATCHKEY_REGISTRATION"] == "invited"


def test_registration_is_said_to_be_closed(person: Person, settings: dict[str, str]) -> None:
    person.open("/sign-in")
    assert "Create an account" not in person.text
    person.open("/register")
    assert person.heading == ("You need an invitation" if invited(settings) else "Registration is closed")
    person.press("Sign in")
    assert person.path == "/sign-in"


def test_moderator_must_add_a_factor_first(person: Person, settings: dict[str, str]) -> None:
    """LATCHKEY_REQUIRE_FACTOR=moderator."""
    person.sign_in(role=Role.MODERATOR)
    person.open("/users")
    assert person.path == "/account/factors"
    person.add_passkey()
    person.press("I have saved the codes")
    person.open("/users")
    assert person.heading == "Users"
    person.forget_cookies()
    person.set_user_present(False)
    person.sign_in()
    assert person.path == "/account"

"""Register, verify, accept an invitation."""

from tests.support.person import Person
from tests.support.service import PASSWORD, eventually, unique_email


def test_person_registers_verifies_and_signs_in(person: Person) -> None:
    email = unique_email("new")
    person.open("/")
    person.press("Create an account")
    person.submit("Create an account", email=email, password=PASSWORD)
    assert person.heading == "Check your mailbox"
    person.open_link("/verify", email)
    person.press("Verify my e-mail address")
    assert "verified" in person.heading
    assert "token" not in person.driver.current_url
    person.sign_in(email)
    assert "Verified" in person.text


def test_refused_registration_keeps_what_was_typed(person: Person) -> None:
    person.open("/register")
    person.script("document.querySelector('form').noValidate = true")
    person.submit("Create an account", email="nonsense", username="no blanks", password="short")
    assert person.error_of("email")
    assert person.field("email").get_attribute("value") == "nonsense"
    assert person.field("password").get_attribute("value") == ""
    assert person.driver.title.startswith("Error")


def test_known_address_is_answered_like_an_unknown_one(person: Person) -> None:
    person.open("/register")
    person.submit("Create an account", email=person.service.user("known"), password=PASSWORD)
    assert person.heading == "Check your mailbox"


def test_used_link_is_harmless_and_a_wrong_one_says_so(person: Person) -> None:
    email = unique_email("new")
    person.open("/register")
    person.submit("Create an account", email=email, password=PASSWORD)
    link = f"/verify?token={person.service.token(email)}"
    person.open(link)
    person.press("Verify my e-mail address")
    person.open(link)
    person.press("Verify my e-mail address")
    assert person.heading == "Your e-mail address is verified"
    person.open("/verify?token=nonsense")
    assert person.heading == "This link is not valid"


def test_unverified_person_adds_no_factor(person: Person) -> None:
    email = unique_email("new")
    person.open("/register")
    person.submit("Create an account", email=email, password=PASSWORD)
    person.sign_in(email)
    assert "Not verified yet." in person.text
    person.open("/account/factors")
    assert "Verify your e-mail address before you add a passkey or an app." in person.text
    person.press("Send me a new link")
    person.submit("Send me a link", email=email)
    assert eventually(lambda: len(person.service.mails(email)) == 2)
    person.open_link("/verify", email)
    person.press("Verify my e-mail address")
    assert person.heading == "Your e-mail address is verified"


def test_invitation_is_accepted_once(person: Person) -> None:
    email = unique_email("invited")
    admin = person.service.admin()
    assert admin.post("/v1/invitations", json={"email": email, "role": "moderator"}).status_code == 201
    link = f"/invitation?token={person.service.token(email)}"
    person.open(link)
    assert person.driver.find_element("id", "email").get_attribute("value") == email
    person.submit("Create my account", password=PASSWORD)
    person.sign_in(email)
    assert "Users" in person.text
    person.open(link)
    assert person.heading == "This link is not valid"


def test_revoked_invitation_is_no_longer_valid(person: Person) -> None:
    email = unique_email("invited")
    admin = person.service.admin()
    sent = admin.post("/v1/invitations", json={"email": email}).json()
    link = f"/invitation?token={person.service.token(email)}"
    person.open(link)
    assert admin.delete(f"/v1/invitations/{sent['id']}").status_code == 204
    person.submit("Create my account", password=PASSWORD)
    assert person.heading == "This link is not valid"

"""Everything that people do to their own account."""

from tests.support.person import Person
from tests.support.service import PASSWORD, eventually, unique_email
from tests.support.visitor import Visitor

NEW_PASSWORD = "a long walk to the lighthouse"


def test_username_is_changed(person: Person) -> None:
    name = f"grace-{unique_email()[8:14]}"
    person.sign_in()
    person.press("Change profile")
    person.submit("Save", username="no blanks please")
    assert person.error_of("username")
    person.submit("Save", username=name)
    assert "Your profile is saved." in person.text
    assert name in person.text


def test_language_is_changed(person: Person) -> None:
    person.sign_in()
    person.open("/account/profile")
    person.choose("locale", "de")
    person.press("Save")
    assert person.driver.find_element("tag name", "html").get_attribute("lang") == "de"
    person.forget_cookies()
    person.open("/sign-in")
    assert person.heading == "Sign in"


def test_address_is_changed_by_mail(person: Person) -> None:
    new = unique_email("new")
    person.sign_in()
    person.press("Change address")
    person.submit("Send the link", new_email=new, password="wrong")
    assert person.error_of("password") == "Incorrect password."
    person.submit("Send the link", new_email=new, password=PASSWORD)
    assert "Check the mailbox of your new address" in person.text
    person.open_link("/email", new)
    person.press("Yes, use this address")
    person.open("/account")
    assert new in person.text


def test_change_of_address_is_undone_from_the_former_mailbox(person: Person) -> None:
    new, email = unique_email("new"), person.sign_in()
    person.open("/account/email")
    person.submit("Send the link", new_email=new, password=PASSWORD)
    person.open_link("/email", new)
    person.press("Yes, use this address")
    person.open_link("/email", email)
    assert person.heading == "Was this not you?"
    person.press("This was not me")
    person.open("/account")
    assert person.path == "/sign-in"
    person.open_link("/reset", email)
    person.submit("Set new password", new_password=NEW_PASSWORD, confirm_password=NEW_PASSWORD)
    person.sign_in(email, password=NEW_PASSWORD)
    assert email in person.text


def test_password_is_changed(person: Person) -> None:
    email = person.sign_in()
    elsewhere = Visitor(person.service).sign_in(email)
    person.press("Change password")
    person.fill(current_password=PASSWORD, new_password=NEW_PASSWORD, confirm_password="something else entirely")
    person.press("Change password")
    assert person.error_of("confirm_password")
    person.fill(current_password=PASSWORD, new_password=NEW_PASSWORD, confirm_password=NEW_PASSWORD)
    person.press("Change password")
    assert "Your password is changed." in person.text
    assert elsewhere.client.get("/account").status_code == 303


def test_other_device_is_signed_out(person: Person) -> None:
    person.sign_in()
    elsewhere = Visitor(person.service).sign_in(person.email)
    person.press("Devices")
    assert "This device" in person.text
    person.touch("Sign out", 1)
    person.press("Sign this device out")
    assert "The device is signed out." in person.text
    assert elsewhere.client.get("/account").status_code == 303


def test_all_other_devices_are_signed_out(person: Person) -> None:
    person.sign_in()
    others = [Visitor(person.service).sign_in(person.email) for _ in range(2)]
    person.press("Devices")
    person.press("Sign out all other devices")
    assert "2 devices have to sign in again." in person.text
    person.press("Sign them out")
    assert "You are signed in nowhere else." in person.text
    assert {one.client.get("/account").status_code for one in others} == {303}


def test_activity_is_listed_and_turned_over(person: Person) -> None:
    someone = Visitor(person.service).sign_in(person.sign_in())
    for number in range(21):
        someone.post("/account/profile", {"username": f"name-{number}-{unique_email()[8:14]}"})
    person.press("Activity")
    assert person.text.count("Username changed") == 20
    person.press("Older")
    assert "Account created by an operator" in person.text
    person.press("Newest")
    assert person.text.count("Username changed") == 20


def test_data_is_downloaded_as_a_file(person: Person) -> None:
    person.sign_in()
    folder = person.service.folder / f"downloads-{unique_email()[8:14]}"
    folder.mkdir()
    person.cdp("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    person.press("Download your data")
    person.touch("Download")
    file = eventually(lambda: next(iter(folder.glob("*.json")), None))
    assert person.email in file.read_text()
    assert person.heading == "Download your data"


def test_account_is_kept_after_all(person: Person) -> None:
    person.sign_in()
    person.press("Delete your account")
    person.submit("Delete my account", password="wrong")
    assert person.error_of("password") == "Incorrect password."
    person.press("Keep it")
    assert person.path == "/account"


def test_account_is_deleted_and_comes_back_by_the_mailed_link(person: Person) -> None:
    email = person.sign_in()
    person.press("Delete your account")
    person.submit("Delete my account", password=PASSWORD)
    assert person.heading == "Your account is deleted"
    person.sign_in(email)
    assert person.alerts() == ["Incorrect login or password."]
    person.open_link("/email", email)
    person.press("This was not me")
    person.open_link("/reset", email)
    person.submit("Set new password", new_password=NEW_PASSWORD, confirm_password=NEW_PASSWORD)
    person.sign_in(email, password=NEW_PASSWORD)
    assert person.path == "/account"


def test_member_does_not_see_the_pages_about_users(person: Person) -> None:
    person.sign_in()
    assert "Users" not in person.text
    person.open("/users")
    assert person.heading != "Users"
    assert "Back to" in person.text

"""What browsers do besides: tabs, the back button, reloads, no script, no cookies, slow networks."""

from collections.abc import Iterator

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.support.browser import Browser
from tests.support.person import Person
from tests.support.service import PASSWORD, unique_email
from tests.support.visitor import Visitor


def test_sign_out_in_one_tab_ends_the_other(person: Person) -> None:
    person.sign_in()
    first = person.driver.current_window_handle
    person.driver.switch_to.new_window("tab")
    person.open("/account/profile")
    second = person.driver.current_window_handle
    person.driver.switch_to.window(first)
    person.press("Sign out")
    person.driver.switch_to.window(second)
    person.submit("Save", username=f"late-{unique_email()[8:14]}")
    assert person.path == "/sign-in"
    person.submit("Sign in", login=person.email, password=PASSWORD)
    assert person.path == "/account/profile"
    assert person.field("username").get_attribute("value") == ""


def test_sign_in_as_another_in_a_second_tab_changes_both(person: Person) -> None:
    person.sign_in()
    first = person.driver.current_window_handle
    person.driver.switch_to.new_window("tab")
    other = person.sign_in()
    person.driver.switch_to.window(first)
    person.driver.refresh()
    assert other in person.text


def test_back_after_sign_out_shows_nothing(person: Person) -> None:
    email = person.sign_in()
    person.open("/account/sessions")
    person.open("/account")
    person.press("Sign out")
    person.driver.back()
    assert person.path == "/sign-in"
    person.driver.back()
    assert email not in person.text
    assert person.path == "/sign-in"


def test_back_after_deletion_shows_nothing(person: Person) -> None:
    email = person.sign_in()
    person.open("/account/delete")
    person.submit("Delete my account", password=PASSWORD)
    person.driver.back()
    person.driver.refresh()
    assert email not in person.driver.page_source


def test_reload_after_an_act_does_not_repeat_it(person: Person) -> None:
    person.sign_in()
    person.open("/account/profile")
    person.submit("Save", username=f"once-{unique_email()[8:14]}")
    person.driver.refresh()
    assert person.path == "/account"
    person.open("/account/events")
    assert person.text.count("Username changed") == 1


def test_reload_of_a_refused_form_is_harmless(person: Person) -> None:
    email = person.service.user("reloading")
    person.sign_in(email, password="not the right passphrase")
    person.driver.refresh()
    assert person.alerts() == ["Incorrect login or password."]
    person.submit("Sign in", login=email, password=PASSWORD)
    assert person.path == "/account"


def test_double_click_on_a_slow_network_signs_in(person: Person) -> None:
    email = person.service.user("hasty")
    person.open("/sign-in")
    person.fill(login=email, password=PASSWORD)
    slow = {"offline": False, "latency": 1500, "downloadThroughput": -1, "uploadThroughput": -1}
    person.cdp("Network.enable")
    person.cdp("Network.emulateNetworkConditions", **slow)
    person.script("const go = document.querySelector('button'); go.click(); setTimeout(() => go.click(), 300);")
    person.wait_for_path("/account")
    person.cdp("Network.emulateNetworkConditions", **slow | {"latency": 0})
    person.open("/account/sessions")
    assert person.text.count("Last used on") in {1, 2}
    person.open("/account")
    assert email in person.text


def test_password_needs_no_script(person: Person) -> None:
    email = person.service.user("plain")
    app, _ = person.totp(email)
    person.cdp("Emulation.setScriptExecutionDisabled", value=True)
    try:
        person.open("/account/events")
        assert "passkey" not in person.text
        person.fill(login=email, password=PASSWORD)
        person.field("password").submit()
        WebDriverWait(person.driver, 20).until(lambda _: person.heading == "Second step")
        person.fill(totp=app.code())
        person.driver.find_element(By.CSS_SELECTOR, "button").click()
        person.wait_for_path("/account/events")
        person.open("/account/profile")
        assert person.heading == "Profile"
    finally:
        person.cdp("Emulation.setScriptExecutionDisabled", value=False)


def test_passkey_page_says_that_it_needs_script(person: Person) -> None:
    person.sign_in()
    person.cdp("Emulation.setScriptExecutionDisabled", value=True)
    try:
        person.open("/account/passkeys/new")
        assert "JavaScript" in person.text
    finally:
        person.cdp("Emulation.setScriptExecutionDisabled", value=False)


def test_sign_out_of_all_devices_in_another_browser(person: Person) -> None:
    person.sign_in()
    elsewhere = Visitor(person.service).sign_in(person.email)
    elsewhere.submit("/account/sessions/end-all")
    person.press("Activity")
    assert person.path == "/sign-in"


def test_unknown_page_is_a_page(person: Person) -> None:
    person.open("/no-such-page")
    assert person.heading
    person.open("/account/factors/0192f0c1-2a3b-7c4d-8e5f-60718293a4b6")
    assert person.path == "/sign-in"


@pytest.fixture(scope="module")
def without_cookies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("profile")
    made = Browser(folder, folder, preferences={"profile.default_content_setting_values.cookies": 2})
    yield made
    made.driver.quit()


def test_blocked_cookies_are_explained_and_do_not_loop(person: Person, without_cookies: Browser) -> None:
    blocked = Person(person.service, without_cookies)
    blocked.open("/account")
    assert blocked.path == "/sign-in"
    assert "cookie" not in blocked.text
    blocked.submit("Sign in", login=person.service.user("blocked"), password=PASSWORD)
    assert blocked.heading == "Sign in"
    assert "Your browser did not keep the cookie of your session." in blocked.text

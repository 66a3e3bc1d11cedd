"""Passkeys on pages, in Chromium with a virtual authenticator, and the same pages without script."""

from collections.abc import Iterator

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.support.browser import Browser
from tests.support.passkey_page import PasskeyBrowser
from tests.support.service import PASSWORD, Service

_COUNT_REQUESTS = """
window.asked = 0;
const get = navigator.credentials?.get.bind(navigator.credentials);
if (get) navigator.credentials.get = (options) => (window.asked += 1, get(options));
"""


class Person:
    """A person with a passkey in the browser's device."""

    def __init__(self, service: Service, browser: Browser) -> None:
        self.url, self.browser, self.driver = service.url, browser, browser.driver
        self.email = service.user("passkey")
        self.passkeys = PasskeyBrowser(browser.driver)
        self.passkeys.add_authenticator()
        self._cdp("Page.addScriptToEvaluateOnNewDocument", {"source": _COUNT_REQUESTS})
        self.sign_in()
        self.wait_for("/account")
        self.open("/account/passkeys/new")
        self.press("form[data-passkey] button")
        self.wait_for("/account/recovery-codes", "/account/passkeys", "/account/factors")
        self.sign_out()

    def sign_in(self) -> None:
        self.open("/sign-in?return_to=/account")
        self.browser.fill(login=self.email, password=PASSWORD)
        self.press("form[action$='sign-in'] button")

    def second_step(self) -> None:
        """Give the password, and wait for the next page."""
        self.sign_in()
        wait = WebDriverWait(self.driver, 20, 0.05, ignored_exceptions=[WebDriverException])
        wait.until(lambda driver: "Second step" in driver.title)

    def sign_out(self) -> None:
        self._cdp("Network.clearBrowserCookies", {})

    def open(self, path: str) -> None:
        self.driver.get("about:blank")
        self.driver.get(self.url + path)

    def press(self, selector: str) -> None:
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def wait_for(self, *paths: str) -> None:
        def there(_: object) -> bool:
            return any(self.driver.current_url.startswith(self.url + path) for path in paths)

        WebDriverWait(self.driver, 20, 0.05, ignored_exceptions=[WebDriverException]).until(there)

    def wait_for_request(self, number: int) -> None:
        WebDriverWait(self.driver, 20, 0.02).until(lambda driver: driver.execute_script("return asked") >= number)

    def alert(self) -> str:
        alert = self.driver.find_element(By.CSS_SELECTOR, "form[data-passkey] [role=alert]")
        return WebDriverWait(self.driver, 20, 0.05).until(lambda _: alert.text)

    def _cdp(self, command: str, parameters: dict[str, object]) -> None:
        self.driver.execute_cdp_cmd(command, parameters)


@pytest.fixture(scope="module")
def person(shared_service: Service, browsers: Browser) -> Iterator[Person]:
    yield Person(shared_service, browsers)
    shared_service.close_clients()


@pytest.fixture(autouse=True)
def fresh(person: Person, browser: Browser) -> Iterator[None]:
    person.passkeys.set_user_present(True)
    yield
    person.sign_out()


def test_browser_signs_in_with_a_passkey_without_a_click(person: Person) -> None:
    person.open("/sign-in?return_to=/account/events")
    person.wait_for("/account/events")


def test_button_signs_in_with_a_passkey_while_the_form_waits(person: Person) -> None:
    person.passkeys.set_user_present(False)
    person.open("/sign-in?return_to=/account/events")
    person.wait_for_request(1)
    person.browser.see("sign-in")
    person.passkeys.set_user_present(True)  # for the next request
    person.press("form[data-passkey] button")
    person.wait_for("/account/events")


def test_passkey_is_second_factor_on_its_page(person: Person) -> None:
    person.passkeys.set_user_present(False)
    person.second_step()
    person.browser.see("second-factor")
    assert "Your password is right." in person.browser.text()
    person.passkeys.set_user_present(True)
    person.press("form[data-passkey] button")
    person.wait_for("/account")


def test_page_shows_an_error_of_the_browser(person: Person) -> None:
    person.passkeys.set_user_present(False)
    person.second_step()
    person.driver.execute_script(
        "navigator.credentials.get = async () => { throw new DOMException('x', 'NotAllowedError'); }"
    )
    person.press("form[data-passkey] button")
    assert person.alert() == "The passkey was not used: the request was cancelled or took too long."


def test_password_signs_in_without_script(person: Person, service: Service) -> None:
    other = service.user("scriptless")
    person.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        person.open("/sign-in?return_to=/account/events")
        assert not person.driver.find_element(By.CSS_SELECTOR, "form[data-passkey]").is_displayed()
        person.browser.fill(login=other, password=PASSWORD)
        person.press("form[action$='sign-in'] button")
        person.wait_for("/account/events")
    finally:
        person.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})

"""A person at the pages of a service, in Chromium with virtual authenticators."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.ui import Select, WebDriverWait

from domain.role import Role
from tests.support.authenticators import Authenticators
from tests.support.browser import Browser
from tests.support.service import PASSWORD, Service
from tests.support.totp_app import TotpApp, add_totp

_PRESSED = "//*[self::button or self::a or self::summary][normalize-space()=%s]"
_REPORT_OFFERS = """
const get = navigator.credentials.get.bind(navigator.credentials);
navigator.credentials.get = (options) => (window.offered = true, get(options));
"""


class Person(Authenticators):
    def __init__(self, service: Service, browser: Browser) -> None:
        super().__init__(browser.driver)
        self.service, self.browser = service, browser
        self.email = ""
        self.say: Callable[[str], str] = str
        """Translates the texts of buttons and links into the language in which the person reads."""

    # -- reading -----------------------------------------------------------------------------------------

    @property
    def path(self) -> str:
        return urlsplit(self.driver.current_url).path

    @property
    def heading(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "h1").text

    @property
    def text(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "main").text

    def alerts(self) -> list[str]:
        found = (element.text for element in self.driver.find_elements(By.CSS_SELECTOR, "[role=alert]"))
        return [text for text in found if text]

    def error_of(self, name: str) -> str:
        """The error beside a field, if a screen reader reads it with the field."""
        field = self.field(name)
        assert f"{name}-error" in (field.get_attribute("aria-describedby") or "")
        return self.driver.find_element(By.ID, f"{name}-error").text

    def field(self, name: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, f"[name={name}]:not([type=hidden])")

    def wait_for(self, text: str) -> None:
        def shown(_: object) -> bool:
            return text in self.text

        WebDriverWait(self.driver, 20, 0.02, ignored_exceptions=[WebDriverException]).until(shown, text)

    def wait_until_gone(self, element: WebElement) -> None:
        """Wait for the page that follows that of the element."""
        # While one document replaces another, Chromium's driver may answer with an error of its inspector instead.
        WebDriverWait(self.driver, 20, 0.02, ignored_exceptions=[WebDriverException]).until(staleness_of(element))

    def wait_for_path(self, path: str) -> None:
        WebDriverWait(self.driver, 20, 0.02).until(lambda _: self.path == path, f"{path}, not {self.path}")

    # -- acting ------------------------------------------------------------------------------------------

    def open(self, path: str) -> None:
        self.driver.get(self.service.url + path if path.startswith("/") else path)

    def open_link(self, path: str, email: str) -> None:
        """Follow the link to this page in the newest mail that has one."""
        self.open(self.service.link(path, email))

    def fill(self, **fields: str) -> None:
        for name, value in fields.items():
            field = self.field(name)
            field.clear()
            field.send_keys(value)

    def choose(self, name: str, value: str) -> None:
        Select(self.field(name)).select_by_value(value)

    def touch(self, label: str, number: int = 0) -> WebElement:
        """Press a button, link or summary by its text, without waiting for another page."""
        found = self.driver.find_elements(By.XPATH, _PRESSED % json.dumps(self.say(label), ensure_ascii=False))
        shown = [element for element in found if element.is_displayed()]
        assert len(shown) > number, f"{label!r} is not in {self.path}:\n{self.text}"
        shown[number].click()
        return shown[number]

    def press(self, label: str, number: int = 0) -> None:
        """Press a button or link, and wait for the page that follows."""
        page = self.driver.find_element(By.TAG_NAME, "html")
        self.touch(label, number)
        self.wait_until_gone(page)

    def follow(self, selector: str) -> None:
        """The first link that a CSS selector finds."""
        link = self.driver.find_element(By.CSS_SELECTOR, selector)
        link.click()
        self.wait_until_gone(link)

    def submit(self, label: str, **fields: str) -> None:
        self.fill(**fields)
        self.press(label)

    def sign_in(self, email: str = "", *, password: str = PASSWORD, role: Role = Role.MEMBER) -> str:
        """With a password; as a new user without an address. Returns the address."""
        self.email = email or self.service.user("person", role=role)
        self.open("/sign-in?switch=1")
        self.submit("Sign in", login=self.email, password=password)
        return self.email

    def totp(self, email: str = "") -> tuple[TotpApp, list[str]]:
        """A new authenticator app of a user, added elsewhere, and the recovery codes with a first one."""
        app, added = add_totp(self.service.client().log_in(email or self.email))
        return app, added.get("recovery_codes", [])

    def add_passkey(self, **options: object) -> None:
        """On a new authenticator, on the page for it."""
        self.add_authenticator(**options)
        self.open("/account/passkeys/new")
        self.press("Create a passkey")
        WebDriverWait(self.driver, 20, 0.02).until(lambda driver: driver.find_elements(By.CLASS_NAME, "codes"))

    # -- the browser ---------------------------------------------------------------------------------------

    def script(self, text: str, *arguments: object) -> Any:
        driver: Any = self.driver  # its answers are untyped
        return driver.execute_script(text, *arguments)

    def open_without_taking_a_passkey(self, path: str) -> None:
        """A page on which the browser has offered passkeys, and the person has taken none so far."""
        self.set_user_present(False)
        added = self.cdp("Page.addScriptToEvaluateOnNewDocument", source=_REPORT_OFFERS)
        self.open(path)
        WebDriverWait(self.driver, 20, 0.02).until(lambda _: self.script("return window.offered"))
        self.cdp("Page.removeScriptToEvaluateOnNewDocument", identifier=added["identifier"])
        self.set_user_present(True)  # for the requests to come

    def keep_passkey_form(self) -> None:
        """Use a passkey on the sign-in page, and keep the form that the script sends with it."""
        self.open_without_taking_a_passkey("/sign-in")
        self.script(
            "HTMLFormElement.prototype.submit = function () {"
            "  sessionStorage.form = JSON.stringify([this.action, [...new FormData(this)]]);"
            "};"
        )
        self.touch("Sign in with a passkey")
        WebDriverWait(self.driver, 20, 0.02).until(lambda _: self.script("return sessionStorage.form"))

    def send_kept_form(self) -> None:
        """The kept form, as often as one likes."""
        page = self.driver.find_element(By.TAG_NAME, "html")
        self.script(
            "const [action, fields] = JSON.parse(sessionStorage.form);"
            "const form = Object.assign(document.createElement('form'), {method: 'post', action});"
            "for (const [name, value] of fields)"
            "  form.append(Object.assign(document.createElement('input'), {type: 'hidden', name, value}));"
            "document.body.append(form);"
            "form.append(document.createElement('button'));"
            "form.lastChild.click();"
        )
        self.wait_until_gone(page)

    def forget_cookies(self) -> None:
        self.cdp("Network.clearBrowserCookies")

    def leave(self) -> None:
        """Close other tabs, and forget cookies and authenticators."""
        first, *others = self.driver.window_handles
        for handle in others:
            self.driver.switch_to.window(handle)
            self.driver.close()
        self.driver.switch_to.window(first)
        self.open("about:blank")
        self.remove_authenticators()
        self.forget_cookies()

"""Each page before a person is signed in, as people see it: light and dark, narrow and wide."""

import pytest
from selenium.webdriver.common.by import By

from tests.support.browser import Browser
from tests.support.service import PASSWORD, Service, unique_email
from tests.support.totp_app import add_totp


def press(browser: Browser, selector: str = "form:not([data-passkey]) button:not([type=button])") -> None:
    browser.driver.find_element(By.CSS_SELECTOR, selector).click()


@pytest.fixture
def signed_out(browser: Browser) -> Browser:
    browser.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    return browser


def refused(browser: Browser, *statuses: str) -> None:
    """The browser complains about the status of a refused form, and about nothing else."""
    lines = browser.complaints()
    assert all(any(status in line for status in statuses) for line in lines), lines


def test_pages_of_a_sign_in_are_readable(service: Service, signed_out: Browser) -> None:
    browser, member = signed_out, service.member()
    app, _ = add_totp(member)
    browser.driver.get(f"{service.url}/sign-in?return_to=/account")
    browser.fill(login=member.email, password="wrong")
    press(browser)
    browser.see("sign-in-refused")
    browser.fill(password=PASSWORD)
    press(browser)
    browser.see("second-factor-code")
    browser.fill(totp=app.wrong_code())
    press(browser)
    browser.see("second-factor-refused")
    browser.fill(totp=app.code())
    press(browser)
    for path, name in (
        ("/sign-in?return_to=/account/events", "signed-in"),
        ("/confirm?return_to=/account", "confirm-code"),
        ("/sign-in?done=signed_out&switch=1", "signed-out"),
        ("/", "home"),
    ):
        browser.driver.get(service.url + path)
        browser.see(name)
    refused(browser, "401")


def test_pages_of_a_registration_are_readable(service: Service, signed_out: Browser) -> None:
    browser = signed_out
    browser.driver.get(f"{service.url}/register")
    browser.see("register")
    browser.fill(email=unique_email("reader"), username="a b", password="password1234567")
    press(browser)
    browser.see("register-refused")
    refused(browser, "422")
    browser.driver.find_element(By.NAME, "username").clear()
    browser.fill(password=PASSWORD)
    press(browser)
    browser.see("register-done")
    browser.driver.get(f"{service.url}/reset")
    browser.see("forgot")


def test_confirmation_by_password_is_readable(service: Service, signed_out: Browser) -> None:
    browser = signed_out
    browser.driver.get(f"{service.url}/sign-in?return_to=/confirm")
    browser.fill(login=service.user("reader"), password=PASSWORD)
    press(browser)
    browser.see("confirm-password")


@pytest.mark.parametrize("mode", ["invited", "closed"])
def test_pages_without_registration_are_readable(isolated_service: Service, signed_out: Browser, mode: str) -> None:
    isolated_service.environ["LATCHKEY_REGISTRATION"] = mode
    isolated_service.start_api()
    signed_out.driver.get(f"{isolated_service.url}/register")
    signed_out.see(f"register-{mode}")

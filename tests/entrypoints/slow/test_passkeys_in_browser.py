"""Passkeys in Chromium with virtual authenticators, on a page of another origin that follows docs/passkeys.md."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from selenium.webdriver.common.by import By

from tests.support.browser import Browser
from tests.support.passkey_page import PasskeyBrowser, product
from tests.support.service import DatabaseFactory, Service


@dataclass
class Page:
    """`frame` is a page of another site that shows this one in a frame, and `stranger` one that may call the API but
    not use its passkeys."""

    service: Service
    browser: PasskeyBrowser
    url: str
    frame: str
    stranger: str

    def enrolled(self, **options: object) -> tuple[str, dict[str, Any]]:
        """The address of a new user, and the passkey that the user has added on a new authenticator."""
        self.browser.remove_authenticators()
        email = self.service.user("passkey")
        self.browser.add_authenticator(**options)
        self.browser.open(self.url)
        self.browser.log_in(email)
        return email, self.browser.press("addPasskey")

    def user_of(self, pair: dict[str, Any]) -> str:
        headers = {"Authorization": f"Bearer {pair['access_token']}"}
        email: str = self.service.client().get("/v1/me", headers=headers).json()["email"]
        return email


@pytest.fixture(scope="module")
def pages(databases: DatabaseFactory, browsers: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    service = Service(tmp_path_factory.mktemp("service"), *databases(), processes=1)
    accounts = f"http://localhost:{service.port}"
    with product(accounts) as (url, frame), product(accounts) as (stranger, _):
        service.environ |= {
            "LATCHKEY_PUBLIC_URL": accounts,
            "LATCHKEY_PASSKEY_ORIGINS": url,
            "LATCHKEY_CORS_ORIGINS": f"{url},{stranger}",
        }
        try:
            service.start_api()
            yield Page(service, PasskeyBrowser(browsers.driver), url, frame, stranger)
        finally:
            service.close_clients()
            service.stop()


@pytest.fixture
def page(pages: Page, browsers: Browser) -> Iterator[Page]:
    yield pages
    browsers.complaints()  # refused requests are complaints of the browser


def test_passkey_is_added_and_signs_in(page: Page) -> None:
    email, factor = page.enrolled()
    assert (factor["kind"], factor["name"], factor["backed_up"]) == ("passkey", "My laptop", False)
    assert len(factor["recovery_codes"]) == 10
    pair = page.browser.press("signIn")
    assert page.user_of(pair) == email


def test_synced_passkey_is_backed_up(page: Page) -> None:
    email, factor = page.enrolled(defaultBackupEligibility=True, defaultBackupState=True)
    assert factor["backed_up"] is True
    assert page.user_of(page.browser.press("signIn")) == email


def test_security_key_signs_in(page: Page) -> None:
    email, factor = page.enrolled(transport="usb")
    assert factor["kind"] == "passkey"
    assert page.user_of(page.browser.press("signIn")) == email


def test_browser_offers_passkey_in_the_login_form(page: Page) -> None:
    email, _ = page.enrolled()
    page.browser.open(f"{page.url}/#conditional")
    assert page.user_of(page.browser.answer()) == email


def test_button_replaces_the_pending_request_of_the_form(page: Page) -> None:
    email, _ = page.enrolled()
    page.browser.set_user_present(False)
    page.browser.open(f"{page.url}/#conditional")
    page.browser.wait_for_request()
    page.browser.set_user_present(True)  # for the next request
    assert page.user_of(page.browser.press("signIn")) == email


def test_passkey_is_second_factor(page: Page) -> None:
    email, _ = page.enrolled()
    page.browser.open(page.url)
    assert page.browser.log_in(email) == {"code": "second_factor_required"}
    assert page.user_of(page.browser.press("secondFactor")) == email


def test_removed_passkey_is_refused(page: Page) -> None:
    email, factor = page.enrolled()
    pair = page.browser.press("signIn")
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    assert page.service.client().delete(f"/v1/factors/{factor['id']}", headers=headers).status_code == 204
    assert page.browser.press("signIn") == {"code": "factor_invalid"}
    assert page.user_of(page.browser.log_in(email)) == email


def test_browser_does_not_add_a_passkey_twice(page: Page) -> None:
    page.enrolled()
    page.browser.press("signIn")
    assert page.browser.press("addPasskey") == {"code": "InvalidStateError"}


def test_authenticator_without_user_verification_is_not_used(page: Page) -> None:
    _, answer = page.enrolled(transport="usb", hasUserVerification=False, isUserVerified=False)
    assert answer == {"code": "NotAllowedError"}


def test_page_of_another_origin_is_refused(page: Page) -> None:
    """The origin may call the API, and belongs to the RP ID, but is not among those that use passkeys."""
    page.enrolled()
    page.browser.open(page.stranger)
    assert page.browser.press("signIn") == {"code": "factor_invalid"}


def test_page_in_a_frame_of_another_site_is_refused(page: Page) -> None:
    page.enrolled()
    page.browser.open(page.frame)
    driver = page.browser.driver
    driver.switch_to.frame(driver.find_element(By.TAG_NAME, "iframe"))
    try:
        assert page.browser.press("signIn") == {"code": "factor_invalid"}
    finally:
        driver.switch_to.default_content()

"""Mails in a browser, as a mail program shows them: readable on a phone, in light and dark mode."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from selenium.webdriver.common.by import By

from adapters.mail.jinja_composer import JinjaComposer
from domain.client_info import ClientInfo
from domain.outbox import MailKind, OutboxMail
from tests.support.browser import Browser
from tests.support.translations import TRANSLATIONS

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
TOKEN = "AaIsa7hUcIeTNqblQd2gXwAAAAEAAAAAaw1rcg.XRTdc7-dbAG3eyrCErU86_BpoiypAhU5YC7-F55R5c0"


@pytest.mark.parametrize("kind", MailKind)
def test_mail_is_readable_in_light_and_dark_and_on_a_telephone(
    browser: Browser, tmp_path: Path, kind: MailKind
) -> None:
    composer = JinjaComposer(
        "https://accounts.example.org",
        translations=TRANSLATIONS,
        product="Paper",
        product_url="https://app.example.org",
    )
    mail = OutboxMail.queued(
        kind,
        "a.person.with.quite.a.long.name@mail.example.org",
        id=UUID(int=1),
        now=datetime(2026, 11, 30, 12, 5, tzinfo=UTC),
        client_info=ClientInfo(ip="2001:db8:1234:5678:9abc:def0:1234:5678", user_agent=AGENT),
        change_id=UUID(int=2) if kind.has_undo_point else None,
    )
    page = tmp_path / f"{kind}.html"
    page.write_text(composer.compose(mail, TOKEN if kind.purpose else None).html)
    browser.driver.get(page.as_uri())
    browser.see(f"mail-{kind}")


def test_mail_with_a_long_product_name_fits_the_screen(browser: Browser, tmp_path: Path) -> None:
    mail = OutboxMail.queued(MailKind.RESET, "a@example.org", id=UUID(int=1), now=datetime(2026, 11, 30, tzinfo=UTC))
    page = tmp_path / "long.html"
    composer = JinjaComposer(
        "https://accounts.example.org",
        translations=TRANSLATIONS,
        product="x" * 100,
        product_url="https://app.example.org",
    )
    page.write_text(composer.compose(replace(mail, client_info=ClientInfo(ip="::1")), TOKEN).html)
    browser.driver.get(page.as_uri())
    browser.see("mail-long-name")


def test_hint_in_a_mail_is_dimmer_than_its_text_in_dark_mode(browser: Browser, tmp_path: Path) -> None:
    mail = OutboxMail.queued(MailKind.RESET, "a@example.org", id=UUID(int=1), now=datetime(2026, 11, 30, tzinfo=UTC))
    page = tmp_path / "dark.html"
    page.write_text(
        JinjaComposer("https://accounts.example.org", translations=TRANSLATIONS).compose(mail, TOKEN).html
    )
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.driver.get(page.as_uri())

    def colour(selector: str) -> str:
        return browser.driver.find_element(By.CSS_SELECTOR, selector).value_of_css_property("color")

    assert colour(".words p.quiet") == colour("td.quiet p") != colour(".words p:not(.quiet)")

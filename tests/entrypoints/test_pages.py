"""The pages behind the links in mails, over HTTP and in a real browser: looking changes nothing, pressing does."""

import os
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service as Driver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from entrypoints.mail_catcher import Mailbox
from tests.entrypoints.service import PASSWORD, Service, address, code
from tests.entrypoints.sweeping import holdings

NEW_PASSWORD = "a long walk to the lighthouse"
CHROMIUM, CHROMEDRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
LINK = re.compile(r"http://[^\s\"<>]+token=[^\s\"<>]+")
EVIL = [
    *(
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "' autofocus onfocus=alert(1) x='",
        "</style><svg>",
    ),
    *(
        "{{7*7}}",
        "${7*7}",
        "{0.__class__}",
        "javascript:alert(1)",
        "\u202e\u2028\x85",
        "&lt;b&gt;",
        "%22%3E",
        "a" * 4000,
    ),
]


def link(service: Service, recipient: str, number: int = 1) -> str:
    body = service.mail(recipient, number).get_body(("plain",))
    assert body is not None
    found = LINK.search(body.get_content())
    assert found is not None
    return found[0]


def registered(service: Service) -> str:
    email = address("page")
    service.client().post("/v1/register", json={"email": email, "password": PASSWORD})
    return email


# -- over HTTP -----------------------------------------------------------------------------------------


def test_looking_at_a_link_changes_nothing_however_often(service: Service) -> None:
    email = registered(service)
    client = service.client()
    client.post("/v1/password/forgot", json={"email": email})
    service.mail(email, 2)
    mover, new = service.member(), address("new")
    mover.post("/v1/email/change", json={"new_email": new, "password": PASSWORD})
    links = [link(service, email, 1), link(service, email, 2), link(service, new), link(service, mover.email)]
    before = holdings(service)
    for url in links:
        for method in ("GET", "HEAD", "GET", "OPTIONS"):
            answer = client.request(method, url + "&utm_source=mail&utm_source=twice")
            assert answer.status_code in {200, 204}
            assert "set-cookie" not in answer.headers
            assert (method == "GET") == bool(answer.content)
        for method in ("PUT", "PATCH", "DELETE"):
            assert code(client.request(method, url)) == "method_not_allowed"
    assert holdings(service) == before
    assert client.post("/v1/verify", json={"token": service.token(email, 1)}).status_code in {200, 400}


def test_whatever_the_token_is_the_page_shows_it_as_text(service: Service) -> None:
    client = service.client()
    for path in ("/verify", "/reset", "/email"):
        plain = client.get(path, params={"token": "x"}).text
        for evil in EVIL:
            page = client.get(path, params={"token": evil})
            assert page.status_code == 200
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            found = re.search(r'name="token" value="([^"]*)"', page.text)
            assert found is not None
            assert unescape(found[1]) == evil
            assert not set("<>'\"") & set(found[1])
            assert page.text.replace(found[0], 'name="token" value="x"') == plain
            if path == "/reset":
                form = {"token": evil, "new_password": "x" * 20, "confirm_password": "y" * 20}
                again = client.post(path, data=form)
                assert again.status_code in {400, 422}
                assert (
                    evil not in again.text
                    or evil.isalnum()
                    or evil.startswith(("{", "$", "javascript", "%", "\u202e"))
                )


def test_pages_are_forms_and_nothing_that_runs(service: Service) -> None:
    client = service.client()
    mover, new = service.member(), address("new")
    mover.post("/v1/email/change", json={"new_email": new, "password": PASSWORD})
    pages = [client.get(path) for path in ("/verify?token=x", "/reset?token=x", "/reset", "/docs", "/dev/mail")]
    pages += [
        client.get("/email?token=x"),
        *(client.get(url) for url in (link(service, new), link(service, mover.email))),
    ]
    pages += [client.post(path, data={"token": "x"}) for path in ("/verify", "/reset", "/email")]
    for page in pages:
        policy = page.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "script" not in policy
        assert not re.search(r"<script|<link|<iframe|<object|<img|javascript:|\son\w+=|\sstyle=|https?://", page.text)
        assert set(re.findall(r"<form[^>]*>", page.text)) <= {
            '<form method="post" action="verify">',
            '<form method="post" action="reset">',
            '<form method="post" action="email">',
        }


def test_what_a_page_refuses_is_said_in_a_page(service: Service) -> None:
    client = service.client()
    before = holdings(service)
    for path in ("/verify", "/reset", "/email"):
        for token in ("", "x", "x" * 3000, "é.é", "a.b.c"):
            page = client.post(path, data={"token": token})
            assert page.status_code == 400, page.text
            assert page.headers["content-type"].startswith("text/html")
            assert "The link is not valid" in page.text
    for form in ({}, {"other": "x"}, {"email": ""}, {"email": "<script>"}, {"email": "a@example.org, b@example.org"}):
        page = client.post("/reset", data=form or {"nothing": ""})
        assert page.status_code == 422, page.text
        assert 'role="alert"' in page.text
        assert "<script>" not in page.text
    assert holdings(service) == before


def test_the_page_about_an_address_says_what_its_link_would_do(service: Service) -> None:
    client, new = service.member(), address("new")
    client.post("/v1/email/change", json={"new_email": new, "password": PASSWORD})
    words = {
        link(service, new): "Use this address?",
        link(service, client.email): "Was it not you?",
        f"{service.url}/email?token=x": "Your address",
        f"{service.url}/email": "Your address",
        f"{service.url}/email?token={service.token(new)}x": "Your address",
    }
    for url, heading in words.items():
        assert f"<h1>{heading}</h1>" in client.get(url).text
    other = registered(service)
    for path in ("/verify", "/reset"):
        assert client.post(path, data={"token": service.token(new), "new_password": "x"}).status_code in {400, 422}
    assert client.post("/email", data={"token": service.token(other)}).status_code == 400
    assert client.get("/v1/me").json()["email"] == client.email


# -- in a browser --------------------------------------------------------------------------------------


class Browser:
    """A headless Chromium that asks for one thing at a time and remembers what it complained of."""

    def __init__(self, profile: Path, pictures: Path) -> None:
        for program in (CHROMIUM, CHROMEDRIVER):
            if not program.exists():
                # A laptop may do without, and is told; what CI lacks fails.
                without = pytest.fail if os.environ.get("CI") else pytest.skip
                without(f"{program} is missing: apt-get install chromium chromium-driver")
        options = ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for argument in (
            *("headless", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"),
            *("disable-component-update", "disable-sync", "disable-dev-shm-usage", "window-size=900,900"),
            *(f"user-data-dir={profile}", *(["no-sandbox"] if os.geteuid() == 0 else [])),
        ):
            options.add_argument(f"--{argument}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = Chrome(options, Driver(str(CHROMEDRIVER)))
        self._pictures = pictures

    def see(self, name: str) -> None:
        """Pictures by day, by night and on a telephone."""
        for scheme, width in (("light", 900), ("dark", 900), ("phone", 390)):
            features = [{"name": "prefers-color-scheme", "value": "dark" if scheme == "dark" else "light"}]
            self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": scheme == "phone"}
            self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            assert self.driver.save_screenshot(str(self._pictures / f"{name}-{scheme}.png"))
            wide = self.driver.execute_script("return document.documentElement.scrollWidth")
            assert wide <= width, f"{name} is wider than a {scheme} screen"

    def text(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "main").text

    def press(self) -> None:
        button = self.driver.find_element(By.TAG_NAME, "button")
        button.click()
        WebDriverWait(self.driver, 20).until(lambda driver: driver.find_elements(By.TAG_NAME, "button") != [button])

    def fill(self, **fields: str) -> None:
        for name, value in fields.items():
            self.driver.find_element(By.NAME, name).send_keys(value)

    def complaints(self) -> list[str]:
        driver: Any = self.driver  # its logs are untyped
        lines: list[dict[str, str]] = driver.get_log("browser")
        return [line["message"] for line in lines if line["level"] in {"WARNING", "SEVERE"}]


@pytest.fixture(scope="module")
def browsers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    made = Browser(tmp_path_factory.mktemp("profile"), tmp_path_factory.mktemp("pictures"))
    yield made
    made.driver.quit()


@pytest.fixture
def browser(browsers: Browser) -> Iterator[Browser]:
    browsers.complaints()
    yield browsers
    assert browsers.complaints() == []


def test_somebody_follows_the_link_looks_and_presses(service: Service, browser: Browser) -> None:
    email = registered(service)
    url = link(service, email)
    client = service.client().log_in(email)
    browser.driver.get(url)
    assert "Confirm your address" in browser.text()
    browser.see("verify")
    assert client.get("/v1/me").json()["verified"] is False
    browser.press()
    assert "Your address is confirmed" in browser.text()
    assert "token" not in browser.driver.current_url
    browser.see("verified")
    assert client.get("/v1/me").json()["verified"] is True
    browser.driver.get(url)
    browser.press()
    assert "Your address is confirmed" in browser.text()


def test_somebody_takes_another_address_and_takes_the_old_one_back(service: Service, browser: Browser) -> None:
    client, new = service.member(), address("new")
    client.post("/v1/email/change", json={"new_email": new, "password": PASSWORD})
    browser.driver.get(link(service, new))
    assert "Use this address?" in browser.text()
    browser.see("email")
    assert client.get("/v1/me").json()["email"] == client.email
    browser.press()
    assert "Your address is changed" in browser.text()
    assert "token" not in browser.driver.current_url
    browser.see("email-changed")
    assert client.get("/v1/me").json()["email"] == new

    url = link(service, client.email, 2)
    browser.driver.get(url)
    assert "Was it not you?" in browser.text()
    browser.see("restore")
    assert client.get("/v1/me").json()["email"] == new
    browser.press()
    assert "Your address is restored" in browser.text()
    browser.see("restored")
    assert code(client.get("/v1/me")) == "token_revoked"
    browser.driver.get(link(service, client.email, 3))
    browser.fill(new_password=NEW_PASSWORD, confirm_password=NEW_PASSWORD)
    browser.press()
    assert "Your password is set" in browser.text()
    assert client.log_in(client.email, NEW_PASSWORD).get("/v1/me").json()["email"] == client.email


def test_a_dead_link_says_so(service: Service, browser: Browser) -> None:
    browser.driver.get(f"{service.url}/verify?token=dead")
    browser.press()
    assert "The link is not valid" in browser.text()
    browser.see("dead")
    [line] = browser.complaints()
    assert "400" in line


def test_somebody_sets_a_new_password_at_the_third_attempt(service: Service, browser: Browser) -> None:
    client = service.member()
    client.post("/v1/password/forgot", json={"email": client.email})
    browser.driver.get(link(service, client.email))
    assert "At least 15 characters" in browser.text()
    browser.see("reset")
    for name in ("new_password", "confirm_password"):
        field = browser.driver.find_element(By.NAME, name)
        assert (field.get_attribute("type"), field.get_attribute("autocomplete")) == ("password", "new-password")

    browser.fill(new_password=NEW_PASSWORD, confirm_password="something else")
    browser.press()
    assert browser.driver.find_element(By.CSS_SELECTOR, "[role=alert]").text == "The two passwords differ."
    assert browser.driver.find_element(By.NAME, "new_password").get_attribute("value") == ""
    browser.see("mismatch")
    browser.fill(new_password="password1234567", confirm_password="password1234567")
    browser.press()
    assert "many people use" in browser.driver.find_element(By.CSS_SELECTOR, "[role=alert]").text
    browser.see("weak")
    refused = browser.complaints()
    assert all("422" in line for line in refused), refused
    assert client.get("/v1/me").status_code == 200

    browser.fill(new_password=NEW_PASSWORD, confirm_password=NEW_PASSWORD)
    browser.press()
    assert "Your password is set" in browser.text()
    browser.see("set")
    assert code(client.get("/v1/me")) == "token_revoked"
    client.log_in(client.email, NEW_PASSWORD)


def test_somebody_without_a_link_asks_for_one(service: Service, browser: Browser) -> None:
    email = service.user("forgetful")
    browser.driver.get(f"{service.url}/reset")
    assert "Forgotten your password?" in browser.text()
    browser.see("forgot")
    browser.fill(email=email)
    browser.press()
    assert "Look into your mailbox" in browser.text()
    browser.driver.get(link(service, email))
    browser.fill(new_password=NEW_PASSWORD, confirm_password=NEW_PASSWORD)
    browser.press()
    assert "Your password is set" in browser.text()


def test_the_mailbox_shows_what_was_caught_and_its_links_work(service: Service, browser: Browser) -> None:
    email = registered(service)
    folder = Path(service.environ["LATCHKEY_DATA_DIR"]) / "mailbox"
    browser.driver.get(f"{service.url}/dev/mail")
    assert "Nothing yet" in browser.text()
    browser.see("mailbox-empty")
    folder.mkdir()
    mailbox = Mailbox(folder)
    mailbox.keep([email], service.mail(email).as_bytes())
    evil = b"To: b@example.org\r\nSubject: <script>alert(1)</script>\r\n\r\n<b>bold</b> {{7*7}}\r\n"
    mailbox.keep(["b@example.org"], evil)
    browser.driver.get(f"{service.url}/dev/mail")
    browser.see("mailbox")
    assert "<script>alert(1)</script>" in browser.text()
    browser.driver.find_element(By.LINK_TEXT, "<script>alert(1)</script>").click()
    assert "<b>bold</b> {{7*7}}" in browser.text()
    browser.driver.get(f"{service.url}/dev/mail")
    browser.driver.find_element(By.LINK_TEXT, str(service.mail(email)["subject"])).click()
    assert email in browser.text()
    browser.see("mail")
    browser.driver.find_element(By.PARTIAL_LINK_TEXT, "/verify?token=").click()
    assert "Confirm your address" in browser.text()
    browser.press()
    assert "Your address is confirmed" in browser.text()


def test_the_mailbox_shows_even_what_is_hardly_a_mail(service: Service) -> None:
    folder = Path(service.environ["LATCHKEY_DATA_DIR"]) / "mailbox"
    folder.mkdir(exist_ok=True)
    mailbox = Mailbox(folder)
    client = service.client()
    for content in (
        *(
            b"",
            b"\r\n",
            b"\xff\x00 this is no mail at all",
            b"Subject: \xff\r\nTo: \xff <\xff@x>\r\nDate: \xff\r\n\r\n\xff",
        ),
        *(b"Content-Type: text/plain; charset=nonsense\r\n\r\nx", b"Subject: =?utf-8?q?a=0Db?=\r\n\r\nx"),
        *(b"Content-Type: multipart/mixed\r\n\r\nx", b"To: a@x, , <<>>,\r\nSubject: " + b"x" * 100_000 + b"\r\n\r\n"),
        *(
            b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n====",
            b"Content-Type: image/png\r\n\r\nx",
        ),
    ):
        kept = mailbox.keep(["b@example.org"], content)
        for path in ("/dev/mail", f"/dev/mail/{kept.name}"):
            assert client.get(path).status_code == 200, content[:50]


def test_the_page_of_calls_shows_every_call(service: Service, browser: Browser) -> None:
    schema = service.client().get("/openapi.json").json()
    browser.driver.get(f"{service.url}/docs")
    browser.see("docs")
    shown = [heading.text for heading in browser.driver.find_elements(By.CSS_SELECTOR, "section h1, section h2")]
    assert shown == [f"{method.upper()} {path}" for path, item in schema["paths"].items() for method in item]

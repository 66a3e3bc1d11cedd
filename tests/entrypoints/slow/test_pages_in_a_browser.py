"""The form for a new password, errors of forms and the development mailbox, in a real browser."""

from pathlib import Path

from selenium.webdriver.common.by import By

from entrypoints.devserver.mail_catcher import Mailbox
from tests.support.browser import Browser
from tests.support.service import PASSWORD, Service, code, unique_email

NEW_PASSWORD = "a long walk to the lighthouse"


def focused(browser: Browser) -> str | None:
    return browser.driver.switch_to.active_element.get_attribute("name")


def test_browser_resets_a_password_after_two_errors(service: Service, browser: Browser) -> None:
    client = service.member()
    client.post("/v1/password/forgot", json={"email": client.email})
    url = service.url + service.link("/reset", client.email)
    browser.driver.get(url)
    assert "At least 15 characters" in browser.text()
    browser.see("reset")
    assert focused(browser) == "new_password"
    username = browser.driver.find_element(By.CSS_SELECTOR, "[autocomplete=username]")
    assert (username.get_attribute("value"), username.is_displayed()) == (client.email, True)
    for name in ("new_password", "confirm_password"):
        field = browser.driver.find_element(By.NAME, name)
        assert (field.get_attribute("type"), field.get_attribute("autocomplete")) == ("password", "new-password")

    browser.fill(new_password=NEW_PASSWORD, confirm_password="something else, as long")
    show = browser.driver.find_element(By.ID, "show")
    types = []
    for _ in range(3):
        fields = [browser.driver.find_element(By.NAME, name) for name in ("new_password", "confirm_password")]
        types.append((show.get_attribute("aria-pressed"), *(field.get_attribute("type") for field in fields)))
        show.click()
    assert types == [("false", *["password"] * 2), ("true", *["text"] * 2), ("false", *["password"] * 2)]
    browser.see("shown")
    browser.press()
    alert = browser.driver.find_element(By.CSS_SELECTOR, "[role=alert]")
    assert alert.text == "The two passwords do not match."
    assert focused(browser) == "new_password"
    for name in ("new_password", "confirm_password"):
        field = browser.driver.find_element(By.NAME, name)
        assert field.get_attribute("value") == ""
        assert field.get_attribute("aria-invalid") == "true"
        assert str(alert.get_attribute("id")) in str(field.get_attribute("aria-describedby")).split()
    browser.see("mismatch")
    browser.fill(new_password="password1234567", confirm_password="password1234567")
    browser.press()
    assert "too common" in browser.driver.find_element(By.CSS_SELECTOR, "[role=alert]").text
    browser.see("weak")
    refused = browser.complaints()
    assert all("422" in line for line in refused), refused
    assert client.get("/v1/me").status_code == 200

    browser.fill(new_password="short", confirm_password="short")
    browser.driver.find_element(By.CSS_SELECTOR, "button:not([type=button])").click()
    assert browser.driver.find_elements(By.CSS_SELECTOR, "input:invalid")
    for name in ("new_password", "confirm_password"):
        browser.driver.find_element(By.NAME, name).clear()
    browser.fill(new_password=NEW_PASSWORD, confirm_password=NEW_PASSWORD)
    browser.press()
    assert "Your password is changed" in browser.text()
    browser.see("set")
    assert code(client.get("/v1/me")) == "token_revoked"
    client.log_in(client.email, NEW_PASSWORD)
    browser.driver.get(url)
    assert "This link is not valid" in browser.text()
    browser.see("used")


def test_reset_page_works_without_script(service: Service, browser: Browser) -> None:
    client = service.member()
    client.post("/v1/password/forgot", json={"email": client.email})
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.driver.get(service.url + service.link("/reset", client.email))
        assert not browser.driver.find_element(By.ID, "show").is_displayed()
        browser.fill(new_password=NEW_PASSWORD, confirm_password=NEW_PASSWORD)
        browser.press()
        assert "Your password is changed" in browser.text()
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_form_shows_the_error_of_an_address(service: Service, browser: Browser) -> None:
    browser.driver.get(f"{service.url}/reset")
    browser.fill(email="ada@localhost")
    browser.press()
    field = browser.driver.find_element(By.NAME, "email")
    assert field.get_attribute("value") == "ada@localhost"
    assert field.get_attribute("aria-invalid") == "true"
    assert focused(browser) == "email"
    alert = browser.driver.find_element(By.CSS_SELECTOR, "[role=alert]")
    assert alert.get_attribute("id") == field.get_attribute("aria-describedby")
    browser.see("forgot-wrong")
    [line] = browser.complaints()
    assert "422" in line


def test_mailbox_shows_caught_mails_with_working_links(service: Service, browser: Browser) -> None:
    email = unique_email("page")
    service.client().post("/v1/register", json={"email": email, "password": PASSWORD})
    folder = Path(service.environ["LATCHKEY_DATA_DIR"]) / "mailbox"
    browser.driver.get(f"{service.url}/dev/mail")
    assert "Nothing yet" in browser.text()
    browser.see("mailbox-empty")
    folder.mkdir()
    mailbox = Mailbox(folder)
    mailbox.save([email], service.mail(email).as_bytes())
    evil = b"To: b@example.org\r\nSubject: <script>alert(1)</script>\r\n\r\n<b>bold</b> {{7*7}}\r\n"
    mailbox.save(["b@example.org"], evil)
    browser.driver.get(f"{service.url}/dev/mail")
    browser.see("mailbox")
    assert "<script>alert(1)</script>" in browser.text()
    browser.driver.find_element(By.LINK_TEXT, "<script>alert(1)</script>").click()
    assert "<b>bold</b> {{7*7}}" in browser.text()
    browser.driver.get(f"{service.url}/dev/mail")
    browser.driver.find_element(By.LINK_TEXT, str(service.mail(email)["subject"])).click()
    assert email in browser.text()
    browser.see("mail")
    browser.driver.switch_to.frame(browser.driver.find_element(By.TAG_NAME, "iframe"))
    assert email in browser.driver.find_element(By.TAG_NAME, "body").text
    browser.driver.find_element(By.LINK_TEXT, "Verify my e-mail address").click()
    browser.driver.switch_to.default_content()
    assert "Verify your e-mail address" in browser.text()
    assert browser.driver.current_url.startswith(f"{service.url}/verify?token=")
    browser.press()
    assert "Your e-mail address is verified" in browser.text()


def test_mailbox_html_can_neither_run_nor_load_anything(service: Service, browser: Browser) -> None:
    folder = Path(service.environ["LATCHKEY_DATA_DIR"]) / "mailbox"
    folder.mkdir(exist_ok=True)
    evil = (
        b"To: b@example.org\r\nSubject: evil\r\nContent-Type: text/html\r\n\r\n<html><head></head><body>seen"
        b"<script>document.body.textContent = 'run'</script><img src=x onerror='document.body.textContent=1'>"
    )
    file = Mailbox(folder).save(["b@example.org"], evil)
    browser.driver.get(f"{service.url}/dev/mail/{file.name}")
    browser.driver.switch_to.frame(browser.driver.find_element(By.TAG_NAME, "iframe"))
    assert browser.driver.find_element(By.TAG_NAME, "body").text == "seen"
    browser.driver.switch_to.default_content()
    raw = service.client().get(f"/dev/mail/{file.name}/html")
    assert "default-src 'none'" in raw.headers["content-security-policy"]
    assert "sandbox" in raw.headers["content-security-policy"]


def test_mailbox_shows_malformed_mails(service: Service) -> None:
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
        file = mailbox.save(["b@example.org"], content)
        for path in ("/dev/mail", f"/dev/mail/{file.name}"):
            assert client.get(path).status_code == 200, content[:50]

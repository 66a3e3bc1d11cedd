"""The API reference at /docs: every call with an example that works, and a browser that tries calls."""

import os
import re
import shlex
import subprocess
from html import unescape
from typing import Any
from uuid import uuid4

import httpx
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.support.browser import Browser
from tests.support.service import PASSWORD, Client, Service


def operations(service: Service) -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and operation of every call, by topic."""
    document = service.client().get("/openapi.json").json()
    result = [(method.upper(), path, it) for path, item in document["paths"].items() for method, it in item.items()]
    return [call for tag in document["tags"] for call in result if call[2]["tags"] == [tag["name"]]]


def articles(service: Service) -> dict[str, str]:
    """The part of the page about each call, by its operation id."""
    page = service.client().get("/docs").text
    return {match[1]: match[0] for match in re.finditer(r'<article [^>]*id="(\w+)".*?</article>', page, re.DOTALL)}


def examples(article: str) -> list[str]:
    return [unescape(text) for text in re.findall(r'<pre class="example">(.*?)</pre>', article, re.DOTALL)]


# -- over HTTP -----------------------------------------------------------------------------------------


def test_docs_index_links_every_call(service: Service) -> None:
    page = service.client().get("/docs").text
    [index] = re.findall(r"<nav .*?</nav>", page, re.DOTALL)
    targets = re.findall(r'href="#([^"]+)"', index)
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(targets) <= set(ids)
    assert [it for it in targets if it in articles(service)] == [
        it["operationId"] for _, _, it in operations(service)
    ]


def test_docs_show_an_example_and_the_problems_of_every_call(service: Service) -> None:
    found = articles(service)
    for method, path, operation in operations(service):
        article = found[operation["operationId"]]
        curl, answer = examples(article)
        assert curl.startswith("curl "), curl
        success = min(operation["responses"])
        assert answer.startswith(f"{success} "), answer
        content = operation["responses"][success].get("content", {})
        assert ("\n" in answer) == (bool(content) and path != "/v1/revoke"), (method, path)
        codes = [
            code
            for status, response in operation["responses"].items()
            if status >= "400"
            for code in response["content"]["application/problem+json"]["examples"]
        ]
        links = re.findall(r'href="./problems/(\w+)"', article.split("<h4>Problems</h4>")[1])
        assert sorted(links) == sorted(codes), (method, path)


def cookie_of(service: Service, email: str) -> str:
    answer = httpx.post(f"{service.url}/sign-in", data={"login": email, "password": PASSWORD})
    return str(answer.cookies["latchkey"])


def test_docs_curl_lines_are_valid_requests(service: Service) -> None:
    client_id, client_secret = service.credentials()
    admin, member = service.admin(), service.member()
    values = {"USER_ID": member.get("/v1/me").json()["id"], "SESSION_ID": member.pair["session_id"]}
    values |= {"FACTOR_ID": str(uuid4()), "COOKIE": cookie_of(service, member.email)}
    values |= {"CLIENT_ID": client_id, "CLIENT_SECRET": client_secret}
    for article in articles(service).values():
        line = examples(article)[0]
        if "$TOKEN" in line and admin.get("/v1/me").status_code == 401:  # the previous call has ended the session
            admin.log_in(admin.email)
        values["TOKEN"] = admin.pair["access_token"]
        command = f"{line} -sS -o {shlex.quote(str(service.folder / 'answer'))} -w '%{{http_code}}'"
        run = subprocess.run(
            ["bash", "-c", command], env=os.environ | values, capture_output=True, text=True, check=True
        )
        answer = (service.folder / "answer").read_text()
        assert run.stdout in unescape(article), (line, answer)
        understood = run.stdout[0] == "2" or re.search(
            '"code":"(link_invalid|token_invalid|challenge_invalid|invalid_credentials|not_found|forbidden|last_admin'
            '|password_mismatch)"',
            answer,
        )
        assert understood, (line, answer)


# -- in a browser --------------------------------------------------------------------------------------


def opened(browser: Browser, operation_id: str) -> WebElement:
    """The form that tries this call."""
    article = browser.driver.find_element(By.ID, operation_id)
    article.find_element(By.CSS_SELECTOR, ".try summary").click()
    WebDriverWait(browser.driver, 20).until(lambda _: article.find_elements(By.TAG_NAME, "form"))
    return article.find_element(By.TAG_NAME, "form")


def sent(browser: Browser, form: WebElement) -> str:
    """The response as the page shows it."""
    form.find_element(By.TAG_NAME, "button").click()
    output = form.find_element(By.TAG_NAME, "output")
    WebDriverWait(browser.driver, 20).until(lambda _: output.text not in {"", "Sending…"})
    return output.text


@pytest.fixture
def member(service: Service) -> Client:
    return service.member()


def test_docs_show_every_call_by_topic(service: Service, browser: Browser) -> None:
    browser.driver.get(f"{service.url}/docs")
    browser.see("docs")
    shown = [heading.text for heading in browser.driver.find_elements(By.CSS_SELECTOR, "section h3")]
    assert shown == [f"{method} {path}" for method, path, _ in operations(service)]


def test_docs_try_a_call_with_a_pasted_token(service: Service, browser: Browser, member: Client) -> None:
    browser.driver.get(f"{service.url}/docs")
    form = opened(browser, "getMe")
    assert "token_missing" in sent(browser, form)
    form.find_element(By.LINK_TEXT, "token_missing").click()
    assert browser.driver.current_url == f"{service.url}/problems/token_missing"
    assert "An access token is required" in browser.text()
    [refused] = browser.complaints()
    assert "401" in refused

    browser.driver.get(f"{service.url}/docs")
    token = browser.driver.find_element(By.ID, "token")
    token.send_keys(f"Bearer {member.pair['access_token']}")
    form = opened(browser, "getMe")
    answer = sent(browser, form)
    assert answer.startswith("200 OK")
    assert f'"email": "{member.email}"' in answer
    browser.see("docs-tried")
    form = opened(browser, "endSession")
    form.find_element(By.TAG_NAME, "input").send_keys(member.pair["session_id"])
    assert sent(browser, form).startswith("204")
    assert member.get("/v1/me").status_code == 401


def test_docs_try_a_login_and_use_its_token(service: Service, browser: Browser, member: Client) -> None:
    browser.driver.get(f"{service.url}/docs")
    form = opened(browser, "logIn")
    body = form.find_element(By.TAG_NAME, "textarea")
    assert '"login": "ada@example.org"' in str(body.get_attribute("value"))
    body.clear()
    body.send_keys(f'{{"login": "{member.email}", "password": "{PASSWORD}"}}')
    assert "200 OK" in sent(browser, form)
    assert member.email in sent(browser, opened(browser, "getMe"))


def test_docs_try_a_call_with_client_credentials(service: Service, browser: Browser, member: Client) -> None:
    client_id, client_secret = service.credentials()
    browser.driver.get(f"{service.url}/docs")
    browser.driver.find_element(By.CSS_SELECTOR, "#credentials summary").click()
    browser.driver.find_element(By.ID, "client-id").send_keys(client_id)
    browser.driver.find_element(By.ID, "client-secret").send_keys(client_secret)
    form = opened(browser, "introspectToken")
    body = form.find_element(By.TAG_NAME, "textarea")
    body.clear()
    body.send_keys(f"token={member.pair['access_token']}")
    assert '"active": true' in sent(browser, form)


def test_docs_can_be_read_without_script(service: Service, browser: Browser) -> None:
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.driver.get(f"{service.url}/docs")
        text = browser.text()
        assert "Try it" not in text
        assert not browser.driver.find_element(By.ID, "token").is_displayed()
        for method, path, _ in operations(service):
            assert f"{method} {path}" in text
        browser.driver.find_element(By.LINK_TEXT, "rate_limited").click()
        assert "Too many attempts" in browser.text()
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_problem_page_is_readable(service: Service, browser: Browser) -> None:
    for code in ("token_expired", "password_weak"):
        browser.driver.get(f"{service.url}/problems/{code}")
        browser.see(f"problem-{code}")
    browser.driver.find_element(By.LINK_TEXT, "All problems").click()
    assert browser.driver.current_url == f"{service.url}/docs#problems"

"""A protected page behind nginx and Caddy in Chromium: to the sign-in page, and back to the page asked for."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest
from selenium.webdriver.support.ui import WebDriverWait

from tests.support.browser import Browser
from tests.support.proxies import Proxy, caddy, nginx
from tests.support.service import PASSWORD, DatabaseFactory, Service, free_port
from tests.support.visitor import COOKIE, STEP_UP, cookie_of

KINDS: dict[str, Callable[..., AbstractContextManager[Proxy]]] = {
    "nginx": nginx,
    "caddy": partial(caddy, host="localhost"),
}
BODY = b"<!doctype html><title>Notes</title><main>the notes</main>"


@dataclass
class Site:
    service: Service
    proxies: dict[str, Proxy]

    def url(self, kind: str) -> str:
        return f"http://localhost:{self.proxies[kind].port}"


@pytest.fixture(scope="module")
def site(databases: DatabaseFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("service")
    service = Service(folder, *databases(), processes=1)
    with ExitStack() as running:
        proxies = {}
        for kind, start in KINDS.items():
            place = tmp_path_factory.mktemp(kind)
            proxies[kind] = running.enter_context(start(place, latchkey=service.port, port=free_port()))
            proxies[kind].upstream.body = BODY
            proxies[kind].upstream.headers = {"Content-Type": "text/html"}
        made = Site(service, proxies)
        service.environ["LATCHKEY_PROTECTED_ORIGINS"] = ", ".join(map(made.url, KINDS))
        running.callback(service.stop)
        running.callback(service.close_clients)
        service.start_api()
        yield made


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, site: Site) -> str:
    name: str = request.param
    site.proxies[name].upstream.heard.clear()
    return name


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[[str, str], None]]:
    """Opens a URL, and waits for where that leads."""

    def visit(url: str, expected: str) -> None:
        browser.driver.get(url)
        arrived(browser, expected)

    yield visit
    browser.driver.delete_all_cookies()


def arrived(browser: Browser, expected: str) -> None:
    WebDriverWait(browser.driver, 20).until(lambda driver: re.match(expected, driver.current_url))


def test_person_signs_in_and_is_back_where_they_were_going(
    site: Site, kind: str, browser: Browser, visit: Callable[[str, str], None]
) -> None:
    page, sign_in = f"{site.url(kind)}/notes/7?a=b%2F&c=//d", rf"{site.service.url}/sign-in\?return_to="
    visit(page, sign_in)
    browser.fill(login=site.service.user("visitor"), password=PASSWORD)
    browser.press()
    arrived(browser, re.escape(page) + "$")
    assert browser.text() == "the notes"
    [heard] = [it for it in site.proxies[kind].upstream.heard if "favicon" not in it.path]
    assert (heard.path, heard.header("x-auth-role")) == ("/notes/7?a=b%2F&c=//d", ["member"])
    assert COOKIE not in "".join(heard.header("cookie"))

    visit(f"{site.url(kind)}/more", re.escape(f"{site.url(kind)}/more") + "$")
    browser.driver.delete_all_cookies()
    visit(page, sign_in)


def test_wrong_password_keeps_the_way_back(
    site: Site, kind: str, browser: Browser, visit: Callable[[str, str], None]
) -> None:
    visit(f"{site.url(kind)}/notes", rf"{site.service.url}/sign-in\?return_to=")
    email = site.service.user("hasty")
    browser.fill(login=email, password="not the passphrase")
    browser.press()
    browser.fill(password=PASSWORD)
    browser.press()
    arrived(browser, re.escape(f"{site.url(kind)}/notes") + "$")
    browser.complaints()  # Chromium reports the status of the refused form


def test_person_confirms_an_old_sign_in_and_is_back(
    site: Site, browser: Browser, visit: Callable[[str, str], None]
) -> None:
    payments = f"{site.url('nginx')}/payments"
    visit(payments, rf"{site.service.url}/sign-in\?return_to=")
    browser.fill(login=site.service.user("payer"), password=PASSWORD)
    browser.press()
    arrived(browser, re.escape(payments) + "$")
    time.sleep(3)
    visit(payments, rf"{site.service.url}/confirm\?return_to=")
    browser.fill(password=PASSWORD)
    browser.press()
    arrived(browser, re.escape(payments) + "$")
    assert browser.text() == "the notes"


def test_programs_and_unprotected_hosts_get_401(site: Site, kind: str) -> None:
    url = f"{site.url(kind)}/notes"
    for headers in ({}, {"Accept": "application/json"}, {"Accept": "text/html", "Authorization": "Bearer x"}):
        answer = httpx.get(url, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert "location" not in answer.headers
    if kind == "nginx":  # Caddy does not serve other hosts
        forged = httpx.get(url, headers={"Accept": "text/html", "Host": "evil.example"})
        assert (forged.status_code, "location" in forged.headers) == (401, False)
    forged = httpx.get(url, headers={"Accept": "text/html", "X-Forwarded-Host": "evil.example"})
    assert forged.headers["location"].startswith(f"{site.service.url}/sign-in?return_to=")
    assert site.proxies[kind].upstream.heard == []


def test_only_cookies_of_the_service_itself_arrive(site: Site, kind: str) -> None:
    session = cookie_of(site.service.url, site.service.user("visitor"))
    proxy = site.proxies[kind]
    for sent, kept in (
        (session, {""}),
        (f"a=1; {session}", {"a=1"}),
        (f"{session}; a=1", {"a=1"}),
        (f"a=1; {session}; {STEP_UP}=x; b=2", {"a=1", "b=2"}),
        (f"{STEP_UP}=x; a=1; {session}", {"a=1"}),
        (f"__Host-{session}; {session}; a=1", {"a=1"}),
        (f"{session}; __Host-{session}", set()),
        (f"a=1; __Host-{STEP_UP}=x; {session}; {STEP_UP}=y", {"a=1"}),
    ):
        proxy.upstream.heard.clear()
        assert proxy.ask(headers=[("Host", f"localhost:{proxy.port}"), ("Cookie", sent)]).status == 200
        [heard] = proxy.upstream.heard
        arrived_there = {part.strip() for part in ";".join(heard.header("cookie")).split(";")} - {""}
        assert arrived_there == kept - {""}, sent


def test_fault_of_the_service_is_not_taken_for_a_missing_sign_in(site: Site, kind: str, tmp_path: Path) -> None:
    unreachable = free_port()
    with KINDS[kind](tmp_path, latchkey=unreachable) as proxy:
        answer = httpx.get(f"http://localhost:{proxy.port}/notes", headers={"Accept": "text/html"})
        assert answer.status_code in {502, 503}
        assert "location" not in answer.headers

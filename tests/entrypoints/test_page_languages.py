"""Pages in the language of the reader."""

import re

import httpx

from tests.support.service import Service
from tests.support.visitor import Visitor


def test_page_is_in_the_language_that_the_browser_prefers(service: Service) -> None:
    with service.client() as client:
        for header, language in ((b"de-AT,en;q=0.5", "de"), (b"fr", "en"), (b"\xe9;q=\xff", "en"), (b"", "en")):
            page = client.get("/reset", headers={b"Accept-Language": header})
            assert page.headers["Content-Language"] == language
            assert "Accept-Language" in page.headers["Vary"]
            assert f'<html lang="{language}">' in page.text


def test_pages_for_developers_and_problem_documents_are_english(service: Service) -> None:
    with service.client() as client:
        german = {"Accept-Language": "de"}
        for path in ("/docs", "/problems/not_found"):
            page = client.get(path, headers=german)
            assert re.search('<html lang="en">', page.text)
            assert page.headers["Content-Language"] == "en"
        assert client.get("/v1/me", headers=german).json() == client.get("/v1/me").json()


def test_page_language_is_the_one_chosen_in_the_browser(service: Service) -> None:
    with httpx.Client(base_url=service.url, headers={"Accept-Language": "en"}) as browser:
        browser.cookies.set("latchkey-language", "de")
        assert browser.get("/sign-in").headers["content-language"] == "de"
        browser.cookies.set("latchkey-language", "xx")
        assert browser.get("/sign-in").headers["content-language"] == "en"


def test_sign_in_forgets_the_language_of_the_person_before(service: Service) -> None:
    visitor = Visitor(service).sign_in(service.user("german"))
    visitor.submit("/account/profile", locale="de")
    assert visitor.open("/account").answer.headers["content-language"] == "de"
    visitor.sign_in(service.user("undecided"))
    assert visitor.open("/account").answer.headers["content-language"] == "en"


def test_refusals_name_roles_and_missing_pages_in_the_language(service: Service) -> None:
    someone = Visitor(service).sign_in(service.user("reader"))
    someone.client.headers["Accept-Language"] = "de"
    assert "Dafür ist mindestens die Rolle Moderator erforderlich." in someone.open("/users", status=403).text
    assert "Unter dieser Adresse gibt es keine Seite." in someone.open("/nothing", status=404).text

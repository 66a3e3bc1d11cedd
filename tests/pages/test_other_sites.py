"""Pages of another site that frame these pages, post forms to them, and link to them."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.support.person import Person
from tests.support.service import PASSWORD, unique_email


@contextmanager
def another_site(page: str) -> Iterator[str]:
    """Serve a page, and return its URL. 127.0.0.1 is another site than localhost."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(f'<!doctype html><title>x</title><link rel="icon" href="data:,">{page}'.encode())

        def log_message(self, format: str, *arguments: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_frame_of_another_site_is_refused(person: Person) -> None:
    person.sign_in()
    for path in ("/sign-in", "/account", "/account/delete"):
        with another_site(f'<iframe src="{person.service.url}{path}"></iframe>') as url:
            person.open(url)
            person.driver.switch_to.frame(0)
            assert not person.driver.find_elements(By.TAG_NAME, "form")
            person.driver.switch_to.default_content()
            person.browser.requests()


def test_form_of_another_site_changes_nothing(person: Person) -> None:
    person.sign_in()
    form = '<form method="post" action="%s/account/profile"><input name="username" value="%s"><button>Win</button>'
    name = f"won-{unique_email()[8:14]}"
    with another_site(form % (person.service.url, name)) as url:
        person.open(url)
        person.driver.find_element(By.TAG_NAME, "button").click()
        WebDriverWait(person.driver, 20).until(lambda driver: driver.current_url != url)
    person.browser.requests()
    person.open("/account")
    assert name not in person.text
    assert person.email in person.text


def test_form_of_another_site_signs_nobody_in(person: Person) -> None:
    attacker = person.service.user("attacker")
    form = '<form method="post" action="%s/sign-in"><input name="login" value="%s"><input name="password" value="%s">'
    with another_site(form % (person.service.url, attacker, PASSWORD)) as url:
        person.open(url)
        person.script("document.forms[0].submit()")
        WebDriverWait(person.driver, 20).until(lambda driver: driver.current_url != url)
    person.browser.requests()
    person.open("/account")
    assert person.path == "/sign-in"


def test_link_of_another_site_finds_the_session(person: Person) -> None:
    email = person.sign_in()
    with another_site(f'<a href="{person.service.url}/account">Account</a>') as url:
        person.open(url)
        person.driver.find_element(By.TAG_NAME, "a").click()
        person.wait_for_path("/account")
    person.browser.requests()
    assert email in person.text

"""A person at a browser without scripts, over plain HTTP: cookies, pages and forms."""

import re
import time
from collections.abc import Mapping

import httpx

from entrypoints.http.cross_site import SESSION_TOKEN
from tests.support.page import SAME_ORIGIN, Document, Form
from tests.support.service import PASSWORD, Service

COOKIE, STEP_UP = "latchkey", "latchkey-step-up"


class Visitor:
    def __init__(self, service: Service) -> None:
        self.service = service
        self.client = service.client()
        self.client.headers["Accept"] = "text/html"
        self.email = ""

    def sign_in(self, email: str, password: str = PASSWORD) -> "Visitor":
        self.email = email
        sign_in(self.client, email, password)
        return self

    def step_up(self, **factor: str) -> "Visitor":
        """As the page that asks for confirmation does, which sets this cookie."""
        cookie = f"{COOKIE}={self.client.cookies[COOKIE]}"
        self.client.cookies.set(STEP_UP, step_up_of(self.service, cookie, **factor))
        return self

    def open(self, path: str, *, status: int = 200) -> Document:
        answer = self.client.get(path)
        assert answer.status_code == status, (answer.status_code, answer.headers, answer.text)
        return Document(answer)

    def post(self, path: str, fields: Mapping[str, str] | None = None) -> httpx.Response:
        return self.client.post(path, data=fields or {}, headers=SAME_ORIGIN)

    def submit(self, path: str, *, on: str = "", status: int = 200, **fields: str) -> Document:
        """Open the page `on`, else `path` itself, submit its form for `path`, and follow the redirect."""
        return self.send(self.open(on or path).form(path), status=status, **fields)

    def send(self, form: Form, *, status: int = 200, **fields: str) -> Document:
        assert set(fields) <= set(form.fields)
        answer = self.client.post(form.action, data=form.fields | fields, headers=SAME_ORIGIN, follow_redirects=True)
        assert answer.status_code == status, (answer.status_code, answer.url, answer.text)
        return Document(answer)


def sign_in(client: httpx.Client, email: str, password: str = PASSWORD) -> httpx.Response:
    answer = client.post("/sign-in", data={"login": email, "password": password}, headers=SAME_ORIGIN)
    assert answer.status_code == 303, answer.text
    return answer


def cookie_of(url: str, email: str) -> str:
    """The cookie of a new session, for requests with headers of their own."""
    with httpx.Client(base_url=url, timeout=30) as client:
        cookies = sign_in(client, email).headers.get_list("set-cookie")
    [cookie] = [cookie for cookie in cookies if re.match(r"(__Host-)?latchkey=", cookie)]
    return cookie.partition(";")[0]


def step_up_of(service: Service, cookie: str, **factor: str) -> str:
    """The value of the cookie of a step-up, by the password if no factor is given."""
    token = service.client().post(SESSION_TOKEN, headers=SAME_ORIGIN | {"Cookie": cookie}).json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    answer = service.client().post("/v1/step-up", json=factor or {"password": PASSWORD}, headers=bearer)
    assert answer.status_code == 200, answer.text
    text: str = answer.json()["access_token"]
    return text


def wait_for_the_next_second(moment: int) -> None:
    """Times in tokens are whole seconds."""
    time.sleep(max(0, moment + 1 - time.time()))

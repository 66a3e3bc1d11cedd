"""A browser session over plain HTTP requests, as a browser on the pages of the service would make them."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from entrypoints.http.cross_site import SESSION_TOKEN
from tests.support.service import PASSWORD, Service

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
COOKIE, STEP_UP = "latchkey", "latchkey-step-up"


@contextmanager
def visitor(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30, headers=SAME_ORIGIN) as client:
        yield client


def sign_in(client: httpx.Client, email: str, **form: str) -> httpx.Response:
    answer = client.post("/sign-in", data={"login": email, "password": PASSWORD, **form})
    assert answer.status_code == 303, answer.text
    return answer


def cookie_of(url: str, email: str) -> str:
    """The cookie of a new session, for requests with headers of their own."""
    with visitor(url) as client:
        cookies = sign_in(client, email).headers.get_list("set-cookie")
    [cookie] = [cookie for cookie in cookies if re.match(r"(__Host-)?latchkey=", cookie)]
    return cookie.partition(";")[0]


def step_up_of(service: Service, cookie: str) -> str:
    """The value of the cookie of a step-up by password."""
    token = service.client().post(SESSION_TOKEN, headers=SAME_ORIGIN | {"Cookie": cookie}).json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    answer = service.client().post("/v1/step-up", json={"password": PASSWORD}, headers=bearer)
    text: str = answer.json()["access_token"]
    return text


def wait_for_the_next_second(moment: int) -> None:
    """Times in tokens are whole seconds."""
    time.sleep(max(0, moment + 1 - time.time()))

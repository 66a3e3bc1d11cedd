"""A browser session over plain HTTP requests, as a browser on the pages of the service would make them."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.support.service import PASSWORD

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
        return f"{COOKIE}={sign_in(client, email).cookies[COOKIE]}"

"""Pages for signed-in people, without a live cookie, and for people who must have a factor first."""

import asyncio
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from domain.role import Role
from entrypoints.http.endpoint import PAGE
from entrypoints.http.guard import policy_of
from tests.support.in_process import inside
from tests.support.page import SAME_ORIGIN
from tests.support.service import PASSWORD, Service
from tests.support.sweeping import SAMPLES, stored_rows
from tests.support.visitor import Visitor

_PARAMETER = re.compile(r"\{\w+\}")
ENROLMENT = {
    *("/account/factors", "/account/factors/{factor_id}", "/account/factors/{factor_id}/remove"),
    *("/account/passkeys/new", "/account/totp", "/account/recovery-codes", "/sign-out", "/confirm"),
}


def private_pages(application: Litestar) -> Iterator[tuple[str, str]]:
    """Method and path of each page that needs the cookie."""
    for route in application.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                policy = policy_of(handler)
                if handler.opt.get(PAGE) and policy is not None and policy.caller:
                    yield from ((str(method), route.path_format) for method in handler.http_methods)


def test_every_page_sends_people_without_a_live_cookie_to_sign_in(service: Service, application: Litestar) -> None:
    someone = Visitor(service).sign_in(service.user("visitor"))
    alive = someone.client.cookies["latchkey"]
    assert someone.post("/sign-out").status_code == 303
    dead = {"missing": "", "dead": alive, "forged": f"{alive[:-4]}AAAA", "nonsense": "nonsense"}
    forms = {name: str(value) for name, value in SAMPLES.items()}
    before = stored_rows(service)
    pages = list(private_pages(application))
    assert len(pages) >= 25
    someone.client.cookies.clear()
    for method, template in pages:
        path = _PARAMETER.sub(str(uuid4()), template)
        for kind, cookie in dead.items():
            headers = SAME_ORIGIN | ({"Cookie": f"latchkey={cookie}"} if cookie else {})
            sent = forms if method == "POST" else None
            answer = someone.client.request(method, path, data=sent, headers=headers)
            assert answer.status_code == 303, (method, path, kind, answer.text)
            target = urlsplit(answer.headers["location"])
            assert target.path.endswith("/sign-in")
            expected = {"done": ["signed_out"]} if path == "/sign-out" else {"return_to": [path]}
            assert parse_qs(target.query) == expected
    assert stored_rows(service) == before


@pytest.mark.anyio
async def test_person_who_must_have_a_factor_reaches_enrolment_alone(service: Service, application: Litestar) -> None:
    email = service.user("moderator", role=Role.MODERATOR)
    async with inside(service, LATCHKEY_REQUIRE_FACTOR="moderator") as client:
        answer = await client.post("/sign-in", data={"login": email, "password": PASSWORD}, headers=SAME_ORIGIN)
        assert answer.status_code == 303
        before = await asyncio.to_thread(stored_rows, service)
        for method, template in private_pages(application):
            if template in ENROLMENT:
                continue
            path = _PARAMETER.sub(str(uuid4()), template)
            answer = await client.request(method, path, headers=SAME_ORIGIN)
            assert answer.status_code == 303, (method, path, answer.text)
            assert urlsplit(answer.headers["location"]).path.endswith("account/factors")
        assert await asyncio.to_thread(stored_rows, service) == before
        for path in ("/account/factors", "/account/passkeys/new", "/account/totp", "/account/recovery-codes"):
            assert (await client.get(path)).status_code == 200, path
        assert (await client.post("/sign-out", headers=SAME_ORIGIN)).status_code == 303

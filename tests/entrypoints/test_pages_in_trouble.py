"""Pages when the database does not answer, and in requests that are wrong: a person always gets a page."""

import re
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from domain.role import Role
from entrypoints.http.endpoint import PAGE
from tests.support.in_process import inside
from tests.support.page import SAME_ORIGIN, Document
from tests.support.service import Service, code
from tests.support.sweeping import SAMPLES, stored_rows
from tests.support.visitor import cookie_of

_PARAMETER = re.compile(r"\{\w+\}")
HTML = "text/html; charset=utf-8"
_SOME_ID = str(uuid4())
_NO_DATABASE = "postgresql://latchkey@127.0.0.1:1/none"
_FORM = {name: str(value) for name, value in SAMPLES.items() if name != "token"}


def id_of(service: Service, name: str) -> str:
    user_id: str = service.client().log_in(service.user(name)).get("/v1/me").json()["id"]
    return user_id


def pages(application: Litestar) -> set[tuple[str, str]]:
    """Method and path of each page."""
    return {
        (str(method), _PARAMETER.sub(_SOME_ID, route.path_format))
        for route in application.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if handler.opt.get(PAGE)
        for method in handler.http_methods
    }


@pytest.mark.anyio
async def test_every_page_offers_a_retry_while_the_database_is_down(service: Service, application: Litestar) -> None:
    """The link leads to a page that exists, with the same query."""
    found = pages(application)
    shown = {path for method, path in found if method == "GET"}
    headers = SAME_ORIGIN | {
        "Accept": "text/html",
        "Cookie": cookie_of(service.url, service.user("a", role=Role.ADMIN)),
    }
    refused = 0
    async with inside(service, LATCHKEY_DATABASE_URL=_NO_DATABASE) as client:
        for method, path in sorted(found):
            query, form = ("?return_to=/account", None) if method == "GET" else ("", _FORM)
            answer = await client.request(method, path + query, data=form, headers=headers)
            if answer.status_code != 503:
                assert answer.status_code < 500, (path, answer.text)
                continue
            refused += 1
            assert answer.headers["content-type"].startswith("text/html"), path
            page = Document(answer)
            if page.forms:  # it is shown again, with what was typed
                continue
            [link] = page.links
            retry = urlsplit(link)
            assert retry.path in shown, (method, path, link)
            assert path == "/sign-out" or (retry.path == path and f"?{retry.query}" == (query or "?")), link
    assert refused > 40


@pytest.mark.anyio
async def test_outage_is_explained_in_german(service: Service) -> None:
    headers = SAME_ORIGIN | {"Accept": "text/html", "Accept-Language": "de"}
    async with inside(service, LATCHKEY_DATABASE_URL=_NO_DATABASE) as client:
        page = Document(await client.post("/sign-in", data=_FORM, headers=headers))
    assert page.alerts == ["Die Datenbank ist im Moment nicht verfügbar. Versuchen Sie es in 2 Sekunden erneut."]


def test_page_with_a_long_query_leads_to_a_sign_in_page_that_exists(service: Service) -> None:
    client = service.client()
    for query in ("x=%41%42", f"x={'%41' * 4000}"):
        answer = client.get(f"/account?{query}")
        page = client.get(answer.headers["location"].replace("./", "/"))
        assert page.status_code == 200
        assert Document(page).form("/sign-in").fields["return_to"] in {f"/account?{query}", "/account"}


@pytest.mark.parametrize(
    "target", ["/sign-in?return_to=%FF", "/reset?token=%00", "/account%2Fevents", "/%00", "/a\\b"]
)
def test_browser_gets_a_page_for_a_malformed_url(service: Service, target: str) -> None:
    client = service.client()
    shown = client.get(target, headers={"Accept": "text/html"})
    assert (shown.status_code, shown.headers["content-type"]) == (400, HTML)
    assert "The URL must not contain" in Document(shown).text
    assert code(client.get(target)) == "malformed"


def test_malformed_form_changes_nothing_on_any_page(service: Service, application: Litestar) -> None:
    """Also a form without fields, such as a question before a deletion."""
    cookie, some_id = cookie_of(service.url, service.user("admin", role=Role.ADMIN)), id_of(service, "target")
    client, kind = service.client(), "application/x-www-form-urlencoded"
    malformed = [
        (415, "application/json", b"{}"),
        (
            415,
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n--x--\r\n',
        ),
        (415, "text/plain", b"a=b"),
        *((400, kind, body) for body in (b"a=b&a=c", b"a=b&%61=c", b"a=%00", b"a=%ED%A0%80", b"a=%FF", b"a=\xff")),
        (413, kind, b"a=" + b"b" * 2**16),
    ]
    before = stored_rows(service)
    for path in {path.replace(_SOME_ID, some_id) for method, path in pages(application) if method == "POST"}:
        for status, media_type, body in malformed:
            headers = SAME_ORIGIN | {"Accept": "text/html", "Cookie": cookie, "Content-Type": media_type}
            answer = client.post(path, content=body, headers=headers)
            assert (answer.status_code, answer.headers.get("content-type")) == (status, HTML), (path, body[:20])
    assert stored_rows(service) == before

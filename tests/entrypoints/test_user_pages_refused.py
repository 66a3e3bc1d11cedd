"""Who may not use the pages about users, and what a forged request changes: nothing."""

import asyncio
import re
from collections.abc import Iterator

import httpx
from litestar import Litestar
from litestar.routes import HTTPRoute

from domain.role import Role
from entrypoints.container import Container, close
from entrypoints.http.guard import Fresh, policy_of
from entrypoints.settings import load
from tests.support.service import PASSWORD, Service, unique_email
from tests.support.sweeping import fetch, stored_rows
from tests.support.visitor import Visitor

API = {
    "/users/{user_id}/role": ("PATCH", "/v1/users/{user_id}"),
    "/users/{user_id}/disable": ("PATCH", "/v1/users/{user_id}"),
    "/users/{user_id}/enable": ("PATCH", "/v1/users/{user_id}"),
    "/users/{user_id}/delete": ("DELETE", "/v1/users/{user_id}"),
    "/users/{user_id}/sign-out": ("POST", "/v1/users/{user_id}/logout"),
    "/users/{user_id}/reset-factors": ("DELETE", "/v1/users/{user_id}/factors"),
    "/users/invitations": ("POST", "/v1/invitations"),
    "/users/invitations/{invitation_id}/revoke": ("DELETE", "/v1/invitations/{invitation_id}"),
}
"""The call of the API that does the same as a form."""

FORMS_OF_ADMINS = {"/users/mails", "/users/clients/new", "/users/clients/{client_id}/remove"}
"""Forms whose acts have no call in the API."""


BY_MODERATORS = {"/users/invitations", "/users/invitations/{invitation_id}/revoke"}
"""Forms that a moderator may send, and that do not concern a user."""

FIELDS = {"role": "member", "email": "forged@example.org", "name": "forged"}
"""Of all forms together."""


def routes(application: Litestar, method: str) -> Iterator[tuple[str, HTTPRoute]]:
    for route in application.routes:
        if isinstance(route, HTTPRoute) and route.path_format.startswith("/users") and method in route.methods:
            yield route.path_format, route


def id_of(service: Service, email: str) -> str:
    [row] = asyncio.run(fetch(service, "SELECT id FROM users WHERE email = $1", email))
    return str(row["id"])


def test_form_has_the_policy_of_its_call(application: Litestar) -> None:
    policies = {
        (str(method), route.path_format): policy_of(handler)
        for route in application.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
    }
    forms = {path for path, _ in routes(application, "POST")}
    assert forms == set(API) | FORMS_OF_ADMINS
    for path, call in API.items():
        form, called = policies[("POST", path)], policies[call]
        assert form is not None
        assert called is not None
        assert (form.role, form.budget, form.fresh) == (called.role, called.budget, called.fresh), path
    for path in FORMS_OF_ADMINS:
        form = policies[("POST", path)]
        assert form is not None
        assert (form.role, form.fresh) == (Role.ADMIN, Fresh.ALWAYS), path


def test_forms_change_nothing_for_those_who_may_not(service: Service, application: Litestar) -> None:
    target = service.user("above", role=Role.ADMIN)
    forms = [path for path, _ in routes(application, "POST")]
    unverified = unique_email("unverified")

    async def create() -> None:
        container = Container(settings=load(service.environ))
        create = container.create_user()
        await create(email=unverified, role=Role.ADMIN, verified=False, password=PASSWORD)
        await close(container)

    asyncio.run(create())
    member, moderator = service.user("member"), service.user("moderator", role=Role.MODERATOR)
    ids = {name: id_of(service, target) for name in ("user_id", "invitation_id", "client_id")}
    for email in (None, member, unverified, moderator):
        visitor = Visitor(service) if email is None else Visitor(service).sign_in(email)
        before = stored_rows(service)
        for path in forms:
            if email == moderator and path in BY_MODERATORS:
                continue
            answer = visitor.post(path.format(**ids), FIELDS)
            if email is None:
                assert answer.status_code == 303
                assert "sign-in?return_to=" in answer.headers["location"]
            else:
                assert answer.status_code == 403, (email, path)
        assert stored_rows(service) == before, email


def test_pages_are_for_moderators(service: Service, application: Litestar) -> None:
    some_id = id_of(service, service.user("looked-at"))
    ids = dict.fromkeys(("user_id", "invitation_id", "client_id"), some_id)
    pages = [path.format(**ids) for path, _ in routes(application, "GET")]
    member, stranger = Visitor(service).sign_in(service.user("member")), service.client()
    for path in pages:
        assert member.open(path, status=403).heading, path
        redirected = stranger.get(path)
        assert redirected.status_code == 303
        assert re.search(r"sign-in\?return_to=/users", redirected.headers["location"])
    assert not any(httpx.URL(link).path.startswith("/users") for link in member.open("/account").links)


def test_api_does_not_read_the_cookie_and_pages_no_token(service: Service) -> None:
    admin, bearer = Visitor(service).sign_in(service.user("admin", role=Role.ADMIN)), service.admin()
    assert admin.client.get("/v1/users").status_code == 401
    assert bearer.get("/v1/users").status_code == 200
    assert bearer.get("/users").status_code == 303

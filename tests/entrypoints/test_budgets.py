"""Every route that writes or is costly has a rate limit; each limit is tested by a request."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import pytest
from dependency_injector import providers
from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp

from adapters.memory_rate_limiter import MemoryRateLimiter
from domain.rate_limits import PER_SESSION_LIMITS, RATES, Limit, Rate
from domain.role import Role
from entrypoints.container import Container
from entrypoints.factories import now
from entrypoints.http.app import assemble, create
from entrypoints.http.guard import AccessPolicy, policy_of
from entrypoints.http.identify import Credential
from tests.support.in_process import inside
from tests.support.service import PASSWORD, Service, code, unique_email
from tests.support.sweeping import SAMPLES
from tests.support.totp_app import TotpApp

pytestmark = pytest.mark.anyio

CHEAP = {
    *("/", "/docs", "/openapi.json", "/problems/{name}", "/verify", "/reset", "/email", "/invitation", "/sign-in"),
    *("/account", "/account/profile", "/account/email", "/account/password", "/account/factors"),
    *("/account/factors/{factor_id}", "/account/factors/{factor_id}/remove", "/account/passkeys/new"),
    *("/account/totp", "/account/recovery-codes", "/account/sessions", "/account/sessions/end-all"),
    *("/account/events", "/account/export", "/account/delete"),
    *("/users", "/users/{user_id}", "/users/{user_id}/events", "/users/{user_id}/role", "/users/{user_id}/disable"),
    *("/users/{user_id}/enable", "/users/{user_id}/sign-out", "/users/{user_id}/reset-factors"),
    *("/users/{user_id}/delete", "/users/invitations", "/users/invitations/{invitation_id}/revoke", "/users/mails"),
    *("/users/clients", "/users/clients/new", "/users/clients/{client_id}/remove"),
    *("/dev/mail", "/dev/mail/{name}", "/dev/mail/{name}/html", "/favicon.svg", "/favicon.ico", "/robots.txt"),
    *("/style/{name}", "/logo/{name}", "/sign-in/factor", "/sign-in/passkey", "/confirm", "/register"),
    *("/health/live", "/health/ready", "/metrics", "/.well-known/jwks.json"),
    *("/v1/me", "/v1/me/events", "/v1/sessions", "/v1/factors", "/v1/users", "/v1/users/{user_id}"),
    *("/v1/users/{user_id}/events", "/v1/invitations", "/v1/forward-auth", "/{path}"),
    *(
        "/.well-known/change-password",
        "/.well-known/webauthn",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/{path}",
    ),
}
"""Reads of a page, of a few rows or of nothing. A new read has to be added here or get a budget."""

READING = {"GET", "HEAD", "OPTIONS"}


def operations(app: Litestar) -> Iterator[tuple[str, str, AccessPolicy]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                gate = policy_of(handler)
                if gate is not None:
                    yield from ((method, route.path_format, gate) for method in handler.http_methods)


class ResettableRateLimiter(MemoryRateLimiter):
    def clear_all(self) -> None:
        self._logs.clear()

    async def close(self) -> None:
        pass


class OneAttemptApp:
    """The application with room for one attempt in every budget."""

    def __call__(self, container: Container) -> ASGIApp:
        once = {limit: (Rate(1, timedelta(hours=1)),) for limit in RATES}
        self.limits = ResettableRateLimiter(clock=now, rates=once)
        container.rate_limiter.override(providers.Object(self.limits))
        container.local_rate_limiter.override(providers.Object(MemoryRateLimiter(clock=now, rates=once)))
        self.operations = list(operations(assemble(container)))
        return create(container)


@pytest.fixture
async def one_attempt_app(service: Service) -> AsyncIterator[tuple[OneAttemptApp, httpx.AsyncClient]]:
    build = OneAttemptApp()
    async with inside(service, build=build) as client:
        yield build, client


async def test_every_writing_or_costly_route_names_its_budget(
    one_attempt_app: tuple[OneAttemptApp, httpx.AsyncClient],
) -> None:
    build, _ = one_attempt_app
    without = {(method, path) for method, path, gate in build.operations if gate.budget is None}
    assert {path for method, path in without if method not in READING} == set()
    assert {path for _, path in without} <= CHEAP, "decide whether this costs"
    named = {gate.budget for _, _, gate in build.operations}
    spent_elsewhere = {Limit.NOTICE, Limit.CHALLENGE, Limit.FACTOR_DAY, Limit.FACTOR_RELEASE, Limit.FACTOR_ADD} | {
        limit for limit in Limit if limit.startswith(("login_", "mail_"))
    }
    assert set(Limit) - named - spent_elsewhere == {Limit.LINK_USE}


async def test_every_named_budget_limits_its_route(
    service: Service, one_attempt_app: tuple[OneAttemptApp, httpx.AsyncClient]
) -> None:
    """With a budget of one attempt, the second attempt is refused, whether the first succeeded or not."""
    build, client = one_attempt_app
    tried = []
    for method, path, gate in build.operations:
        if gate.budget is None:
            continue
        asked = RouteRequest(client, method, path, gate)
        build.limits.clear_all()
        await asked.prepare(service)
        build.limits.clear_all()
        first = await asked.first_attempt()
        again = await asked()
        assert again.status_code == 429, (method, path, first.text, again.text)
        assert int(again.headers["retry-after"]) > 3500, (method, path)
        if again.headers["content-type"] == "application/problem+json":
            assert code(again) == "rate_limited"
        tried.append((method, path))
    assert len(tried) >= 36


class RouteRequest:
    """A call by an authorized caller, with a value of the right type in every field."""

    def __init__(self, client: httpx.AsyncClient, method: str, path: str, gate: AccessPolicy) -> None:
        self._client = client
        self._method, self._path, self._gate = method, path, gate
        self._headers: dict[str, str] = {}
        self._body = dict(SAMPLES)
        self._challenges: list[str] = []

    async def prepare(self, service: Service) -> None:
        email = service.user("caller", role=self._gate.role or Role.MEMBER)
        pair = service.client().log_in(email).pair
        self._body |= {"refresh_token": pair["refresh_token"], "email": unique_email(), "username": None}
        self._body["password" if "login" not in self._path else "nothing"] = "another wrong passphrase"
        if self._path == "/v1/register":
            self._body["password"] = PASSWORD
        self._body["current_password"] = PASSWORD
        if self._gate.credential is Credential.COOKIE:
            form = {"login": email, "password": PASSWORD}
            self._client.cookies.clear()
            answer = await self._client.post("/sign-in", data=form)
            self._client.cookies.clear()
            self._headers |= {
                "Cookie": answer.headers["set-cookie"].partition(";")[0],
                "Sec-Fetch-Site": "same-origin",
            }
        elif self._gate.caller:
            self._headers["Authorization"] = f"Bearer {pair['access_token']}"
        if self._path == "/sign-in/passkey":
            self._body["credential"] = json.dumps(SAMPLES["credential"])
        if self._path in {"/v1/login/factor", "/sign-in/factor"}:
            self._challenges = challenges(service, email, 2)
        if self._gate.client:
            self._headers["Authorization"] = "Basic eDp5"

    async def first_attempt(self) -> httpx.Response:
        """The first attempt. A logout would end the session, so another call of the same budget is made instead."""
        if self._path == "/sign-out":
            token = (await self._ask("POST", "/v1/session/token")).json()["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            return await self._client.delete(f"/v1/sessions/{uuid4()}", headers=headers)
        if self._gate.budget in PER_SESSION_LIMITS and self._gate.credential is Credential.TOKEN:
            kind = "sessions" if self._gate.budget is Limit.SESSION_END else "factors"
            return await self._ask("DELETE", f"/v1/{kind}/{uuid4()}")
        first = await self()
        if self._path == "/v1/password/change":
            self._headers["Authorization"] = f"Bearer {first.json()['access_token']}"
            self._body |= {"current_password": self._body["new_password"], "new_password": PASSWORD}
        if self._path == "/account/password":
            self._headers["Cookie"] = first.headers["set-cookie"].partition(";")[0]
            self._body |= {"current_password": self._body["new_password"], "new_password": PASSWORD}
            self._body["confirm_password"] = PASSWORD
        return first

    async def __call__(self) -> httpx.Response:
        if self._challenges:
            self._body["challenge"] = self._challenges.pop()
        ids = {f"{kind}_id": uuid4() for kind in ("user", "session", "factor", "invitation", "client")}
        path = self._path.format(**ids)
        return await self._ask(self._method, path)

    async def _ask(self, method: str, path: str) -> httpx.Response:
        form = not path.startswith("/v1") or self._gate.client
        fields = {name: self._body[name] for name in FIELDS.get((method, self._path), ())}
        sent = urlencode(fields) if form else json.dumps(fields)
        kind = "application/x-www-form-urlencoded" if form else "application/json"
        headers = {**self._headers, "Content-Type": kind} if fields else self._headers
        return await self._client.request(method, path, content=sent if fields else None, headers=headers)


def challenges(service: Service, email: str, count: int) -> list[str]:
    """Challenges of logins of a user with an authenticator app."""
    client = service.client().log_in(email)
    options = client.post("/v1/factors/totp/options").json()
    body = {"challenge": options["challenge"], "code": TotpApp(options["secret"]).code()}
    assert client.post("/v1/factors/totp", json=body).status_code == 201
    login = {"login": email, "password": PASSWORD}
    return [client.post("/v1/login", json=login).json()["challenge"] for _ in range(count)]


FIELDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("POST", "/v1/register"): ("email", "password"),
    ("POST", "/v1/verify"): ("token",),
    ("POST", "/v1/verify/resend"): ("email",),
    ("POST", "/v1/login"): ("login", "password"),
    ("POST", "/sign-in"): ("login", "password"),
    ("POST", "/account/profile"): ("username",),
    ("POST", "/account/email"): ("new_email", "password"),
    ("POST", "/account/password"): ("current_password", "new_password", "confirm_password"),
    ("POST", "/account/factors/{factor_id}"): ("name",),
    ("POST", "/account/passkeys/new"): ("challenge", "credential"),
    ("POST", "/account/totp"): ("challenge", "code"),
    ("POST", "/account/sessions"): ("session_id",),
    ("POST", "/account/delete"): ("password",),
    ("POST", "/sign-in/factor"): ("challenge", "totp"),
    ("POST", "/sign-in/passkey"): ("challenge", "credential"),
    ("POST", "/confirm"): ("password",),
    ("POST", "/register"): ("email", "password"),
    ("POST", "/v1/login/factor"): ("challenge", "totp"),
    ("POST", "/v1/login/passkey"): ("challenge", "credential"),
    ("POST", "/v1/refresh"): ("refresh_token",),
    ("POST", "/v1/password/forgot"): ("email",),
    ("POST", "/v1/password/reset"): ("token", "new_password", "confirm_password"),
    ("POST", "/v1/password/change"): ("current_password", "new_password"),
    ("POST", "/v1/email/change"): ("new_email", "password"),
    ("POST", "/v1/email/confirm"): ("token",),
    ("PATCH", "/v1/me"): ("username",),
    ("DELETE", "/v1/me"): ("password",),
    ("PATCH", "/v1/users/{user_id}"): ("role",),
    ("POST", "/users/{user_id}/role"): ("role",),
    ("POST", "/users/invitations"): ("email",),
    ("POST", "/users/mails"): ("mail_id",),
    ("POST", "/users/clients/new"): ("name",),
    ("POST", "/v1/invitations"): ("email",),
    ("POST", "/v1/invitations/accept"): ("token", "password"),
    ("PATCH", "/v1/factors/{factor_id}"): ("name",),
    ("POST", "/v1/factors/passkeys"): ("challenge", "credential"),
    ("POST", "/v1/factors/totp"): ("challenge", "code"),
    ("POST", "/v1/step-up"): ("password",),
    ("POST", "/v1/introspect"): ("token",),
    ("POST", "/v1/revoke"): ("token",),
    ("POST", "/verify"): ("token",),
    ("POST", "/reset"): ("token", "new_password", "confirm_password"),
    ("POST", "/email"): ("token",),
    ("POST", "/invitation"): ("token", "password"),
}

"""Access policies: who may call a route. The application does not start if a route declares none."""

from collections.abc import Collection
from enum import Enum, auto
from typing import Any, cast
from uuid import UUID

from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import HTTPScope

from domain.rate_limits import PER_SESSION_LIMITS, PER_USER_LIMITS, Bucket, Limit
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from domain.tokens import AccessToken
from entrypoints.http.credentials import client_credentials
from entrypoints.http.identify import AccessChecks, Credential, identify
from entrypoints.http.request import AnyRequest, client_info_of
from entrypoints.http.validation import problem_of, refusal_of

NULLABLE = frozenset({"role", "cursor", "acr", "max_age"})
"""Query parameters that may be left out and have no default."""

_READING = frozenset({"GET", "HEAD", "OPTIONS"})

AnyConnection = ASGIConnection[Any, Any, Any, Any]


class Fresh(Enum):
    """Whether the caller must have authenticated recently, by the strongest means of the account."""

    ALWAYS = auto()
    WITH_FACTOR = auto()
    """Only if the account has a factor."""
    NOT_NEEDED = auto()


class AccessPolicy:
    """A guard: public, or for an authenticated caller, a caller with a role, or a client (a program, not a person).

    `query` are the parameters that the handler takes; any other, or one given twice, is refused. `budget` limits how
    often the handler may be called. Budgets of a user or a session are spent here, the others by the use case.
    `enrolling` admits a user who must have a factor and has none yet.
    """

    def __init__(
        self,
        *,
        caller: bool = False,
        role: Role | None = None,
        client: bool = False,
        query: Collection[str] | None = (),
        budget: Limit | None = None,
        fresh: Fresh | None = None,
        enrolling: bool = False,
        credential: Credential = Credential.TOKEN,
    ) -> None:
        self.caller = caller
        self.credential = credential
        self.role = role
        self.client = client
        self.budget = budget
        self.fresh = fresh
        self.enrolling = enrolling
        self._query = None if query is None else frozenset(query)

    async def __call__(self, connection: AnyConnection, _: BaseRouteHandler) -> None:
        if self.client:
            connection.state.challenge = 'Basic realm="latchkey"'
            credentials = await client_credentials(cast("AnyRequest", connection))
            identify = AccessChecks.of(connection.scope).authenticate_client
            connection.state.client = await identify(*credentials, client_info=client_info_of(connection))
        if self.caller:
            connection.state.caller = await self._authenticate(cast("HTTPScope", connection.scope))
        segments = connection.scope["path"].split("/")
        if any(isinstance(value, UUID) and str(value) not in segments for value in connection.path_params.values()):
            raise Refusal(ErrorCode.NOT_FOUND, "IDs must be lowercase UUIDs with hyphens.")
        if connection.scope["query_string"]:
            self._check_query(connection)

    async def admit(self, scope: HTTPScope) -> AccessToken:
        """The same for a plain ASGI route of an authenticated caller."""
        caller = await self._authenticate(scope)
        if scope["query_string"]:
            self._check_query(ASGIConnection(scope))
        return caller

    async def _authenticate(self, scope: HTTPScope) -> AccessToken:
        checks = AccessChecks.of(scope)
        caller = await identify(checks, scope, self.credential, role=self.role, enrolling=self.enrolling)
        checks.set_user(caller.user_id)
        if self.fresh in (Fresh.ALWAYS, Fresh.WITH_FACTOR):
            await checks.require_fresh(caller, only_with_factor=self.fresh is Fresh.WITH_FACTOR)
        if self.budget in PER_USER_LIMITS:
            await checks.rate_limiter.acquire(Bucket(self.budget, (str(caller.user_id),)))
        if self.budget in PER_SESSION_LIMITS:
            await checks.rate_limiter.acquire(Bucket(self.budget, (str(caller.session_id),)))
        return caller

    def _check_query(self, connection: AnyConnection) -> None:
        if self._query is None:
            return
        values = list(connection.query_params.multi_items())
        names = [name for name, _ in values]
        wrong = {name: "unknown parameter" for name in names if name not in self._query}
        wrong |= {name: "is given twice" for name in names if name in self._query and names.count(name) > 1}
        # Litestar treats the text `null` as a missing parameter.
        wrong |= {name: "must not be null" for name, value in values if value == "null" and name in NULLABLE}
        if wrong:
            raise refusal_of([problem_of(name, rule) for name, rule in wrong.items()])


def public(*, query: Collection[str] | None = (), budget: Limit | None = None) -> AccessPolicy:
    """`query=None` accepts any parameters, because mail programs add their own to links."""
    return AccessPolicy(query=query, budget=budget)


def authenticated(
    *,
    query: Collection[str] = (),
    budget: Limit | None = None,
    fresh: Fresh | None = None,
    enrolling: bool = False,
) -> AccessPolicy:
    """A route that writes has to declare `fresh`."""
    return AccessPolicy(caller=True, query=query, budget=budget, fresh=fresh, enrolling=enrolling)


def requires_role(
    role: Role,
    *,
    query: Collection[str] = (),
    budget: Limit | None = None,
    fresh: Fresh | None = None,
    enrolling: bool = False,
) -> AccessPolicy:
    """The same for verified users with this role or a higher one."""
    return AccessPolicy(caller=True, role=role, query=query, budget=budget, fresh=fresh, enrolling=enrolling)


def signed_in(
    *,
    role: Role | None = None,
    query: Collection[str] | None = (),
    budget: Limit | None = None,
    fresh: Fresh | None = None,
    enrolling: bool = False,
) -> AccessPolicy:
    """The same by the cookie of a browser session, for pages."""
    return AccessPolicy(
        caller=True,
        role=role,
        query=query,
        budget=budget,
        fresh=fresh,
        enrolling=enrolling,
        credential=Credential.COOKIE,
    )


def client_authenticated(*, budget: Limit) -> AccessPolicy:
    return AccessPolicy(client=True, budget=budget)


def policy_of(handler: BaseRouteHandler) -> AccessPolicy | None:
    policies = [guard for guard in handler.resolve_guards() if isinstance(guard, AccessPolicy)]
    return policies[0] if len(policies) == 1 else None


def require_policies(app: Litestar) -> None:
    """Raises TypeError for a route without an access policy, and for one that writes and does not declare its budget
    or how fresh the caller's authentication must be."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", [getattr(route, "route_handler", None)]):
            if handler is None or handler.fn.__module__.startswith("litestar"):
                continue
            policy = policy_of(handler)
            if policy is None:
                raise TypeError(f"{route.path}: {handler.handler_name} does not declare who may call it")
            if _READING.issuperset(getattr(handler, "http_methods", ())):
                continue
            if policy.budget is None:
                raise TypeError(f"{route.path}: {handler.handler_name} writes, and does not declare its budget")
            if policy.caller and policy.fresh is None:
                raise TypeError(f"{route.path}: {handler.handler_name} writes, and does not declare `fresh`")

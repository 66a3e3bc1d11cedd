"""Who may call what. Every handler declares one of these; an application with one that does not will not start."""

from base64 import b64decode
from collections.abc import Collection, Sequence
from typing import Any, cast
from urllib.parse import unquote_plus
from uuid import UUID

from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.handlers import ASGIRouteHandler, BaseRouteHandler
from litestar.types import Guard, HTTPScope, WebSocketScope

from adapters.caller import current_caller
from application.authenticate import Authenticate
from application.identify_client import IdentifyClient
from application.ports import Limits
from domain.limits import SPENT_BY_SESSION, SPENT_BY_USER, Bucket, Limit
from domain.refusals import Code, Refusal
from domain.role import Role
from entrypoints.http.problems import mark_bearer
from entrypoints.http.reading import AnyRequest, UnsupportedMediaType, origin_of, said_in
from entrypoints.http.validation import problem_of, refusal_of

NULLABLE = frozenset({"role", "cursor"})
"""Query parameters that may be left out and have no default."""

_READING = frozenset({"GET", "HEAD", "OPTIONS"})

Connection = ASGIConnection[Any, Any, Any, Any]


class Gate:
    """A guard that knows what it asks for: nothing, a caller, a caller with a role, or a client (a program, not a
    person). `query` are the parameters that the handler takes; any other, or one given twice, is refused.

    `budget` limits how often the handler may be called. One for each user or session is spent here, the others by the
    use case.
    """

    def __init__(
        self,
        *,
        caller: bool = False,
        role: Role | None = None,
        client: bool = False,
        query: Collection[str] | None = (),
        budget: Limit | None = None,
    ) -> None:
        self.caller = caller
        self.role = role
        self.client = client
        self.budget = budget
        self._query = None if query is None else frozenset(query)

    async def __call__(self, connection: Connection, _: BaseRouteHandler) -> None:
        if self.client:
            connection.state.challenge = 'Basic realm="latchkey"'
            identify: IdentifyClient = connection.app.state.identify_client
            credentials = await _credentials(cast("AnyRequest", connection))
            connection.state.client = await identify(*credentials, origin=origin_of(connection))
        if self.caller:
            authenticate: Authenticate = connection.app.state.authenticate
            caller = connection.state.caller = await authenticate(bearer(connection.scope), role=self.role)
            if (serving := current_caller()) is not None:
                serving.user = caller.user_id
            if self.budget in SPENT_BY_USER:
                await self._spend(connection, self.budget, caller.user_id)
            if self.budget in SPENT_BY_SESSION:
                await self._spend(connection, self.budget, caller.session_id)
        segments = connection.scope["path"].split("/")
        if any(isinstance(value, UUID) and str(value) not in segments for value in connection.path_params.values()):
            raise Refusal(Code.NOT_FOUND, "IDs must be lowercase UUIDs with hyphens.")
        if self._query is not None and connection.scope["query_string"]:
            values = list(connection.query_params.multi_items())
            names = [name for name, _ in values]
            wrong = {name: "unknown parameter" for name in names if name not in self._query}
            wrong |= {name: "is given twice" for name in names if name in self._query and names.count(name) > 1}
            # The framework takes the word for a parameter that was left out.
            wrong |= {name: "must not be null" for name, value in values if value == "null" and name in NULLABLE}
            if wrong:
                raise refusal_of([problem_of(name, rule) for name, rule in wrong.items()])

    async def _spend(self, connection: Connection, budget: Limit, who: UUID) -> None:
        limits: Limits = connection.app.state.limits
        await limits.spend(Bucket(budget, (str(who),)))


def anybody(*, query: Collection[str] | None = (), budget: Limit | None = None) -> list[Guard]:
    """`query=None` takes whatever parameters come: links from mails collect strange ones on their way."""
    return [Gate(query=query, budget=budget)]


def signed_in(*, query: Collection[str] = (), budget: Limit | None = None) -> list[Guard]:
    return [Gate(caller=True, query=query, budget=budget)]


def at_least(role: Role, *, query: Collection[str] = (), budget: Limit | None = None) -> list[Guard]:
    return [Gate(caller=True, role=role, query=query, budget=budget)]


def a_client(*, budget: Limit) -> list[Guard]:
    return [Gate(client=True, budget=budget)]


def gate_of(handler: BaseRouteHandler) -> Gate | None:
    gates = [guard for guard in handler.resolve_guards() if isinstance(guard, Gate)]
    return gates[0] if len(gates) == 1 else None


def insist_on_gates(app: Litestar) -> None:
    """Raises TypeError for a route that does not declare who may call it, or that writes and declares no budget."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", [getattr(route, "route_handler", None)]):
            if (
                isinstance(handler, ASGIRouteHandler)
                or handler is None
                or handler.fn.__module__.startswith("litestar")
            ):
                continue
            gate = gate_of(handler)
            if gate is None:
                raise TypeError(f"{route.path}: {handler.handler_name} does not declare who may call it")
            if gate.budget is None and not _READING.issuperset(handler.http_methods):
                raise TypeError(f"{route.path}: {handler.handler_name} writes, and does not declare its budget")


def bearer(scope: HTTPScope | WebSocketScope) -> str:
    """The token in the Authorization header (RFC 6750, section 2.1). Raises `token_missing` or `token_invalid`."""
    said = said_in(scope, b"authorization")
    scheme, _, token = said[0].partition(" ") if said else ("", "", "")
    token = token.strip(" ")
    if scheme.lower() != "bearer":
        raise Refusal(Code.TOKEN_MISSING, "Send an access token: Authorization: Bearer …")
    mark_bearer(scope)
    if len(said) != 1 or not token:
        raise Refusal(Code.TOKEN_INVALID, "The access token is not valid.")
    return token


async def _credentials(request: AnyRequest) -> tuple[str, str]:
    """The id and the secret of a client: by HTTP Basic or in the form, and one of them alone (RFC 6749, section 2.3).
    Raises `invalid_credentials` or `malformed`."""
    said = [value for value in request.headers.getall("authorization", []) if value]
    try:
        form = await request.form()
    except UnsupportedMediaType:
        return _basic(said)
    except Refusal:
        if not said:
            raise
        return _basic(said)  # only a client with credentials learns what is wrong with its form
    if not form.get("client_secret"):
        return _basic(said)
    if said:
        refusal = "Authenticate in the Authorization header or in the form, not in both (RFC 6749, section 2.3)."
        raise Refusal(Code.MALFORMED, refusal, field="client_secret")
    return form.get("client_id", ""), form["client_secret"]


def _basic(said: Sequence[str]) -> tuple[str, str]:
    """From the Authorization header (RFC 6749, section 2.3.1: each is form-encoded before they are joined)."""
    scheme, _, sealed = said[0].partition(" ") if len(said) == 1 else ("", "", "")
    try:
        if scheme.lower() != "basic":
            raise ValueError("another scheme")
        client_id, _, secret = b64decode(sealed.strip(" "), validate=True).decode().partition(":")
        return unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
    except ValueError:
        refusal = "Send the id and the secret of a client: Authorization: Basic …, or client_id and client_secret."
        raise Refusal(Code.INVALID_CREDENTIALS, refusal) from None

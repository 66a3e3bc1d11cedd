"""Who may call what. Every handler declares one of these; an application with one that does not will not start."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.handlers import ASGIRouteHandler, BaseRouteHandler
from litestar.types import Guard

from application.authenticate import Authenticate
from domain.origin import Origin
from domain.refusals import Code, Refusal
from domain.role import Role
from domain.token import AccessToken

Connection = ASGIConnection[Any, Any, Any, Any]


class Gate:
    """A guard that knows what it asks for: nothing, a caller, or a caller with a role. `query` are the parameters
    that the handler takes; any other, or one given twice, is refused."""

    def __init__(self, *, caller: bool, role: Role | None = None, query: Collection[str] | None = ()) -> None:
        self.caller = caller
        self.role = role
        self._query = None if query is None else frozenset(query)

    async def __call__(self, connection: Connection, _: BaseRouteHandler) -> None:
        if self.caller:
            authenticate: Authenticate = connection.app.state.authenticate
            connection.state.caller = await authenticate(_bearer(connection), role=self.role)
        segments = connection.scope["path"].split("/")
        if any(isinstance(value, UUID) and str(value) not in segments for value in connection.path_params.values()):
            raise Refusal(Code.NOT_FOUND, "An id has one spelling, and this is another.")
        if self._query is not None and connection.scope["query_string"]:
            names = [name for name, _ in connection.query_params.multi_items()]
            if len(set(names)) != len(names) or not self._query.issuperset(names):
                raise Refusal(Code.MALFORMED, "There is a query parameter that is not asked for, or one given twice.")


def anybody(*, query: Collection[str] | None = ()) -> list[Guard]:
    """`query=None` takes whatever parameters come: links from mails collect strange ones on their way."""
    return [Gate(caller=False, query=query)]


def signed_in(*, query: Collection[str] = ()) -> list[Guard]:
    return [Gate(caller=True, query=query)]


def at_least(role: Role, *, query: Collection[str] = ()) -> list[Guard]:
    return [Gate(caller=True, role=role, query=query)]


async def the_caller(request: Connection) -> AccessToken:
    """For handlers behind a gate that asks for a caller."""
    caller: AccessToken = request.state.caller
    return caller


async def the_origin(request: Connection) -> Origin:
    """What the house remembers of where a request came from; the caller's own word is made printable and short."""
    said = "".join(letter for letter in request.headers.get("user-agent", "") if letter.isprintable())
    return Origin(ip=request.scope["state"].get("client_ip", ""), user_agent=said[:256])


def gate_of(handler: BaseRouteHandler) -> Gate | None:
    gates = [guard for guard in handler.resolve_guards() if isinstance(guard, Gate)]
    return gates[0] if len(gates) == 1 else None


def insist_on_gates(app: Litestar) -> None:
    """Raises TypeError for a route whose handler has not declared who may call it."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", [getattr(route, "route_handler", None)]):
            if (
                isinstance(handler, ASGIRouteHandler)
                or handler is None
                or handler.fn.__module__.startswith("litestar")
            ):
                continue
            if gate_of(handler) is None:
                raise TypeError(f"{route.path}: {handler.handler_name} does not declare who may call it")


def _bearer(connection: Connection) -> str:
    """RFC 6750, section 2.1: the header and nothing else."""
    said = connection.headers.getall("authorization", [])
    scheme, _, token = said[0].partition(" ") if said else ("", "", "")
    if scheme.lower() != "bearer":
        raise Refusal(Code.TOKEN_MISSING, "Send an access token: Authorization: Bearer …")
    if len(said) != 1 or not token:
        raise Refusal(Code.TOKEN_INVALID, "The access token is not valid.")
    return token

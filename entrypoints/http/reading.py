"""Reading a request strictly: what is asked for, JSON or a form, exactly the fields, each of its own type."""

import json
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import FormMultiDict
from litestar.exceptions import ClientException, InternalServerException
from litestar.types import HTTPScope, WebSocketScope

from domain.client import Client
from domain.origin import Origin
from domain.refusals import Code, Refusal
from domain.token import AccessToken
from entrypoints.http.problems import malformed

AnyRequest = Request[Any, Any, Any]
FOR_ANY_ORIGIN = {"Access-Control-Allow-Origin": "*"}
"""For what is public, the same for everybody, and read by programs in browsers: keys, metadata, API description."""


class UnsupportedMediaType(ClientException):
    status_code = 415


class StrictRequest(AnyRequest):
    """The framework parses JSON whatever its content type, lets unknown fields pass and turns "1" into 1."""

    async def body(self) -> bytes:
        try:
            return await super().body()
        except InternalServerException as error:  # the framework's word for a caller who hung up
            raise Refusal(Code.MALFORMED, "The request ended before it was complete.") from error

    async def json(self) -> Any:
        self._insist_on("application/json")
        wanted = self.route_handler.parsed_data_field
        body = await self.body()
        try:
            read = msgspec.json.decode(body, type=wanted.annotation if wanted else Any)
            json.loads(body.decode(), object_pairs_hook=_no_field_twice)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise malformed(_SURROGATE if "truncated" in str(error) and _is_json(body) else str(error)) from None
        if isinstance(read, msgspec.Struct):
            for name in read.__struct_fields__:
                if "\0" in str(getattr(read, name)):
                    raise Refusal(Code.MALFORMED, "NUL is not a character here.", field=name)
        return read

    async def form(self) -> FormMultiDict:
        self._insist_on("application/x-www-form-urlencoded")
        body = await self.body()
        try:
            pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict")
        except ValueError:
            raise Refusal(Code.MALFORMED, "This is no form in UTF-8.") from None
        if any("\0" in text for pair in pairs for text in pair):
            raise Refusal(Code.MALFORMED, "NUL is not a character here.")
        # Where the framework looks before it reads a form by itself, which it does less strictly.
        self._connection_state.form = _no_field_twice(pairs)
        return await super().form()

    def _insist_on(self, media_type: str) -> None:
        said = self.headers.getall("content-type", [])
        kind, options = self.content_type
        if len(said) != 1 or kind.lower() != media_type or options.get("charset", "utf-8").lower() != "utf-8":
            raise UnsupportedMediaType(f"Send {media_type}.")


_SURROGATE = "Half of a surrogate pair is no text."
"""What the decoder, meeting it at the end of a string, takes for an end of its input."""


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


# Who asks, and from where, is no dependency: the framework makes a task for each of several.


def caller_of(request: AnyRequest) -> AccessToken:
    """For handlers behind a gate that asks for a caller."""
    caller: AccessToken = request.state.caller
    return caller


def client_of(request: AnyRequest) -> Client:
    """For handlers behind a gate that asks for a client."""
    client: Client = request.state.client
    return client


def origin_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Origin:
    """What the house remembers of where a request came from; the caller's own word is made printable and short."""
    return origin_in(connection.scope)


def origin_in(scope: HTTPScope | WebSocketScope) -> Origin:
    """The same without the framework."""
    agent = "".join(said_in(scope, b"user-agent")[:1])
    if not agent.isprintable():
        agent = "".join(filter(str.isprintable, agent))
    return Origin(ip=scope["state"].get("client_ip", ""), user_agent=agent[:256])


def said_in(scope: HTTPScope | WebSocketScope, header: bytes) -> list[str]:
    """All that a request says by that name, which is in lower case."""
    return [value.decode("latin-1") for name, value in scope["headers"] if name == header]


async def strict_form(request: AnyRequest) -> None:
    """For handlers that take a form, to be called before: forms that are no such thing are refused."""
    await request.form()


def _no_field_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two parsers of one document must not see two different things."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Refusal(Code.MALFORMED, "A field is given twice.")
    return fields

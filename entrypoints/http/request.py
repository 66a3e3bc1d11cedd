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
from domain.client_info import ClientInfo
from domain.refusals import ErrorCode, Refusal
from domain.token import AccessToken
from entrypoints.http.validation import body_problems, not_json, problem_of, refusal_of

AnyRequest = Request[Any, Any, Any]
FOR_ANY_ORIGIN = {"Access-Control-Allow-Origin": "*"}
"""For public resources that programs in browsers read: keys, metadata, API description."""


class UnsupportedMediaType(ClientException):
    status_code = 415


class StrictRequest(AnyRequest):
    """The framework parses JSON whatever its content type, lets unknown fields pass and turns "1" into 1."""

    async def body(self) -> bytes:
        try:
            return await super().body()
        except InternalServerException as error:  # the framework's word for a caller who hung up
            raise Refusal(ErrorCode.MALFORMED, "The request ended before it was complete.") from error

    async def json(self) -> Any:
        self._require_media_type("application/json")
        wanted = self.route_handler.parsed_data_field
        shape: type[msgspec.Struct] = wanted.annotation if wanted else msgspec.Struct
        body = await self.body()
        try:
            try:
                read = msgspec.json.decode(body, type=shape)
            except msgspec.ValidationError:
                read = None
            plain = json.loads(body.decode(), object_pairs_hook=_unique_fields)
        except UnicodeDecodeError:
            raise Refusal(ErrorCode.MALFORMED, "The body is not UTF-8.", field="") from None
        except RecursionError:
            raise Refusal(ErrorCode.MALFORMED, "The JSON of the body is nested too deeply.", field="") from None
        except ValueError as error:
            if "truncated" in str(error) and _is_json(body):
                raise Refusal(ErrorCode.MALFORMED, _SURROGATE, field="") from None
            raise not_json(str(error)) from None
        problems = body_problems(plain, shape) if read is None or b"\\u0000" in body else []
        if problems or read is None:
            raise refusal_of(problems or [Refusal(ErrorCode.MALFORMED, field="")])
        return read

    async def form(self) -> FormMultiDict:
        self._require_media_type("application/x-www-form-urlencoded")
        body = await self.body()
        try:
            pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict")
        except ValueError:
            raise Refusal(ErrorCode.MALFORMED, "The body is not a valid form in UTF-8.") from None
        if any("\0" in text for pair in pairs for text in pair):
            raise Refusal(ErrorCode.MALFORMED, "The form must not contain NUL characters.")
        # Where the framework looks before it reads a form by itself, which it does less strictly.
        self._connection_state.form = _unique_fields(pairs)
        return await super().form()

    def _require_media_type(self, media_type: str) -> None:
        """Parameters mean nothing: neither type has any (RFC 8259, section 11; WHATWG URL, section 5)."""
        headers = self.headers.getall("content-type", [])
        if len(headers) != 1 or headers[0].partition(";")[0].strip().lower() != media_type:
            raise UnsupportedMediaType(f"Send {media_type}.")


_SURROGATE = "The body contains invalid Unicode: a lone surrogate."
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


def client_info_of(connection: ASGIConnection[Any, Any, Any, Any]) -> ClientInfo:
    """The client's address and User-Agent; of the latter the printable characters, at most 256."""
    scope = connection.scope
    agent = "".join(header_values(scope, b"user-agent")[:1])
    if not agent.isprintable():
        agent = "".join(filter(str.isprintable, agent))
    return ClientInfo(ip=scope["state"].get("client_ip", ""), user_agent=agent[:256])


def header_values(scope: HTTPScope | WebSocketScope, header: bytes) -> list[str]:
    """All values of a header, whose name is given in lower case."""
    return [value.decode("latin-1") for name, value in scope["headers"] if name == header]


async def strict_form(request: AnyRequest) -> None:
    """For handlers that take a form, to be called before: forms that are no such thing are refused."""
    await request.form()


def _unique_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two parsers of one document must not see two different things."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = set[str]()
        for name, _ in pairs:
            if name in names:
                raise problem_of(name, "is given twice")
            names.add(name)
    return fields

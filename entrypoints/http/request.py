"""Strict parsing of requests: the content type must match, fields must be known and have the right type."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import FormMultiDict
from litestar.exceptions import ClientException, InternalServerException
from litestar.types import HTTPScope, WebSocketScope
from litestar.utils.scope.state import ScopeState

from application.texts.ports import Translations
from domain.client import Client
from domain.client_info import ClientInfo
from domain.refusals import ErrorCode, Refusal
from domain.tokens import AccessToken
from entrypoints.http.validation import body_problems, not_json, problem_of, refusal_of

AnyRequest = Request[Any, Any, Any]
FORM = "application/x-www-form-urlencoded"
FOR_ANY_ORIGIN = {"Access-Control-Allow-Origin": "*"}
"""For public resources that programs in browsers read: keys, metadata, API description."""


class UnsupportedMediaType(ClientException):
    status_code = 415


class StrictRequest(AnyRequest):
    """Unlike the framework, refuses JSON under another content type, unknown fields, and "1" for 1."""

    async def body(self) -> bytes:
        try:
            return await super().body()
        except InternalServerException as error:  # raised when the client has disconnected
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
        self._require_media_type(FORM)
        body = await self.body()
        try:
            pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict")
        except ValueError:
            raise Refusal(ErrorCode.MALFORMED, "The body is not a valid form in UTF-8.") from None
        if any("\0" in text for pair in pairs for text in pair):
            raise Refusal(ErrorCode.MALFORMED, "The form must not contain NUL characters.")
        # The framework uses this instead of its own, less strict parser.
        ScopeState.from_scope(self.scope).form = _unique_fields(pairs)
        return await super().form()

    def _require_media_type(self, media_type: str) -> None:
        """Ignores parameters: neither type has any (RFC 8259 section 11; WHATWG URL section 5)."""
        headers = self.headers.getall("content-type", [])
        if len(headers) != 1 or headers[0].partition(";")[0].strip().lower() != media_type:
            raise UnsupportedMediaType(f"Send {media_type}.")


_SURROGATE = "The body contains invalid Unicode: a lone surrogate."
"""The decoder reports one at the end of a string as truncated input."""


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


# Caller and client are not dependencies, because the framework creates a task for each of several.


def caller_of(request: AnyRequest) -> AccessToken:
    """The caller, in handlers whose policy requires one."""
    caller: AccessToken = request.state.caller
    return caller


def client_of(request: AnyRequest) -> Client:
    """The client, in handlers whose policy requires one."""
    client: Client = request.state.client
    return client


def client_info_of(connection: ASGIConnection[Any, Any, Any, Any]) -> ClientInfo:
    """The client's IP address, the first 256 printable characters of its User-Agent, and its language."""
    scope = connection.scope
    agent = "".join(header_values(scope, b"user-agent")[:1])
    if not agent.isprintable():
        agent = "".join(filter(str.isprintable, agent))
    ip, language = scope["state"].get("client_ip", ""), preferred_language(connection)
    return ClientInfo(ip=ip, user_agent=agent[:256], language=language)


def preferred_language(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The language of ours that the client prefers; empty if its request has no Accept-Language."""
    header = ",".join(header_values(connection.scope, b"accept-language"))
    translations: Translations = connection.app.state.translations
    return translations.negotiate(header) if header else ""


def header_values(scope: HTTPScope | WebSocketScope, header: bytes) -> list[str]:
    """All values of a header, whose name is given in lower case."""
    return [value.decode("latin-1") for name, value in scope["headers"] if name == header]


def text_of(values: Mapping[str, Any], name: str) -> str:
    """A field of a form or a parameter of a query; empty if it is missing."""
    return str(values.get(name) or "")


async def strict_form(request: AnyRequest) -> None:
    """Refuses a malformed form before the handler is called."""
    await request.form()


async def strict_form_if_any(request: AnyRequest) -> None:
    """The same for a form that may have no fields, and then no body."""
    if await request.body():
        await request.form()


def _unique_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuses repeated names, because parsers differ in which value counts."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = set[str]()
        for name, _ in pairs:
            if name in names:
                raise problem_of(name, "is given twice")
            names.add(name)
    return fields

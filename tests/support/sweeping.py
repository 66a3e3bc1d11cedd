"""Helpers for tests of every call: the documented calls, malformed bodies, and the content of the database."""

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import asyncpg
import httpx

from tests.support.service import PASSWORD, Service, eventually

FORM = "application/x-www-form-urlencoded"

SAMPLES: dict[str, Any] = {
    "email": "sweep@example.org",
    "password": PASSWORD,
    "new_email": "swept@example.org",
    "username": "sweeper",
    "login": "sweep@example.org",
    "token": "a.forged.link",
    "token_type_hint": "access_token",
    "refresh_token": "nobody-has-this-token",
    "new_password": "another fine passphrase",
    "confirm_password": "another fine passphrase",
    "current_password": PASSWORD,
    "role": "member",
    "disabled": False,
    "challenge": "a.forged.challenge",
    "totp": "000000",
    "code": "000000",
    "recovery_code": "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA",
    "passkey": {"rawId": "AA"},
    "credential": {"rawId": "AA"},
    "name": "a device",
    "session_id": "0199a3c4-9a30-7d52-b1f4-6a0d3c2e8b19",
    "mail_id": "0199a3c4-9a30-7d52-b1f4-6a0d3c2e8b19",
}
"""A value of the right type for each field of any body."""

_ID = re.compile(r"\{\w+_id\}")
_WRONG: dict[str, list[Any]] = {
    "string": [True, 1, 1.5, [], {}, None, ["x"], {"x": "x"}],
    "boolean": ["true", "false", "", 1, 0, [], {}, None],
    "object": [True, 1, "text", [], None],
    "enum": ["king", "ADMIN", "admin ", "", True, 1, [], {}, None],
}


@dataclass(frozen=True)
class Call:
    """One operation of the OpenAPI document; `fields` names a kind for each field of its body, which is written as
    `media`. It asks for a `caller`, for a `client`, or for nobody."""

    method: str
    path: str
    caller: bool
    cookie: bool
    client: bool
    media: str
    fields: dict[str, str] | None
    required: frozenset[str]
    statuses: frozenset[int]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def mutates(self) -> bool:
        return self.method not in {"GET", "HEAD"}

    def body(self) -> dict[str, Any]:
        """A body with the right types that concerns no existing user."""
        return {name: SAMPLES[name] for name in self.fields or {}}

    @property
    def form(self) -> bool:
        return self.media == FORM

    def encoded(self) -> bytes:
        return (urlencode(self.body()) if self.form else json.dumps(self.body())).encode()

    def at(self, some_id: str) -> str:
        return _ID.sub(lambda _: some_id, self.path)


def calls(openapi: dict[str, Any]) -> list[Call]:
    return [
        Call(
            method=method.upper(),
            path=path,
            caller={"bearer": []} in operation.get("security", []),
            cookie={"cookie": []} in operation.get("security", []),
            client={"basic": []} in operation.get("security", []),
            media="".join(operation.get("requestBody", {}).get("content", {"application/json": {}})),
            fields=_fields(openapi, operation),
            required=frozenset(_shape(openapi, operation).get("required", [])),
            statuses=frozenset(map(int, operation["responses"])),
        )
        for path, item in openapi["paths"].items()
        for method, operation in item.items()
    ]


def _shape(openapi: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    for body in operation.get("requestBody", {}).get("content", {}).values():
        schema: dict[str, Any] = openapi["components"]["schemas"][body["schema"]["$ref"].rsplit("/", 1)[-1]]
        return schema
    return {}


def _fields(openapi: dict[str, Any], operation: dict[str, Any]) -> dict[str, str] | None:
    if "requestBody" not in operation:
        return None
    return {
        name: _kind(openapi, field_schema) for name, field_schema in _shape(openapi, operation)["properties"].items()
    }


def _kind(openapi: dict[str, Any], field_schema: dict[str, Any]) -> str:
    kinds = [one for one in field_schema.get("anyOf", [field_schema]) if one.get("type") != "null"]
    nullable = len(kinds) != len(field_schema.get("anyOf", [field_schema]))
    if "$ref" in kinds[0]:
        kinds = [openapi["components"]["schemas"][kinds[0]["$ref"].rsplit("/", 1)[-1]]]
    return ("enum" if "enum" in kinds[0] else str(kinds[0]["type"])) + ("?" if nullable else "")


def malformed_bodies(call: Call) -> Iterator[tuple[str, bytes]]:
    """Malformed bodies for a call, each wrong in one respect."""
    if call.form:
        yield from _malformed_forms(call)
        return
    right = call.body()
    text = json.dumps(right)
    yield "empty", b""
    yield "blank", b" \n"
    yield "not JSON", b"email=a@example.org"
    yield "cut off", text[:-1].encode()
    yield "something behind it", text.encode() + b"{}"
    yield "single quotes", text.replace('"', "'").encode()
    yield "a comment", text.encode() + b" // yes"
    for top in ("null", "true", "1", '"text"', "[]", f"[{text}]", "NaN", "1e400"):
        yield f"top {top[:8]}", top.encode()
    yield "a byte order mark", b"\xef\xbb\xbf" + text.encode()
    for encoding in ("utf-16", "utf-32"):
        yield encoding, text.encode(encoding)
    for name, opening, closing in (("arrays", "[", "]"), ("objects", '{"a":', "}")):
        deep = opening * (20_000 // len(opening))
        yield f"{name} without end", deep.encode()
        depth = 32_000 // len(opening + closing)
        yield f"deep {name}", (opening * depth + ("1" if name == "objects" else "") + closing * depth).encode()
    bottomless = "[" * 15_500 + "]" * 15_500
    for unknown in ("role", "is_admin", "verified", "id", "user_id", "__proto__", ""):
        if unknown not in right:
            yield f"unknown {unknown!r}", json.dumps({**right, unknown: True}).encode()
    yield "unknown and deep", (text[:-1] + f', "unknown": {bottomless}}}').encode()
    yield "unknown NaN", (text[:-1] + ', "unknown": NaN}').encode()
    for name, kind in (call.fields or {}).items():
        rest = {other: value for other, value in right.items() if other != name}
        if name in call.required:
            yield f"without {name}", json.dumps(rest).encode()
        yield f"{name} in capitals", json.dumps({**rest, name.upper(): right[name]}).encode()
        for wrong in _WRONG[kind.rstrip("?")]:
            if wrong is not None or not kind.endswith("?"):
                yield f"{name} = {wrong!r}", json.dumps({**right, name: wrong}).encode()
        ahead = json.dumps(rest)[:-1] + (", " if rest else "")
        yield f"{name} deep", f'{ahead}"{name}": {bottomless}}}'.encode()
        for number in ("NaN", "Infinity", "-Infinity", "1e400", "9" * 400):
            yield f"{name} = {number[:9]}", f'{ahead}"{name}": {number}}}'.encode()
        yield (
            f"{name} twice",
            f'{ahead}"{name}": {json.dumps(right[name])}, "{name}": {json.dumps(right[name])}}}'.encode(),
        )
        escaped = name[:-1] + f"\\u{ord(name[-1]):04x}"
        yield (
            f"{name} twice, spelled differently",
            f'{ahead}"{name}": {json.dumps(right[name])}, "{escaped}": {json.dumps(right[name])}}}'.encode(),
        )
        for what, word in (
            ("a NUL", b"a\\u0000b"),
            ("a bare NUL", b"a\0b"),
            ("a lone high surrogate", b"a\\ud800b"),
            ("a lone low surrogate", b"a\\udc00b"),
            ("a surrogate as bytes", b"a\xed\xa0\x80b"),
            ("an overlong slash", b"a\xc0\xafb"),
            ("a stray byte", b"a\xffb"),
            ("a bare newline", b"a\nb"),
        ):
            yield f"{name} with {what}", f'{ahead}"{name}": "'.encode() + word + b'"}'


def _malformed_forms(call: Call) -> Iterator[tuple[str, bytes]]:
    right = call.body()
    text = call.encoded()
    yield "empty", b""
    yield "blank", b" \n"
    yield "nothing but signs", b"&" * 2000
    yield "JSON", json.dumps(right).encode()
    yield "two lines", text + b"\r\n" + text
    for encoding in ("utf-16", "utf-32"):
        yield encoding, text.decode().encode(encoding)
    yield "two ways to authenticate", text + b"&client_secret=x"
    yield "something unknown twice", text + b"&resource=x&resource=y"
    yield "many, one twice", text + b"".join(b"&x%d=" % (number % 2999) for number in range(3000))
    for name in right:
        rest = urlencode({other: value for other, value in right.items() if other != name}).encode()
        if name in call.required:
            yield f"without {name}", rest
            yield f"{name} without a value", rest + f"&{name}=".encode()
            yield f"{name} without a sign", rest + f"&{name}".encode()
            yield f"{name} in capitals", rest + f"&{name.upper()}=x".encode()
        yield f"{name} twice", text + f"&{name}={right[name]}".encode()
        yield f"{name} twice, once empty", text + f"&{name}=".encode()
        yield f"{name} twice, spelled differently", text + f"&%{ord(name[0]):02x}{name[1:]}=x".encode()
        for what, word in (
            ("a NUL", b"a%00b"),
            ("a bare NUL", b"a\0b"),
            ("a lone surrogate", b"a%ED%A0%80b"),
            ("an overlong slash", b"a%C0%AFb"),
            ("a stray byte", b"a%FFb"),
            ("a bare byte", b"a\xffb"),
            ("bare UTF-8", "é".encode()),
        ):
            yield f"{name} with {what}", rest + f"&{name}=".encode() + word


_DIGEST = "SELECT count(*), md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {table} t WHERE {kept}"
_LIVE = "EXISTS (SELECT FROM users u WHERE u.id = t.user_id AND u.deleted_at IS NULL)"
_KEPT = {
    "users": "t.deleted_at IS NULL",
    "sessions": _LIVE,
    **dict.fromkeys(("mails", "events", "invitations"), f"t.user_id IS NULL OR {_LIVE}"),
    **dict.fromkeys(("address_changes", "factors", "recovery_codes", "undo_points"), _LIVE),
    **dict.fromkeys(("clients", "spent"), "true"),
}
"""The rows of each table that the worker leaves alone: it cleans those of deleted users at any time."""


def stored_rows(service: Service) -> dict[str, tuple[int, str]]:
    """The number of rows of each table and a digest of them, when no work is in progress, without deleted users."""

    async def look() -> dict[str, tuple[int, str]] | None:
        connection = await asyncpg.connect(service.environ["LATCHKEY_DATABASE_URL"])
        try:
            waiting = await connection.fetchval(
                "SELECT (SELECT count(*) FROM mails WHERE outcome IS NULL)"
                " + (SELECT count(*) FROM sessions WHERE unpublished)"
            )
            if waiting:
                return None
            return {
                table: tuple(await connection.fetchrow(_DIGEST.format(table=table, kept=kept)))
                for table, kept in _KEPT.items()
            }
        finally:
            await connection.close()

    return eventually(lambda: asyncio.run(look()))


async def fetch(service: Service, question: str, *values: object) -> list[Any]:
    """The rows of a query."""
    connection = await asyncpg.connect(service.environ["LATCHKEY_DATABASE_URL"])
    try:
        return list(await connection.fetch(question, *values))
    finally:
        await connection.close()


def raw(service: Service, request: bytes, *, timeout: float = 5) -> bytes:
    """Send raw bytes, and return the response until the server closes or sends nothing more."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=timeout) as connection:
        answer = b""
        try:
            connection.sendall(request)
            while piece := connection.recv(65536):
                answer += piece
        except (TimeoutError, ConnectionError):
            pass
        return answer


def statuses(answer: bytes) -> list[int]:
    """The status of each response on a connection."""
    return [
        int(line.split(b" ")[1]) for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.") and b" " in line
    ]


def request_line(answer: httpx.Response) -> str:
    return f"{answer.request.method} {answer.request.url.raw_path.decode()[:80]}"

"""Forgeries of `clientDataJSON`, which the browser writes: challenge, type, origin, and frames of other sites."""

import json

from tests.support.authenticator import Response
from tests.support.forged_passkeys.forgery import Forgery, Parts, client_data, client_data_bytes, in_both
from tests.support.passkeys import ORIGIN


def _without(name: str) -> Parts:
    return lambda response: response.client_data.pop(name)


def _challenge(change: object) -> Parts:
    """`change` makes the text of another challenge from the right one."""
    assert callable(change)
    return lambda response: response.client_data.update(challenge=change(response.client_data["challenge"]))


def _repeated(name: str, value: object) -> Parts:
    """The name twice: first with another value, which a parser that takes the last one would not see."""
    return client_data_bytes(lambda body: b"{" + json.dumps({name: value})[1:-1].encode() + b"," + body[1:])


def _other_ceremony(response: Response) -> None:
    found = response.client_data
    found["type"] = "webauthn.get" if found["type"] == "webauthn.create" else "webauthn.create"


_CHALLENGES = in_both(
    "challenge",
    {
        "of another ceremony": client_data(challenge="A" * 43),
        "empty": client_data(challenge=""),
        "missing": _without("challenge"),
        "null": client_data(challenge=None),
        "number": client_data(challenge=7),
        "list": _challenge(lambda text: [text]),
        "truncated": _challenge(lambda text: text[:-2]),
        "extended": _challenge(lambda text: text + "AA"),
        "padded": _challenge(lambda text: text + "="),
        "with a blank": _challenge(lambda text: text[:5] + " " + text[5:]),
        "with a line break": _challenge(lambda text: text + "\n"),
        "with a stray character": _challenge(lambda text: text[:5] + "!" + text[5:]),
        "with spare bits": _challenge(lambda text: text[:-1] + chr(ord(text[-1]) + 1)),
        "one character changed": _challenge(lambda text: ("B" if text[0] == "A" else "A") + text[1:]),
        "in other case": _challenge(lambda text: text.swapcase()),
        "reversed": _challenge(lambda text: text[::-1]),
    },
)
_TYPES = in_both(
    "type",
    {
        "of the other ceremony": _other_ceremony,
        "missing": _without("type"),
        **{
            str(value): client_data(type=value)
            for value in (
                "",
                None,
                1,
                "webauthn",
                "webauthn.GET",
                "payment.get",
                "navigator.id.getAssertion",
                "webauthn.get ",
            )
        },
    },
)
_ORIGINS = in_both(
    "origin",
    {
        "missing": _without("origin"),
        **{
            str(value): client_data(origin=value)
            for value in (
                *(
                    "https://evil.example",
                    "https://example.org",
                    "https://www.example.org",
                    "http://accounts.example.org",
                ),
                *(f"{ORIGIN}:8443", f"{ORIGIN}:443", f"{ORIGIN}/", f"{ORIGIN}/sign-in", f"{ORIGIN}.", f" {ORIGIN}"),
                *(f"{ORIGIN}.evil.example", f"{ORIGIN}@evil.example", "https://accounts.example.org\0.evil.example"),
                *(
                    ORIGIN.upper(),
                    "https://аccounts.example.org",
                    "https://xn--ccounts-8fg.example.org",
                    "accounts.example.org",
                ),
                *("android:apk-key-hash:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", "null", "", "file://", "*"),
                *(None, 0, [ORIGIN], {"origin": ORIGIN}),
            )
        },
    },
)
_NOT_FALSE: list[object] = [True, 1, 0, None, "true", "false", [], {}]
_FRAMES = in_both(
    "crossOrigin",
    {str(value) + " of " + type(value).__name__: client_data(crossOrigin=value) for value in _NOT_FALSE},
) + in_both(
    "topOrigin",
    {
        **{str(value): client_data(topOrigin=value) for value in (ORIGIN, "https://evil.example", "", None)},
        "in a frame of the same site": client_data(topOrigin="https://example.org", crossOrigin=True),
    },
)
_REPEATED = in_both(
    "repeated name",
    {
        "type": _repeated("type", "webauthn.get"),
        "challenge": _repeated("challenge", "A" * 43),
        "origin": _repeated("origin", "https://evil.example"),
        "crossOrigin": _repeated("crossOrigin", True),
        "unknown": client_data_bytes(lambda body: b'{"a":1,"a":1,' + body[1:]),
        "nested": client_data_bytes(lambda body: b'{"a":{"b":1,"b":1},' + body[1:]),
    },
)
_SYNTAX = in_both(
    "client data syntax",
    {
        "empty": client_data_bytes(lambda _: b""),
        "empty object": client_data_bytes(lambda _: b"{}"),
        "array": client_data_bytes(lambda body: b"[" + body + b"]"),
        "text": client_data_bytes(lambda body: json.dumps(body.decode()).encode()),
        "null": client_data_bytes(lambda _: b"null"),
        "byte order mark": client_data_bytes(lambda body: b"\xef\xbb\xbf" + body),
        "UTF-16": client_data_bytes(lambda body: body.decode().encode("utf-16")),
        "UTF-16 without mark": client_data_bytes(lambda body: body.decode().encode("utf-16-le")),
        "UTF-32": client_data_bytes(lambda body: body.decode().encode("utf-32-be")),
        "invalid UTF-8": client_data_bytes(lambda body: body.replace(b"webauthn", b"\xff")),
        "trailing text": client_data_bytes(lambda body: body + b"x"),
        "trailing NUL": client_data_bytes(lambda body: body + b"\0"),
        "two objects": client_data_bytes(lambda body: body + body),
        "single quotes": client_data_bytes(lambda body: body.replace(b'"', b"'")),
        "truncated": client_data_bytes(lambda body: body[:-1]),
        "comment": client_data_bytes(lambda body: b"/**/" + body),
        "deeply nested": client_data_bytes(lambda body: b'{"a":' + b"[" * 8000 + b"]" * 3000 + b"," + body[1:]),
        "a megabyte": client_data_bytes(lambda body: b'{"a":"' + b"x" * 2**20 + b'",' + body[1:]),
    },
)

FORGERIES: list[Forgery] = _CHALLENGES + _TYPES + _ORIGINS + _FRAMES + _REPEATED + _SYNTAX

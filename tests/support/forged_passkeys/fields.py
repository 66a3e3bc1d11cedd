"""Forgeries of the credential's JSON: its members, their types, their base64, and whose credential it is."""

import base64
from collections.abc import Callable
from dataclasses import replace

from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

from tests.support.authenticator import Assertion, Creation, Json
from tests.support.forged_passkeys.forgery import Forgery, Step

_FIELDS: dict[Step, list[str]] = {
    "registration": ["clientDataJSON", "attestationObject"],
    "login": ["clientDataJSON", "authenticatorData", "signature", "userHandle"],
}
_TEXTS: dict[str, Callable[[str], object]] = {
    "empty": lambda _: "",
    "null": lambda _: None,
    "number": lambda _: 7,
    "true": lambda _: True,
    "list": lambda old: [old],
    "object": lambda old: {"value": old},
    "padded": lambda old: old + "=",
    "padded too much": lambda old: old + "====",
    "in standard base64": lambda old: base64.b64encode(base64url_to_bytes(old) + b"\xff\xfe\xff").decode(),
    "with a blank": lambda old: old[:8] + " " + old[8:],
    "with a line break": lambda old: old + "\n",
    "with a stray character": lambda old: old[:8] + "!" + old[8:],
    "not ASCII": lambda old: old[:8] + "é" + old[8:],
    "with a surrogate": lambda old: old + "\ud800",
    "in hexadecimal": lambda old: base64url_to_bytes(old).hex(),
    "encoded twice": lambda old: bytes_to_base64url(old.encode()),
    "a megabyte": lambda _: "A" * 2**20,
}


def _member(name: str, value: object) -> Callable[[Json], None]:
    return lambda credential: credential.update({name: value})


_NO_RESPONSES: list[object] = [None, "", 1, [], {}]
_MEMBERS: dict[str, Callable[[Json], None]] = {
    "id missing": lambda one: one.pop("id"),
    "rawId missing": lambda one: one.pop("rawId"),
    "both missing": lambda one: (one.pop("id"), one.pop("rawId"))[0],
    "id of another": lambda one: one.update(id="A" * 43),
    "rawId of another": lambda one: one.update(rawId="A" * 43),
    "both of another": lambda one: one.update(id="A" * 43, rawId="A" * 43),
    "both empty": lambda one: one.update(id="", rawId=""),
    "both null": lambda one: one.update(id=None, rawId=None),
    "both numbers": lambda one: one.update(id=1, rawId=1),
    "both padded": lambda one: one.update(id=one["id"] + "=", rawId=one["id"] + "="),
    "rawId padded": lambda one: one.update(rawId=one["rawId"] + "="),
    "rawId with a blank": lambda one: one.update(rawId=" " + one["rawId"]),
    "rawId a list": lambda one: one.update(rawId=[one["rawId"]]),
    "rawId in other case": lambda one: one.update(rawId=one["rawId"].swapcase()),
    "both of a kilobyte": lambda one: one.update(id="A" * 1368, rawId="A" * 1368),
    "both of a megabyte": lambda one: one.update(id="A" * 2**20, rawId="A" * 2**20),
    "type missing": lambda one: one.pop("type"),
    **{
        f"type {value!r}": _member("type", value) for value in ("", "password", "PUBLIC-KEY", None, 1, ["public-key"])
    },
    "response missing": lambda one: one.pop("response"),
    **{f"response {value!r}": _member("response", value) for value in _NO_RESPONSES},
    "credential empty": lambda one: one.clear(),
    "extension results deep": lambda one: one.update(clientExtensionResults={"a": "x" * 20_000}),
}


def _field(name: str, change: Callable[[str], object]) -> Callable[[Json], None]:
    def forgery(credential: Json) -> None:
        credential["response"][name] = change(credential["response"][name])

    return forgery


def _missing(name: str) -> Callable[[Json], None]:
    return lambda credential: credential["response"].pop(name)


def _other_id_in_data(response: Creation) -> None:
    """The credential says another id than the authenticator."""
    response.authenticator_data = bytes(replace(response.data, credential_id=bytes(range(32))))


def _handle(value: bytes) -> Callable[[Assertion], None]:
    return lambda response: setattr(response, "user_handle", value)


def _changed_handle(change: Callable[[bytes], bytes]) -> Callable[[Assertion], None]:
    return lambda response: setattr(response, "user_handle", change(response.passkey.user_handle))


_HANDLES = {
    "zero": _handle(bytes(16)),
    "of another user": _changed_handle(lambda own: own[:-1] + bytes([own[-1] ^ 1])),
    "truncated": _changed_handle(lambda own: own[:-1]),
    "extended": _changed_handle(lambda own: own + b"\0"),
    "as hexadecimal": _changed_handle(lambda own: own.hex().encode()),
    "reversed": _changed_handle(lambda own: own[::-1]),
    "64 bytes": _changed_handle(lambda own: own * 4),
}

FORGERIES: list[Forgery] = [
    *(
        Forgery(kind="members", name=name, step=step, fields=fields)
        for step in _FIELDS
        for name, fields in _MEMBERS.items()
    ),
    *(
        Forgery(kind="base64 and types", name=f"{field} {name}", step=step, fields=_field(field, change))
        for step, fields in _FIELDS.items()
        for field in fields
        for name, change in _TEXTS.items()
        if (field, name) != ("userHandle", "null")
    ),
    *(
        Forgery(kind="members", name=f"{field} missing", step=step, fields=_missing(field))
        for step, fields in _FIELDS.items()
        for field in fields
        if field != "userHandle"
    ),
    Forgery(
        kind="members",
        name="extension results a list",
        step="registration",
        fields=_member("clientExtensionResults", [1]),
    ),
    Forgery(
        kind="credential id", name="differs from authenticator data", step="registration", parts=_other_id_in_data
    ),
    *(Forgery(kind="user handle", name=name, step="login", parts=parts) for name, parts in _HANDLES.items()),
]

"""Forgeries of the attestation object, which the authenticator and the browser make at registration."""

from collections.abc import Callable

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

from tests.support.authenticator import Creation, Json
from tests.support.cose import EDDSA, ES256, RS256
from tests.support.forged_passkeys.forgery import Forgery, flipped

_OTHER = generate_private_key(SECP256R1())


def _bytes(change: Callable[[bytes], bytes]) -> Callable[[Json], None]:
    def forgery(credential: Json) -> None:
        old = base64url_to_bytes(credential["response"]["attestationObject"])
        credential["response"]["attestationObject"] = bytes_to_base64url(change(old))

    return forgery


def _object(change: Callable[[Json], object]) -> Callable[[Json], None]:
    return _bytes(lambda old: cbor2.dumps(change(cbor2.loads(old))))


def _statement(name: str, **statement: object) -> Callable[[Creation], None]:
    def forgery(response: Creation) -> None:
        response.format, response.statement = name, statement

    return forgery


def _self_attested(change: Callable[[Creation, Json], None]) -> Callable[[Creation], None]:
    """A valid self attestation, changed."""

    def forgery(response: Creation) -> None:
        response.format, response.statement = "packed", {"alg": ES256, "sig": response.signature()}
        change(response, response.statement)

    return forgery


def _algorithm(value: object) -> Callable[[Creation, Json], None]:
    return lambda _, statement: statement.update(alg=value)


def _with(name: str, value: object) -> Callable[[Json], None]:
    return _object(lambda old: {**old, name: value})


def _without(name: str) -> Callable[[Json], None]:
    return _object(lambda old: {key: value for key, value in old.items() if key != name})


def _signed_by_another(response: Creation, statement: Json) -> None:
    response.passkey.key, own = _OTHER, response.passkey.key
    statement["sig"] = response.signature()
    response.passkey.key = own


_SIG = bytes(70)
_FORMATS: dict[str, Callable[[Creation], None]] = {
    "none with a signature": _statement("none", sig=_SIG),
    "none with an unknown member": _statement("none", unknown=1),
    "packed without statement": _statement("packed"),
    "packed with certificates": _statement("packed", alg=ES256, sig=_SIG, x5c=[bytes(300)]),
    "packed with no certificate": _statement("packed", alg=ES256, sig=_SIG, x5c=[]),
    "packed with ECDAA": _statement("packed", alg=ES256, sig=_SIG, ecdaaKeyId=b"1"),
    "tpm": _statement(
        "tpm", ver="2.0", alg=RS256, x5c=[bytes(300)], sig=_SIG, certInfo=bytes(161), pubArea=bytes(118)
    ),
    "android-key": _statement("android-key", alg=ES256, sig=_SIG, x5c=[bytes(300)]),
    "android-safetynet": _statement("android-safetynet", ver="1", response=b"e30.e30.AA"),
    "fido-u2f": _statement("fido-u2f", sig=_SIG, x5c=[bytes(300)]),
    "apple": _statement("apple", x5c=[bytes(300)]),
    "compound": _statement("compound"),
    "in other case": _statement("None"),
    "empty": _statement(""),
    "unknown": _statement("unknown"),
}
_SELF: dict[str, Callable[[Creation], None]] = {
    "of another key": _self_attested(_signed_by_another),
    "one bit changed": _self_attested(lambda _, made: made.update(sig=flipped(made["sig"], 20))),
    "empty": _self_attested(lambda _, made: made.update(sig=b"")),
    "text": _self_attested(lambda _, made: made.update(sig=made["sig"].hex())),
    "null": _self_attested(lambda _, made: made.update(sig=None)),
    "without signature": _self_attested(lambda _, made: made.pop("sig")),
    "without algorithm": _self_attested(lambda _, made: made.pop("alg")),
    "additional member": _self_attested(lambda _, made: made.update(ver="2.0")),
    "of other authenticator data": _self_attested(lambda response, _: setattr(response.data, "sign_count", 99)),
    "of other client data": _self_attested(lambda response, _: response.client_data.update(more=1)),
    **{
        f"algorithm {value}": _self_attested(_algorithm(value))
        for value in (EDDSA, RS256, -35, -65535, 0, None, "ES256", [ES256])
    },
}
_WRONG_TYPES: dict[str, object] = {"null": None, "number": 1, "list": [], "true": True, "map of maps": {"a": {}}}
_OBJECTS: dict[str, Callable[[Json], None]] = {
    **{f"without {name}": _without(name) for name in ("fmt", "attStmt", "authData")},
    **{
        f"{name} is {kind}": _with(name, value)
        for name in ("fmt", "attStmt", "authData")
        for kind, value in _WRONG_TYPES.items()
    },
    "fmt is bytes": _object(lambda old: {**old, "fmt": b"none"}),
    "authData is text": _object(lambda old: {**old, "authData": old["authData"].hex()}),
    "authData is a list of bytes": _object(lambda old: {**old, "authData": list(old["authData"])}),
    "authData is empty": _object(lambda old: {**old, "authData": b""}),
    "authData is tagged": _object(lambda old: {**old, "authData": cbor2.CBORTag(24, old["authData"])}),
    "unknown member": _object(lambda old: {**old, "epAtt": False}),
    "keys are bytes": _object(lambda old: {name.encode(): value for name, value in old.items()}),
    "list": _object(lambda old: list(old.values())),
    "text": _object(lambda _: "none"),
    "null": _object(lambda _: None),
    "tagged": _object(lambda old: cbor2.CBORTag(55799, old)),
    "array of one": _object(lambda old: [old]),
}
_ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "only a byte": lambda _: b"\xff",
    "a byte too many": lambda old: old + b"\0",
    "a map too many": lambda old: old + b"\xa0",
    "twice": lambda old: old + old,
    "a byte before": lambda old: b"\0" + old,
    "truncated": lambda old: old[:-1],
    "half": lambda old: old[: len(old) // 2],
    "indefinite map": lambda old: b"\xbf" + old[1:] + b"\xff",
    "long form of the size": lambda old: b"\xb8\x03" + old[1:],
    "size too large": lambda old: b"\xa4" + old[1:],
    "size too small": lambda old: b"\xa2" + old[1:],
    "repeated fmt": lambda old: b"\xa4\x63fmt\x66packed" + old[1:],
    "repeated authData": lambda old: b"\xa4\x68authData\x40" + old[1:],
    "JSON": lambda _: b'{"fmt":"none","attStmt":{},"authData":""}',
    "deeply nested": lambda old: b"\x81" * 8000 + old,
    "reference to itself": lambda _: b"\xd8\x1c\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\xd8\x1d\x00",
    "huge byte string": lambda _: b"\xa1\x68authData\x5b" + b"\x7f" * 8,
    "a megabyte": lambda old: old + bytes(2**20),
}

FORGERIES: list[Forgery] = (
    [
        Forgery(kind="attestation format", name=name, step="registration", parts=parts)
        for name, parts in _FORMATS.items()
    ]
    + [Forgery(kind="self attestation", name=name, step="registration", parts=parts) for name, parts in _SELF.items()]
    + [
        Forgery(kind="attestation object", name=name, step="registration", fields=fields)
        for name, fields in _OBJECTS.items()
    ]
    + [
        Forgery(kind="attestation encoding", name=name, step="registration", fields=_bytes(change))
        for name, change in _ENCODINGS.items()
    ]
)

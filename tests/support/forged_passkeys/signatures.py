"""Forgeries of the signature of an assertion."""

from collections.abc import Callable
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

from tests.support.authenticator import Assertion, Json
from tests.support.cose import EDDSA, ES256, RS256, PrivateKey, sign
from tests.support.forged_passkeys.forgery import Forgery, flipped
from tests.support.forged_passkeys.public_keys import NAMES
from tests.support.forging import P256_ORDER

_OTHERS: dict[int, PrivateKey] = {
    ES256: generate_private_key(SECP256R1()),
    EDDSA: Ed25519PrivateKey.generate(),
    RS256: generate_rsa_key(65537, 2048),
}


def _bytes(change: Callable[[bytes], bytes]) -> Callable[[Json], None]:
    def forgery(credential: Json) -> None:
        old = base64url_to_bytes(credential["response"]["signature"])
        credential["response"]["signature"] = bytes_to_base64url(change(old))

    return forgery


def _by(make: Callable[[Assertion, bytes], bytes]) -> Callable[[Assertion], None]:
    """`make` gets the bytes that an authenticator signs."""

    def forgery(response: Assertion) -> None:
        client_data, data = response.signed_parts()
        response.given_signature = make(response, data + sha256(client_data).digest())

    return forgery


def _by_another(key: PrivateKey) -> Callable[[Assertion], None]:
    return _by(lambda _, body: sign(key, body))


def _raw(signature: bytes) -> bytes:
    r, s = decode_dss_signature(signature)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _ecdsa(algorithm: HashAlgorithm) -> Callable[[Assertion], None]:
    def make(response: Assertion, body: bytes) -> bytes:
        key = response.passkey.key
        assert isinstance(key, EllipticCurvePrivateKey)
        return key.sign(body, ECDSA(algorithm))

    return _by(make)


def _rsa(signature: Callable[[RSAPrivateKey, bytes], bytes]) -> Callable[[Assertion], None]:
    def make(response: Assertion, body: bytes) -> bytes:
        key = response.passkey.key
        assert isinstance(key, RSAPrivateKey)
        return signature(key, body)

    return _by(make)


_ANY: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "zeros": lambda old: bytes(len(old)),
    "first bit changed": lambda old: flipped(old, 0),
    "a bit changed in the middle": lambda old: flipped(old, len(old) // 2),
    "last bit changed": lambda old: flipped(old, -1),
    "truncated": lambda old: old[:-1],
    "extended": lambda old: old + b"\0",
    "twice": lambda old: old + old,
    "reversed": lambda old: old[::-1],
}
_SIGNED: dict[str, Callable[[Assertion], None]] = {
    "without client data": _by(lambda response, body: sign(response.passkey.key, body[:-32])),
    "without authenticator data": _by(lambda response, body: sign(response.passkey.key, body[-32:])),
    "other order": _by(lambda response, body: sign(response.passkey.key, body[-32:] + body[:-32])),
    "client data not hashed": _by(
        lambda response, body: sign(response.passkey.key, body[:-32] + response.signed_parts()[0])
    ),
    "of the digest": _by(lambda response, body: sign(response.passkey.key, sha256(body).digest())),
    "of another counter": _by(lambda response, body: sign(response.passkey.key, flipped(body, 36))),
    "of other flags": _by(lambda response, body: sign(response.passkey.key, flipped(body, 32))),
}
_ECDSA: dict[str, Callable[[bytes], bytes]] = {
    "r and s without DER": _raw,
    "r = s = 0": lambda _: encode_dss_signature(0, 0),
    "r = s = 1": lambda _: encode_dss_signature(1, 1),
    "r = 0": lambda old: encode_dss_signature(0, decode_dss_signature(old)[1]),
    "s = 0": lambda old: encode_dss_signature(decode_dss_signature(old)[0], 0),
    "r = s = order": lambda _: encode_dss_signature(P256_ORDER, P256_ORDER),
    "r plus order": lambda old: encode_dss_signature(
        decode_dss_signature(old)[0] + P256_ORDER, decode_dss_signature(old)[1]
    ),
    "s plus order": lambda old: encode_dss_signature(
        decode_dss_signature(old)[0], decode_dss_signature(old)[1] + P256_ORDER
    ),
    "r and s exchanged": lambda old: encode_dss_signature(*decode_dss_signature(old)[::-1]),
    "long form of the length": lambda old: old[:1] + b"\x81" + old[1:],
    "indefinite length": lambda old: old[:1] + b"\x80" + old[2:] + b"\0\0",
}

FORGERIES: list[Forgery] = [
    Forgery(
        kind="signature", name=f"{NAMES[algorithm]} {name}", step="login", fields=_bytes(change), algorithm=algorithm
    )
    for algorithm in NAMES
    for name, change in _ANY.items()
]
FORGERIES += [
    Forgery(kind="signed bytes", name=f"{NAMES[algorithm]} {name}", step="login", parts=parts, algorithm=algorithm)
    for algorithm in NAMES
    for name, parts in _SIGNED.items()
]
FORGERIES += [
    Forgery(
        kind="signature of another key",
        name=f"{NAMES[algorithm]} by {NAMES[other]}",
        step="login",
        parts=_by_another(_OTHERS[other]),
        algorithm=algorithm,
    )
    for algorithm in NAMES
    for other in NAMES
]
FORGERIES += [
    Forgery(kind="signature", name=f"ES256 {name}", step="login", fields=_bytes(change))
    for name, change in _ECDSA.items()
]
FORGERIES += [
    Forgery(kind="signature algorithm", name=f"ES256 {name}", step="login", parts=parts)
    for name, parts in {"with SHA-384": _ecdsa(SHA384()), "with SHA-512": _ecdsa(SHA512())}.items()
]
FORGERIES += [
    Forgery(kind="signature algorithm", name=f"RS256 {name}", step="login", parts=_rsa(make), algorithm=RS256)
    for name, make in {
        "PSS": lambda key, body: key.sign(body, PSS(MGF1(SHA256()), PSS.MAX_LENGTH), SHA256()),
        "PSS with a short salt": lambda key, body: key.sign(body, PSS(MGF1(SHA256()), 32), SHA256()),
        "with SHA-384": lambda key, body: key.sign(body, PKCS1v15(), SHA384()),
        "with SHA-512": lambda key, body: key.sign(body, PKCS1v15(), SHA512()),
    }.items()
]

"""Forgeries of the public key at registration: other algorithms, curves and encodings, and weak keys."""

from collections.abc import Callable
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.authenticator import Creation
from tests.support.cose import EDDSA, ES256, RS256, cose_parameters
from tests.support.forged_passkeys.forgery import Forgery

Parameters = dict[Any, Any]
NAMES = {ES256: "ES256", EDDSA: "EdDSA", RS256: "RS256"}
_OTHERS: dict[str, object] = {
    **{"ES384": -35, "ES512": -36, "PS256": -37, "PS384": -38, "PS512": -39, "RS384": -258, "RS512": -259},
    **{
        "RS1": -65535,
        "ML-DSA-44": -48,
        "ML-DSA-65": -49,
        "ML-DSA-87": -50,
        "ES256K": -47,
        "ESP256": -9,
        "Ed25519": -19,
    },
    **{"unknown": -1000, "positive": 7, "HMAC": 5, "AES": 1, "text": "ES256", "none": "none"},
}
"""Algorithms that are not offered."""
_P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1
_P25519 = 2**255 - 19
_ORDER_8 = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
_RSA_1024 = generate_private_key(65537, 1024)


def _key(change: Callable[[Parameters], object]) -> Callable[[Creation], None]:
    return _bytes(lambda old: cbor2.dumps(change(cbor2.loads(old))))


def _bytes(change: Callable[[bytes], bytes]) -> Callable[[Creation], None]:
    def forgery(response: Creation) -> None:
        response.data.public_key = change(response.data.public_key)

    return forgery


def _with(**changes: Any) -> Callable[[Creation], None]:
    """Parameters by their names in COSE."""
    labels = {"kty": 1, "alg": 3, "crv": -1, "x": -2, "y": -3, "n": -1, "e": -2, "pub": -1}
    return _key(lambda old: {**old, **{labels[name]: value for name, value in changes.items()}})


def _number(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8 or 1, "big")


def _compressed(response: Creation) -> None:
    y = cbor2.loads(response.data.public_key)[-3]
    _with(y=bool(y[-1] & 1))(response)


def _subject_public_key_info(response: Creation) -> None:
    public = response.passkey.key.public_key()
    response.data.public_key = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


_ANY = {
    "empty": _bytes(lambda _: b""),
    "empty map": _bytes(lambda _: b"\xa0"),
    "null": _bytes(lambda _: b"\xf6"),
    "list": _key(lambda old: list(old.values())),
    "truncated": _bytes(lambda old: old[:-1]),
    "a byte too many": _bytes(lambda old: old + b"\0"),
    "a map too many": _bytes(lambda old: old + b"\xa0"),
    "twice": _bytes(lambda old: old + old),
    "indefinite map": _bytes(lambda old: b"\xbf" + old[1:] + b"\xff"),
    "long form of the size": _bytes(lambda old: bytes([0xB8, old[0] & 0x1F]) + old[1:]),
    "long form of a label": _bytes(lambda old: old[:1] + b"\x18\x01" + old[2:]),
    "repeated kty": _bytes(lambda old: bytes([old[0] + 1]) + b"\x01\x02" + old[1:]),
    "repeated alg": _bytes(lambda old: bytes([old[0] + 1]) + b"\x03\x26" + old[1:]),
    "other order": _key(lambda old: dict(reversed(old.items()))),
    "key id": _key(lambda old: {**old, 2: b"key"}),
    "key operations": _key(lambda old: {**old, 4: [2]}),
    "private part": _key(lambda old: {**old, -4: bytes(32)}),
    "labels are text": _key(lambda old: {str(label): value for label, value in old.items()}),
    "labels are fractions": _key(lambda old: {float(label): value for label, value in old.items()}),
    "tagged": _key(lambda old: cbor2.CBORTag(100, old)),
    "uncompressed point of U2F": _bytes(lambda _: b"\x04" + bytes(64)),
    "SubjectPublicKeyInfo": _subject_public_key_info,
    "JWK": _bytes(lambda _: b'{"kty":"EC","crv":"P-256"}'),
    **{f"kty {value!r}": _with(kty=value) for value in (0, 4, 5, 7, -1, None, "EC2", True, 1.0, 2.0, 3.0, b"\x02")},
    **{f"alg {value!r}": _with(alg=value) for value in (-7.0, -8.0, -257.0)},
}
_MISMATCHES = {
    ES256: {
        "alg EdDSA": _with(alg=EDDSA),
        "alg RS256": _with(alg=RS256),
        "kty OKP": _with(kty=1),
        "kty RSA": _with(kty=3),
    },
    EDDSA: {
        "alg ES256": _with(alg=ES256),
        "alg RS256": _with(alg=RS256),
        "kty EC2": _with(kty=2),
        "kty RSA": _with(kty=3),
    },
    RS256: {
        "alg ES256": _with(alg=ES256),
        "alg EdDSA": _with(alg=EDDSA),
        "kty EC2": _with(kty=2),
        "kty OKP": _with(kty=1),
    },
}
_CURVES = {
    ES256: {f"curve {value!r}": _with(crv=value) for value in (0, 2, 3, 6, 8, -1, None, "P-256", True, 1.0)},
    EDDSA: {f"curve {value!r}": _with(crv=value) for value in (0, 1, 4, 5, 7, None, "Ed25519", 6.0)},
}
_POINTS = {
    ES256: {
        "at infinity": _with(x=bytes(32), y=bytes(32)),
        "off the curve": _with(y=bytes(31) + b"\x05"),
        "x and y exchanged": _key(lambda old: {**old, -2: old[-3], -3: old[-2]}),
        "x not reduced": _key(lambda old: {**old, -2: _number(int.from_bytes(old[-2], "big") + _P256)}),
        "x is the prime": _with(x=_number(_P256)),
        "leading zero": _key(lambda old: {**old, -2: b"\0" + old[-2]}),
        "x too short": _key(lambda old: {**old, -2: old[-2][:-1]}),
        "x empty": _with(x=b""),
        "x is text": _key(lambda old: {**old, -2: old[-2].hex()}),
        "x is a number": _key(lambda old: {**old, -2: int.from_bytes(old[-2], "big")}),
        "x is null": _with(x=None),
        "y missing": _key(lambda old: _less(old, -3)),
        "y is null": _with(y=None),
        "compressed": _compressed,
        "64 kilobytes": _with(x=bytes(65_536)),
    },
    EDDSA: {
        **{
            f"order {order}": _with(x=encoded)
            for order, encoded in {
                "1": b"\1" + bytes(31),
                "2": _number(_P25519 - 1)[::-1],
                "4": bytes(32),
                "4, other sign": bytes(31) + b"\x80",
                "8": _ORDER_8,
                "8, other sign": _ORDER_8[:-1] + bytes([_ORDER_8[-1] | 0x80]),
                "8, negative": (_P25519 - int.from_bytes(_ORDER_8, "little")).to_bytes(32, "little"),
            }.items()
        },
        "off the curve": _with(x=b"\2" + bytes(31)),
        "y is the prime": _with(x=_P25519.to_bytes(32, "little")),
        "y not reduced": _with(x=(_P25519 + 3).to_bytes(32, "little")),
        "all ones": _with(x=b"\xff" * 32),
        "too short": _with(x=bytes(31)),
        "too long": _key(lambda old: {**old, -2: old[-2] + b"\0"}),
        "of Ed448": _with(x=bytes(57)),
        "empty": _with(x=b""),
        "text": _key(lambda old: {**old, -2: old[-2].hex()}),
        "null": _with(x=None),
        "without parameter": _key(lambda old: _less(old, -2)),
        "with y": _key(lambda old: {**old, -3: bytes(32)}),
    },
}
_RSA = {
    **{f"e = {value}": _with(e=_number(value)) for value in (0, 1, 2, 3, 17, 65536, 65539, 2**31 + 1, 2**64 + 1)},
    "e empty": _with(e=b""),
    "e is a number": _with(e=65537),
    "e with a leading zero": _with(e=b"\0\1\0\1"),
    "e is null": _with(e=None),
    "n of 1024 bits": _with(n=cose_parameters(_RSA_1024)[-1]),
    "n of 2047 bits": _key(lambda old: {**old, -1: _number(int.from_bytes(old[-1], "big") >> 1 | 1)}),
    "n of 8192 bits": _key(lambda old: {**old, -1: old[-1] * 4}),
    "n even": _key(lambda old: {**old, -1: old[-1][:-1] + b"\0"}),
    "n with a leading zero": _key(lambda old: {**old, -1: b"\0" + old[-1]}),
    **{f"n = {value}": _with(n=_number(value)) for value in (0, 1, 3, 65537)},
    "n empty": _with(n=b""),
    "n is a number": _key(lambda old: {**old, -1: int.from_bytes(old[-1], "big")}),
    "n is text": _key(lambda old: {**old, -1: old[-1].hex()}),
    "n and e exchanged": _key(lambda old: {**old, -1: old[-2], -2: old[-1]}),
    "private exponent": _key(lambda old: {**old, -3: bytes(256)}),
}
_ML_DSA = {1: 7, 3: -48, -1: MLDSA44PrivateKey.generate().public_key().public_bytes_raw()}


def _less(old: Parameters, label: int) -> Parameters:
    return {key: value for key, value in old.items() if key != label}


def _forgeries(kind: str, algorithm: int, changes: dict[str, Callable[[Creation], None]]) -> list[Forgery]:
    return [
        Forgery(kind=kind, name=f"{NAMES[algorithm]} {name}", step="registration", parts=parts, algorithm=algorithm)
        for name, parts in changes.items()
    ]


FORGERIES: list[Forgery] = [
    *(forgery for algorithm in NAMES for forgery in _forgeries("COSE encoding", algorithm, _ANY)),
    *(
        forgery
        for algorithm, changes in _MISMATCHES.items()
        for forgery in _forgeries("algorithm confusion", algorithm, changes)
    ),
    *(forgery for algorithm, changes in _CURVES.items() for forgery in _forgeries("curve", algorithm, changes)),
    *(forgery for algorithm, changes in _POINTS.items() for forgery in _forgeries("point", algorithm, changes)),
    *_forgeries("RSA key", RS256, _RSA),
    *(
        Forgery(
            kind="algorithm",
            name=f"{NAMES[algorithm]} as {name}",
            step="registration",
            parts=_with(alg=value),
            reason="algorithm",
            algorithm=algorithm,
        )
        for algorithm in NAMES
        for name, value in _OTHERS.items()
    ),
    Forgery(
        kind="algorithm",
        name="ML-DSA key",
        step="registration",
        parts=_key(lambda _: dict(_ML_DSA)),
        reason="algorithm",
    ),
]

"""Headers and signatures of an access token: only exactly our own form is accepted (RFC 8725)."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import PyJWK

from adapters.tokens.pem_keys import Algorithm, PrivateKey, SigningKey
from domain.refusals import ErrorCode
from tests.support.forging import ED, HEADER, KEYS, P256, RSA, code, codec, forged, segment, signing


@pytest.mark.parametrize("typ", [None, "", "JWT", "at+JWT", "AT+JWT", "application/at+jwt", "rt+jwt", ["at+jwt"], 1])
def test_another_token_type_is_refused(typ: object) -> None:
    assert code(forged(header={**HEADER, "typ": typ})) is ErrorCode.TOKEN_INVALID


@pytest.mark.parametrize(
    "alg", ["none", "None", "nOnE", "", None, "HS256", "ES256", "RS256", "PS256", "Ed25519", "eddsa", ["EdDSA"]]
)
def test_an_algorithm_other_than_that_of_the_key_is_refused(alg: object) -> None:
    for sign in (ED.sign, lambda _: b"", lambda body: hashlib.sha256(body).digest()):
        assert code(forged(header={**HEADER, "alg": alg}, sign=sign)) is ErrorCode.TOKEN_INVALID
    for other in KEYS[1:]:
        swapped = {**HEADER, "kid": other.kid}
        assert (
            code(forged(header=swapped))
            is code(forged(header={**swapped, "alg": other.alg}))
            is ErrorCode.TOKEN_INVALID
        )
    assert code(".".join([*forged(header={**HEADER, "alg": "none"}).split(".")[:2], ""])) is ErrorCode.TOKEN_INVALID


@pytest.mark.parametrize("family", ["HS256", "HS384", "HS512"])
def test_a_public_key_used_as_hmac_secret_is_refused(family: str) -> None:
    def mac(secret: bytes, body: bytes) -> bytes:
        return hmac.digest(secret, body, family.replace("HS", "sha"))

    for key in KEYS:
        pem = key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        der = key.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        ssh = key.public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        mutants = (pem.strip(), pem.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + pem, b" " + pem, pem + b"\n")
        raw = base64.urlsafe_b64decode(key.jwk.get("x", key.jwk.get("n", "")) + "==")
        for secret in (pem, *mutants, der, ssh, json.dumps(key.jwk).encode(), raw, key.kid.encode(), b""):
            header = {"alg": family, "kid": key.kid, "typ": "at+jwt"}
            assert code(forged(header=header, sign=partial(mac, secret))) is ErrorCode.TOKEN_INVALID


@pytest.mark.parametrize("private", [ED, P256, RSA], ids=["EdDSA", "ES256", "RS256"])
def test_a_signature_must_match_the_key_and_algorithm_of_the_header(private: PrivateKey) -> None:
    """Each header names one of our keys and an algorithm; another of our keys may have signed."""
    own = SigningKey.of(private)
    for key in KEYS:
        for alg in (*Algorithm, "PS256", "RS384", "RS512", "ES384", "Ed25519", "HS256", "none"):
            header = {"alg": alg, "kid": key.kid, "typ": "at+jwt"}
            fits = key == own and alg == own.alg
            assert code(forged(header=header, sign=signing(private))) is (None if fits else ErrorCode.TOKEN_INVALID)


def test_rs256_signs_with_pkcs1_v15() -> None:
    header = {"alg": "RS256", "kid": KEYS[2].kid, "typ": "at+jwt"}
    pss = padding.PSS(padding.MGF1(SHA256()), padding.PSS.DIGEST_LENGTH)
    for scheme, digest, fits in (
        (padding.PKCS1v15(), SHA256(), True),
        (padding.PKCS1v15(), SHA1(), False),
        (padding.PKCS1v15(), SHA512(), False),
        (pss, SHA256(), False),
    ):
        text = forged(header=header, sign=partial(RSA.sign, padding=scheme, algorithm=digest))
        assert code(text) is (None if fits else ErrorCode.TOKEN_INVALID)
    modulus, right = RSA.public_key().public_numbers().n, signing(RSA)

    def shifted(body: bytes) -> bytes:
        """The same number modulo n, one byte longer."""
        return (int.from_bytes(right(body), "big") + modulus).to_bytes(257, "big")

    for wrong in (shifted, lambda body: b"\0" + right(body), lambda body: right(body)[1:], lambda _: bytes(256)):
        assert code(forged(header=header, sign=wrong)) is ErrorCode.TOKEN_INVALID
    rsa_codec = codec(keys=[KEYS[2]])
    token = rsa_codec.decode(forged(header=header, sign=right))
    assert rsa_codec.encode(token) == rsa_codec.encode(token)
    assert jwt.decode(
        rsa_codec.encode(token), RSA.public_key(), ["RS256"], options={"verify_aud": False, "verify_exp": False}
    )


def test_header_has_no_other_members() -> None:
    stranger = ed25519.Ed25519PrivateKey.generate()
    own = SigningKey.of(stranger)
    extras = {
        **{
            "jwk": own.jwk,
            "jku": "https://evil.example/keys",
            "x5u": "https://evil.example/x",
            "x5c": ["AA"],
            "cty": "JWT",
        },
        **{"crit": ["exp"], "b64": False, "zip": "DEF", "x5t": "AA", "nonce": "1", "crit ": [], "exp": 1},
    }
    for name, value in extras.items():
        for sign in (ED.sign, stranger.sign):
            assert code(forged(header={**HEADER, name: value}, sign=sign)) is ErrorCode.TOKEN_INVALID
    for kid in (
        "",
        own.kid,
        "../../dev/null",
        "' OR 1=1 --",
        "\0",
        "https://evil.example/k",
        None,
        1,
        [KEYS[0].kid],
        HEADER,
    ):
        for sign in (ED.sign, stranger.sign):
            assert code(forged(header={**HEADER, "kid": kid}, sign=sign)) is ErrorCode.TOKEN_INVALID
    text = json.dumps(HEADER)
    for raw in (
        text[:-1] + ', "alg": "EdDSA"}',
        '{"alg": "none", ' + text[1:],
        f"[{text}]",
        text + " ",
        "[" * 900,
        "",
    ):
        assert code(forged(header=raw.encode())) is ErrorCode.TOKEN_INVALID
    for name in HEADER:
        assert (
            code(forged(header={key: value for key, value in HEADER.items() if key != name}))
            is ErrorCode.TOKEN_INVALID
        )


def test_other_serialisations_are_refused() -> None:
    header, payload, signature = forged().split(".")
    flat = json.dumps({"protected": header, "payload": payload, "signature": signature})
    five = [f"{header}.{payload}.{signature}.{payload}.{signature}", f"{header}.{payload}", f"{header}..{signature}"]
    for text in (flat, *five, "", ".", "..", "...", f"Bearer {forged()}", forged() + ".", "." + forged()):
        assert code(text) is ErrorCode.TOKEN_INVALID


def test_a_p256_signature_with_high_s_is_refused() -> None:
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    header = {"alg": "ES256", "kid": KEYS[1].kid, "typ": "at+jwt"}

    def signature(body: bytes, *, low: bool) -> bytes:
        r, s = decode_dss_signature(P256.sign(body, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + sorted((s, order - s))[not low].to_bytes(32, "big")

    for _ in range(10):
        assert code(forged(header=header, sign=partial(signature, low=True))) is None
        assert code(forged(header=header, sign=partial(signature, low=False))) is ErrorCode.TOKEN_INVALID
    ours = codec(keys=KEYS[1:])
    for generation in range(1, 30):
        token = replace(ours.decode(forged(header=header, sign=partial(signature, low=True))), generation=generation)
        assert ours.decode(ours.encode(token)) == token


def test_the_first_private_key_signs_and_all_verify() -> None:
    token = codec().decode(forged())
    halves = [SigningKey.of(key.public) for key in KEYS[:2]]
    assert codec(keys=[halves[0], KEYS[1]]).decode(forged()) == token
    text = codec(keys=[halves[0], KEYS[1]]).encode(token)
    assert text.startswith(segment({"alg": "ES256", "kid": KEYS[1].kid, "typ": "at+jwt"}))
    assert codec().decode(text) == token
    assert code(text, keys=[KEYS[0]]) is ErrorCode.TOKEN_INVALID
    wrongs: list[dict[str, Any]] = [{"keys": []}, {"keys": halves}, {"issuer": ""}, {"audience": ("",)}]
    for wrong in (*wrongs, {"horizon": timedelta()}):
        with pytest.raises(ValueError, match=r"an access token needs|no private key"):
            codec(**wrong)


def test_the_key_set_has_public_keys_with_their_thumbprints() -> None:
    keys = codec().jwks()["keys"]
    assert [sorted(key) for key in keys] == [
        ["alg", "crv", "kid", "kty", "use", "x"],
        ["alg", "crv", "kid", "kty", "use", "x", "y"],
        ["alg", "e", "kid", "kty", "n", "use"],
    ]
    for jwk, key in zip(keys, KEYS, strict=True):
        required = {name: jwk[name] for name in ("crv", "e", "kty", "n", "x", "y") if name in jwk}
        canonical = json.dumps(required, sort_keys=True, separators=(",", ":")).encode()
        assert jwk["kid"] == segment(hashlib.sha256(canonical).digest())
        assert PyJWK(jwk).key == key.public

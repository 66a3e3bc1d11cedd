"""All codecs: one valid text for each value, and no text is valid for another purpose."""

import string
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.tokens.challenge_signer import ItsDangerousChallengeSigner
from adapters.tokens.cookie_codec import ItsDangerousCookieCodec
from adapters.tokens.jwt_codec import JwtCodec
from adapters.tokens.link_signer import ItsDangerousLinkSigner
from adapters.tokens.pem_keys import SigningKey
from adapters.tokens.refresh_codec import ItsDangerousRefreshCodec
from application.sessions.ports import SessionCookie
from domain.challenge import NONCE_LENGTH, Challenge, ChallengePurpose
from domain.outbox import EmailLink, LinkPurpose
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from domain.session import SECRET_LENGTH
from domain.tokens import AccessToken, RefreshToken
from tests.support.forging import fixed

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
USER, SESSION = UUID("0192f0c1-2a3b-7c4d-8e5f-60718293a4b5"), UUID("0192f0c1-2a3b-7c4d-8e5f-60718293a4b6")
SECRET, OLDER, FOREIGN = b"n" * 32, b"o" * 32, b"f" * 32
LATER = NOW + timedelta(minutes=10)
ACCESS = AccessToken(
    user_id=USER, session_id=SESSION, generation=7, role=Role.ADMIN, verified=True, issued_at=NOW, expires_at=LATER
)
REFRESH = RefreshToken(session_id=SESSION, generation=7)
ED, P256 = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)


def jwt_codec(*private: object) -> JwtCodec:
    keys = fixed([SigningKey.of(key) for key in private])
    return JwtCodec(keys=keys, issuer="us", clock=lambda: NOW, horizon=timedelta(hours=1))


@dataclass(frozen=True)
class SignedText:
    """A kind of signed text: `make` signs with the newest key, `older` and `foreign` with those."""

    thing: object
    code: ErrorCode
    decode: Callable[[str], object]
    make: Callable[[], str]
    older: Callable[[], str]
    foreign: Callable[[], str]


def link_kind(purpose: LinkPurpose) -> SignedText:
    thing = EmailLink(purpose=purpose, subject=USER, version=3, issued_at=NOW)
    new, old, foreign = (ItsDangerousLinkSigner(secrets=s) for s in ([SECRET, OLDER], [OLDER], [FOREIGN]))
    seals = [lambda s=s: s.sign(thing) for s in (new, old, foreign)]
    return SignedText(thing, ErrorCode.LINK_INVALID, lambda text: new.verify(text, purpose), *seals)


def challenge_kind(purpose: ChallengePurpose) -> SignedText:
    challenge = Challenge(
        purpose=purpose,
        user_id=None if purpose is ChallengePurpose.PASSKEY_LOGIN else USER,
        version=3,
        nonce=bytes(range(NONCE_LENGTH)),
        issued_at=NOW,
        secret=b"an encrypted secret" if purpose is ChallengePurpose.ADD_TOTP else b"",
    )
    new, old, foreign = (ItsDangerousChallengeSigner(secrets=s) for s in ([SECRET, OLDER], [OLDER], [FOREIGN]))
    signers = [lambda s=s: s.sign(challenge) for s in (new, old, foreign)]
    return SignedText(challenge, ErrorCode.CHALLENGE_INVALID, lambda text: new.verify(text, purpose), *signers)


def refresh_kind() -> SignedText:
    new, old, foreign = (ItsDangerousRefreshCodec(secrets=s) for s in ([SECRET, OLDER], [OLDER], [FOREIGN]))
    return SignedText(
        REFRESH, ErrorCode.TOKEN_INVALID, new.decode, *[lambda s=s: s.encode(REFRESH) for s in (new, old, foreign)]
    )


def cookie_kind() -> SignedText:
    cookie = SessionCookie(session_id=SESSION, secret=bytes(range(SECRET_LENGTH)))
    new, old, foreign = (ItsDangerousCookieCodec(secrets=s) for s in ([SECRET, OLDER], [OLDER], [FOREIGN]))
    signers = [lambda s=s: s.encode(cookie) for s in (new, old, foreign)]
    return SignedText(cookie, ErrorCode.TOKEN_INVALID, new.decode, *signers)


def access_kind(*keys: object) -> SignedText:
    new, old, foreign = jwt_codec(*keys), jwt_codec(*keys[1:]), jwt_codec(ed25519.Ed25519PrivateKey.generate())
    return SignedText(
        ACCESS, ErrorCode.TOKEN_INVALID, new.decode, *[lambda s=s: s.encode(ACCESS) for s in (new, old, foreign)]
    )


KINDS = {
    "access EdDSA": access_kind(ED, P256, RSA),
    "access ES256": access_kind(P256, RSA, ED),
    "access RS256": access_kind(RSA, ED, P256),
    "refresh": refresh_kind(),
    "cookie": cookie_kind(),
    **{f"link to {purpose}": link_kind(purpose) for purpose in LinkPurpose},
    **{f"challenge of {purpose}": challenge_kind(purpose) for purpose in ChallengePurpose},
}
kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())


def refuses(kind: SignedText, text: str) -> bool:
    with pytest.raises(Refusal) as refused:
        print("accepted:", kind.decode(text))
    assert len(text) < 12 or text not in repr(refused.value)
    return refused.value.code is kind.code


@kinds
def test_signed_text_verifies_under_all_known_secrets_only(kind: SignedText) -> None:
    assert kind.decode(kind.make()) == kind.thing
    assert kind.make() == kind.make()
    assert len(kind.make()) < 1000
    assert set(kind.make()) <= set(string.ascii_letters + string.digits + "-_.")
    assert kind.older() != kind.make()
    assert kind.decode(kind.older()) == kind.thing
    assert refuses(kind, kind.foreign())


@kinds
def test_no_character_can_be_changed_dropped_or_added(kind: SignedText) -> None:
    text = kind.make()
    for at in range(len(text)):
        for bit in range(8):  # the eighth bit leaves ASCII
            assert refuses(kind, text[:at] + chr(ord(text[at]) ^ 1 << bit) + text[at + 1 :])
        assert all([refuses(kind, text[:at] + rest) for rest in ("", text[at + 1 :])])
    for more in ("=", "==", "A", ".", " ", "\n", "\0", "%3D", "\u00e9", "\u0660", "\ud800", text):
        assert all([refuses(kind, other) for other in (text + more, more + text, text[:20] + more + text[20:])])


@kinds
def test_signed_text_has_one_valid_form(kind: SignedText) -> None:
    text = kind.make()
    alphabet = string.ascii_letters + string.digits + "-_"
    # The last character of a segment may have bits to spare.
    for at in (at for at in range(len(text)) if text[at + 1 : at + 2] in (".", "")):
        for other in alphabet.replace(text[at], ""):
            assert refuses(kind, text[:at] + other + text[at + 1 :])
        assert refuses(kind, text[: at + 1] + "=" + text[at + 1 :])
    assert refuses(kind, text.swapcase())


@kinds
@pytest.mark.parametrize("other", KINDS)
def test_a_text_of_another_kind_is_refused(kind: SignedText, other: str) -> None:
    text = KINDS[other].make()
    if KINDS[other].thing == kind.thing:
        assert kind.decode(text) == kind.thing
    else:
        assert refuses(kind, text)


@pytest.mark.parametrize("codec", [ItsDangerousLinkSigner, ItsDangerousRefreshCodec])
def test_secret_rotation_in_steps_keeps_neighbours_compatible(codec: Callable[..., Any]) -> None:
    new, old = SECRET, OLDER
    link = EmailLink(purpose=LinkPurpose.RESET, subject=USER, version=3, issued_at=NOW)
    steps = [codec(secrets=secrets) for secrets in ([old], [old, new], [new, old], [new])]

    def understands(one: Any, other: Any) -> bool:
        try:
            if codec is ItsDangerousLinkSigner:
                return bool(one.verify(other.sign(link), LinkPurpose.RESET) == link)
            return bool(one.decode(other.encode(REFRESH)) == REFRESH)
        except Refusal:
            return False

    assert [[understands(one, other) for other in steps] for one in steps] == [
        [True, True, False, False],  # which is why the new secret is not put first at once
        [True, True, True, True],
        [True, True, True, True],
        [False, False, True, True],
    ]


def test_a_very_long_text_is_refused_without_decoding() -> None:
    text = "A" * 30_000_000 + ".A"
    for kind in KINDS.values():
        began = time.thread_time()
        with pytest.raises(Refusal):
            kind.decode(text)
        assert time.thread_time() - began < 0.05


@settings(deadline=None, max_examples=300)
@given(st.text() | st.from_regex(r"[A-Za-z0-9_\-]{0,80}(\.[A-Za-z0-9_\-=]{0,80}){0,3}", fullmatch=True))
@example("." * 100_000)
@example("e30." * 100_000)
def test_arbitrary_text_is_refused_without_another_error(text: str) -> None:
    assert all([refuses(kind, text) for kind in KINDS.values()])


@pytest.mark.parametrize("secrets", [[], [b""], [b"x" * 31], [b"x" * 32, b"short"]])
@pytest.mark.parametrize(
    "codec",
    [ItsDangerousLinkSigner, ItsDangerousRefreshCodec, ItsDangerousChallengeSigner, ItsDangerousCookieCodec],
)
def test_weak_secrets_are_refused(codec: Callable[..., object], secrets: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        codec(secrets=secrets)

"""The cache of verified tokens: signatures are verified once, times at each use."""

from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from adapters.tokens.jwt_codec import CACHE_SIZE, JwtCodec
from adapters.tokens.key_store import KeySet
from adapters.tokens.pem_keys import SigningKey
from domain.refusals import ErrorCode, Refusal
from domain.tokens import AccessToken
from tests.support.forging import AT, CLAIMS, HEADER, KEYS, NOW, code, forged

SECOND = timedelta(seconds=1)
TEXT = forged()


class CountingCodec(JwtCodec):
    """Counts the tokens whose signature it verifies."""

    verifications = 0

    def verify(self, text: str) -> AccessToken:
        self.verifications += 1
        return super().verify(text)


class CodecHarness:
    """A codec whose clock and keys the test changes."""

    def __init__(self, cache_size: int = CACHE_SIZE) -> None:
        self.now, self.keys = NOW, KeySet.of(KEYS)
        self.codec = CountingCodec(
            keys=lambda: self.keys,
            issuer="https://id.example.org",
            clock=lambda: self.now,
            horizon=timedelta(hours=1),
            cache_size=cache_size,
        )

    def code(self, text: str = TEXT) -> ErrorCode | None:
        try:
            self.codec.decode(text)
        except Refusal as refusal:
            return refusal.code
        return None


def test_a_signature_is_verified_once() -> None:
    harness = CodecHarness()
    first = harness.codec.decode(TEXT)
    assert [harness.codec.decode(TEXT) for _ in range(5)] == [first] * 5
    assert harness.codec.verifications == 1


def test_a_cached_token_expires_to_the_second() -> None:
    harness = CodecHarness()
    assert harness.code() is None
    harness.now = NOW + timedelta(seconds=600) - timedelta(microseconds=1)
    assert harness.code() is None
    harness.now = NOW + timedelta(seconds=600)
    assert [harness.code() for _ in range(3)] == [ErrorCode.TOKEN_EXPIRED] * 3
    harness.now = NOW
    assert harness.code() is None


def test_cached_token_is_not_yet_valid_once_the_clock_is_set_back() -> None:
    harness = CodecHarness()
    assert harness.code() is None
    harness.now = NOW - 31 * SECOND
    assert harness.code() is ErrorCode.TOKEN_INVALID
    harness.now = NOW - 30 * SECOND
    assert harness.code() is None


def test_a_cached_token_is_refused_once_its_key_is_removed() -> None:
    harness = CodecHarness()
    assert harness.code() is None
    harness.keys = KeySet.of(KEYS[1:])
    assert harness.code() is ErrorCode.TOKEN_INVALID
    harness.keys = KeySet.of(KEYS)
    assert harness.code() is None
    assert harness.codec.verifications == 3


def test_a_cached_token_is_refused_under_another_key() -> None:
    harness = CodecHarness()
    assert harness.code() is None
    other = SigningKey.of(Ed25519PrivateKey.generate())
    harness.keys = KeySet.of([other])
    assert harness.code() is ErrorCode.TOKEN_INVALID
    assert harness.code(forged(header={**HEADER, "kid": other.kid})) is ErrorCode.TOKEN_INVALID


@given(place=st.integers(0, len(TEXT) - 1), letter=st.characters(codec="ascii"))
def test_only_the_exact_text_is_cached(place: int, letter: str) -> None:
    harness = CodecHarness()
    assert harness.code() is None
    other = TEXT[:place] + letter + TEXT[place + 1 :]
    assert harness.code(other) is (None if other == TEXT else ErrorCode.TOKEN_INVALID)
    for other in (TEXT + " ", " " + TEXT, TEXT + "=", TEXT.lower(), TEXT[:-1]):
        assert harness.code(other) is ErrorCode.TOKEN_INVALID


def test_a_refused_token_is_not_cached() -> None:
    harness = CodecHarness()
    refused = [forged({**CLAIMS, "aud": "another"}), forged({**CLAIMS, "iat": AT - 600, "exp": AT}), "x"]
    assert None not in [harness.code(text) for text in refused * 2]
    assert harness.codec.verifications == 6


def test_a_full_cache_evicts_the_least_recently_used_tokens() -> None:
    harness = CodecHarness(cache_size=3)
    first, second, third, fourth = (forged({**CLAIMS, "iat": AT - number}) for number in range(4))
    for text in (first, second, third, first, fourth):
        assert harness.code(text) is None
    assert harness.codec.verifications == 4
    for text in (first, third, fourth):
        assert harness.code(text) is None
    assert harness.codec.verifications == 4
    assert harness.code(second) is None
    assert harness.codec.verifications == 5


def test_a_cached_token_is_in_no_repr() -> None:
    harness = CodecHarness()
    harness.codec.decode(TEXT)
    assert TEXT not in repr(vars(harness.codec))


def test_codecs_share_no_cache() -> None:
    harness = CodecHarness()
    harness.codec.decode(TEXT)
    assert code(TEXT, issuer="https://another.example.org") is ErrorCode.TOKEN_INVALID

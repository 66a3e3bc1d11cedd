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


class Counting(JwtCodec):
    """Counts the tokens whose signature it verifies."""

    verifications = 0

    def verify(self, text: str) -> AccessToken:
        self.verifications += 1
        return super().verify(text)


class Moved:
    """A clock and a set of keys that a test moves."""

    def __init__(self, cache_size: int = CACHE_SIZE) -> None:
        self.now, self.keys = NOW, KeySet.of(KEYS)
        self.codec = Counting(
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


def test_a_signature_is_looked_at_once() -> None:
    moved = Moved()
    first = moved.codec.decode(TEXT)
    assert [moved.codec.decode(TEXT) for _ in range(5)] == [first] * 5
    assert moved.codec.verifications == 1


def test_a_token_that_is_remembered_expires_to_the_second() -> None:
    moved = Moved()
    assert moved.code() is None
    moved.now = NOW + timedelta(seconds=600) - timedelta(microseconds=1)
    assert moved.code() is None
    moved.now = NOW + timedelta(seconds=600)
    assert [moved.code() for _ in range(3)] == [ErrorCode.TOKEN_EXPIRED] * 3
    moved.now = NOW
    assert moved.code() is None


def test_cached_token_is_not_yet_valid_once_the_clock_is_set_back() -> None:
    moved = Moved()
    assert moved.code() is None
    moved.now = NOW - 31 * SECOND
    assert moved.code() is ErrorCode.TOKEN_INVALID
    moved.now = NOW - 30 * SECOND
    assert moved.code() is None


def test_a_token_is_forgotten_with_its_key() -> None:
    moved = Moved()
    assert moved.code() is None
    moved.keys = KeySet.of(KEYS[1:])
    assert moved.code() is ErrorCode.TOKEN_INVALID
    moved.keys = KeySet.of(KEYS)
    assert moved.code() is None
    assert moved.codec.verifications == 3


def test_a_key_of_the_same_name_is_another_key() -> None:
    moved = Moved()
    assert moved.code() is None
    other = SigningKey.of(Ed25519PrivateKey.generate())
    moved.keys = KeySet.of([other])
    assert moved.code() is ErrorCode.TOKEN_INVALID
    assert moved.code(forged(header={**HEADER, "kid": other.kid})) is ErrorCode.TOKEN_INVALID


@given(place=st.integers(0, len(TEXT) - 1), letter=st.characters(codec="ascii"))
def test_only_the_very_text_is_remembered(place: int, letter: str) -> None:
    moved = Moved()
    assert moved.code() is None
    other = TEXT[:place] + letter + TEXT[place + 1 :]
    assert moved.code(other) is (None if other == TEXT else ErrorCode.TOKEN_INVALID)
    for other in (TEXT + " ", " " + TEXT, TEXT + "=", TEXT.lower(), TEXT[:-1]):
        assert moved.code(other) is ErrorCode.TOKEN_INVALID


def test_a_refused_token_is_not_cached() -> None:
    moved = Moved()
    refused = [forged({**CLAIMS, "aud": "another"}), forged({**CLAIMS, "iat": AT - 600, "exp": AT}), "x"]
    assert None not in [moved.code(text) for text in refused * 2]
    assert moved.codec.verifications == 6


def test_the_least_recently_used_tokens_leave_a_full_cache() -> None:
    moved = Moved(cache_size=3)
    first, second, third, fourth = (forged({**CLAIMS, "iat": AT - number}) for number in range(4))
    for text in (first, second, third, first, fourth):
        assert moved.code(text) is None
    assert moved.codec.verifications == 4
    for text in (first, third, fourth):
        assert moved.code(text) is None
    assert moved.codec.verifications == 4
    assert moved.code(second) is None
    assert moved.codec.verifications == 5


def test_a_cached_token_is_in_no_repr() -> None:
    moved = Moved()
    moved.codec.decode(TEXT)
    assert TEXT not in repr(vars(moved.codec))


def test_codecs_share_no_cache() -> None:
    moved = Moved()
    moved.codec.decode(TEXT)
    assert code(TEXT, issuer="https://another.example.org") is ErrorCode.TOKEN_INVALID

"""Challenges expire after five minutes, and their digest identifies them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.challenge import LIFETIME, MOST_ATTEMPTS, NONCE_LENGTH, Challenge, ChallengePurpose
from domain.rate_limits import RATES, Limit

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NONCES = st.binary(min_size=NONCE_LENGTH, max_size=NONCE_LENGTH)


def challenge(nonce: bytes = bytes(32), purpose: ChallengePurpose = ChallengePurpose.LOGIN) -> Challenge:
    return Challenge(purpose=purpose, user_id=UUID(int=1), version=1, nonce=nonce, issued_at=NOW, secret=b"secret")


def test_challenge_has_32_random_bytes_and_five_minutes() -> None:
    assert (32, timedelta(minutes=5), 5) == (NONCE_LENGTH, LIFETIME, MOST_ATTEMPTS)


@given(st.timedeltas(timedelta(minutes=-1), timedelta(minutes=10)))
def test_challenge_expires_after_five_minutes(age: timedelta) -> None:
    assert challenge().expired(NOW + age) == (age >= timedelta(minutes=5))
    assert challenge().expires_at == NOW + timedelta(minutes=5)


@given(NONCES, NONCES)
def test_digest_identifies_the_nonce(one: bytes, other: bytes) -> None:
    assert (challenge(one).digest == challenge(other).digest) == (one == other)
    assert challenge(one).digest == challenge(one, ChallengePurpose.STEP_UP).digest
    assert challenge(one).digest != one


def test_attempts_are_counted_for_longer_than_the_challenge_is_valid() -> None:
    (rate,) = RATES[Limit.CHALLENGE]
    assert rate.times == MOST_ATTEMPTS
    assert rate.per > LIFETIME


def test_nonce_and_secret_are_in_no_repr() -> None:
    assert "nonce" not in repr(challenge())
    assert "secret" not in repr(challenge())

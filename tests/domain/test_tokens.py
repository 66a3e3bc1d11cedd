"""Access tokens and their roles."""

from datetime import UTC, datetime
from itertools import product
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from domain.tokens import AccessToken, TokenPair


def access(role: Role, *, verified: bool) -> AccessToken:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    return AccessToken(
        user_id=UUID(int=1),
        session_id=UUID(int=2),
        generation=1,
        role=role,
        verified=verified,
        issued_at=now,
        expires_at=now,
    )


@pytest.mark.parametrize(("held", "required"), [*product(Role, Role)])
def test_a_verified_caller_has_the_role_and_lower_ones(held: Role, required: Role) -> None:
    if held.includes(required):
        access(held, verified=True).require(required)
    else:
        with pytest.raises(Refusal) as refused:
            access(held, verified=True).require(required)
        assert refused.value.code is ErrorCode.ROLE_REQUIRED
        assert required.value in refused.value.detail


@pytest.mark.parametrize(("held", "required"), [*product(Role, Role)])
def test_an_unverified_caller_has_no_role(held: Role, required: Role) -> None:
    with pytest.raises(Refusal) as refused:
        access(held, verified=False).require(required)
    assert refused.value.code is ErrorCode.NOT_VERIFIED


@given(
    st.from_regex(r"ey[A-Za-z0-9_-]{20,60}", fullmatch=True), st.from_regex(r"[A-Za-z0-9_-]{20,70}", fullmatch=True)
)
def test_the_repr_of_a_token_pair_hides_the_tokens(access_token: str, refresh_token: str) -> None:
    pair = TokenPair(
        access_token=access_token,
        refresh_token=refresh_token,
        expires_in=600,
        refresh_expires_in=3600,
        session_id=UUID(int=1),
    )
    shown = f"{pair!r} {pair}"
    assert access_token not in shown
    assert refresh_token not in shown
    assert "600" in shown


def test_a_refusal_carries_its_details() -> None:
    refusal = Refusal(ErrorCode.PASSWORD_WEAK, "Too short.", field="password", reason="too_short", retry_after=3)
    assert (refusal.code, refusal.detail, refusal.field, refusal.reason, refusal.retry_after) == (
        "password_weak",
        "Too short.",
        "password",
        "too_short",
        3,
    )


def test_codes_are_valid_path_segments() -> None:
    assert [code for code in ErrorCode if not code.replace("_", "").isalpha() or not code.islower()] == []
    assert [code.name.lower() for code in ErrorCode] == [code.value for code in ErrorCode]

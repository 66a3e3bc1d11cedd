"""Factors, the versions in which they exist, and recovery codes."""

import base64
import hashlib
from collections.abc import Collection
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.factor import Factor, FactorKind, Passkey, Totp, highest_level, recovery_code_digest

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BLANKS = ["", "-", " ", "  ", "\u2011", "\u2013", "\n"]


def passkey(*, sign_count: int = 0, backup_eligible: bool = False) -> Passkey:
    return Passkey(
        credential_id=b"id",
        public_key=b"key",
        sign_count=sign_count,
        backup_eligible=backup_eligible,
        backed_up=False,
    )


def factor(credential: Passkey | Totp, *, added_in: int = 1) -> Factor:
    return Factor(
        id=UUID(int=1), user_id=UUID(int=2), name="Phone", created_at=NOW, added_in=added_in, credential=credential
    )


def test_kind_follows_from_the_credential() -> None:
    totp = Totp(encrypted_secret=b"secret", last_step=3)
    assert (factor(totp).kind, factor(totp).totp, factor(totp).passkey) == (FactorKind.TOTP, totp, None)
    other = factor(passkey())
    assert (other.kind, other.totp, other.passkey) == (FactorKind.PASSKEY, None, passkey())


@pytest.mark.parametrize(
    ("kinds", "level"),
    [
        ([], "aal1"),
        ([FactorKind.TOTP], "aal2"),
        ([FactorKind.PASSKEY], "phr"),
        ([FactorKind.PASSKEY, FactorKind.TOTP], "phr"),
    ],
)
def test_highest_level_is_that_of_the_strongest_factor(kinds: Collection[FactorKind], level: str) -> None:
    assert highest_level(kinds) == level


@pytest.mark.parametrize(
    ("stored", "signed", "backup_eligible", "cloned"),
    [
        (0, 0, False, False),
        (0, 1, False, False),
        (5, 6, False, False),
        (5, 5, False, True),
        (5, 4, False, True),
        (5, 0, False, True),
        (5, 4, True, False),
    ],
)
def test_counter_that_does_not_grow_shows_a_clone(
    stored: int, signed: int, *, backup_eligible: bool, cloned: bool
) -> None:
    assert passkey(sign_count=stored, backup_eligible=backup_eligible).is_cloned(signed) is cloned


@given(st.integers(1, 50), st.integers(1, 50), st.integers(0, 101))
def test_factor_exists_from_its_addition_to_its_removal(added_in: int, length: int, version: int) -> None:
    made = factor(passkey(), added_in=added_in)
    assert made.existed_in(version) == (version >= added_in)
    removed = made.removed(added_in + length, NOW)
    assert removed.existed_in(version) == (added_in <= version < added_in + length)


RANDOM = st.binary(min_size=15, max_size=15)


@given(random=RANDOM, blanks=st.lists(st.sampled_from(BLANKS), min_size=24, max_size=24), lower=st.booleans())
def test_recovery_code_is_read_as_people_type_it(random: bytes, blanks: list[str], *, lower: bool) -> None:
    code = base64.b32encode(random).decode()
    typed = "".join(map("".join, zip(code, blanks, strict=True)))
    digest = hashlib.sha256(code.encode()).digest()
    assert recovery_code_digest(typed.lower() if lower else typed) == digest


@given(st.text(st.characters(), max_size=40))
def test_any_text_has_a_digest(text: str) -> None:
    assert len(recovery_code_digest(text)) == 32


def test_secrets_are_in_no_repr() -> None:
    shown = repr([factor(passkey()), factor(Totp(encrypted_secret=b"secret", last_step=3))])
    assert "secret=" not in shown
    assert "key=" not in shown

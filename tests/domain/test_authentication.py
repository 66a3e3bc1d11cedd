"""Assurance levels, and when an authentication is fresh."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.authentication import PASSWORD_AT_UNKNOWN_TIME, AssuranceLevel, Authentication, AuthenticationMethod

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FACTORS = ["totp", "recovery_code", "passkey"]
MAX_AGE = timedelta(minutes=5)


@st.composite
def authentications(draw: st.DrawFn) -> Authentication:
    """A login, and up to three step-ups in its session."""
    made = draw(st.sampled_from([Authentication.by_password(NOW), Authentication.by_passkey(NOW)]))
    for factor in draw(st.lists(st.sampled_from(FACTORS), max_size=3)):
        made = made.with_factor(factor, NOW)
    return made


def test_levels_are_ordered() -> None:
    levels = [AssuranceLevel.AAL1, AssuranceLevel.AAL2, AssuranceLevel.PHISHING_RESISTANT]
    assert [level.value for level in levels] == ["aal1", "aal2", "phr"]
    for number, level in enumerate(levels):
        assert [level.reaches(other) for other in levels] == [number >= other for other in range(3)]


@pytest.mark.parametrize(
    ("factor", "level", "amr"),
    [
        ("totp", "aal2", ["pwd", "otp", "mfa"]),
        ("recovery_code", "aal2", ["pwd", "recovery_code", "mfa"]),
        ("passkey", "phr", ["pwd", "pop", "user", "mfa"]),
    ],
)
def test_password_and_factor(factor: str, level: str, amr: list[str]) -> None:
    later = NOW + timedelta(seconds=40)
    made = Authentication.by_password(NOW).with_factor(factor, later)
    assert (made.level, list(made.methods), made.at) == (level, amr, later)


def test_password_alone_and_passkey_alone() -> None:
    password, passkey = Authentication.by_password(NOW), Authentication.by_passkey(NOW)
    assert (password.level, list(password.methods)) == ("aal1", ["pwd"])
    assert (passkey.level, list(passkey.methods)) == ("phr", ["pop", "user", "mfa"])


@given(authentications(), st.sampled_from(FACTORS))
def test_level_is_that_of_the_newest_factor(before: Authentication, factor: str) -> None:
    """Whatever the session was opened with: a code does not inherit the level of a passkey."""
    after = before.with_factor(factor, NOW)
    assert after.level == ("phr" if factor == "passkey" else "aal2")
    assert (AuthenticationMethod.RECOVERY_CODE in after.methods) == (factor == "recovery_code")
    assert (AuthenticationMethod.PASSWORD in after.methods) == (AuthenticationMethod.PASSWORD in before.methods)
    assert len(set(after.methods)) == len(after.methods)


@given(authentications(), st.sampled_from(AssuranceLevel), st.timedeltas(timedelta(0), timedelta(minutes=10)))
def test_fresh_is_recent_and_strongest(made: Authentication, highest: AssuranceLevel, age: timedelta) -> None:
    strong = made.level.reaches(highest) or AuthenticationMethod.RECOVERY_CODE in made.methods
    assert made.is_fresh(highest=highest, now=NOW + age, max_age=MAX_AGE) == (strong and age <= MAX_AGE)


@pytest.mark.parametrize(("factor", "fresh"), [("totp", False), ("recovery_code", True), ("passkey", True)])
def test_recovery_code_counts_as_the_strongest(factor: str, *, fresh: bool) -> None:
    made = Authentication.by_password(NOW).with_factor(factor, NOW)
    assert made.is_fresh(highest=AssuranceLevel.PHISHING_RESISTANT, now=NOW, max_age=MAX_AGE) is fresh


def test_token_of_the_previous_release_is_never_fresh() -> None:
    old = PASSWORD_AT_UNKNOWN_TIME
    assert old.level is AssuranceLevel.AAL1
    assert not old.is_fresh(highest=AssuranceLevel.AAL1, now=NOW, max_age=timedelta(hours=1))

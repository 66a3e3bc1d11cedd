"""States of a change of address."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.email_change import EmailChange
from domain.user import User

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
USER = User(id=UUID(int=1), email="a@example.org", username=None, password_hash="x", verified=True, created_at=NOW)
CHANGE = EmailChange(
    id=UUID(int=2),
    user_id=USER.id,
    old_email=USER.email,
    new_email="b@example.org",
    credential_version=USER.credential_version,
    asked_at=NOW,
)


@pytest.mark.parametrize(
    ("change", "user", "age", "may"),
    [
        (CHANGE, USER, 0, True),
        (CHANGE, USER, 1799, True),
        (CHANGE, USER, 1800, False),
        (CHANGE, replace(USER, disabled=True), 0, False),
        (CHANGE, replace(USER, credential_version=2), 0, False),
        (CHANGE, USER.with_password("y"), 0, False),
        (CHANGE, USER.with_email("c@example.org"), 0, False),
        (CHANGE.confirmed(NOW), USER, 0, False),
        (replace(CHANGE, factor_version=1), replace(USER, factor_version=1), 0, True),
        (replace(CHANGE, factor_version=0), replace(USER, factor_version=1), 0, False),
        (CHANGE, USER.evicted_from_email("b@example.org"), 0, False),
        (CHANGE.rebased(USER.evicted_from_email("b@example.org")), USER.evicted_from_email("b@example.org"), 0, True),
    ],
)
def test_a_change_applies_only_if_the_user_has_not_changed_since(
    change: EmailChange, user: User, age: int, may: bool
) -> None:
    assert change.can_be_confirmed(user, now=NOW + timedelta(seconds=age)) is may


@pytest.mark.parametrize(
    ("change", "user", "done"),
    [
        (CHANGE, USER, False),
        (CHANGE, USER.with_email(CHANGE.new_email), False),
        (CHANGE.confirmed(NOW), USER.with_email(CHANGE.new_email), True),
        (CHANGE.confirmed(NOW), replace(USER.with_email(CHANGE.new_email), disabled=True), False),
        (CHANGE.confirmed(NOW), USER.with_email(CHANGE.new_email).with_password("y"), False),
        (CHANGE.confirmed(NOW), USER.with_email("c@example.org"), False),
    ],
)
def test_a_change_counts_as_applied_while_the_user_has_the_new_address(
    change: EmailChange, user: User, done: bool
) -> None:
    assert change.is_applied(user) is done


def test_a_new_address_and_losing_the_address_both_void_every_link() -> None:
    moved, displaced = USER.with_email("b@example.org"), USER.evicted_from_email("b@example.org")
    assert (moved.email, moved.verified, moved.credential_version) == ("b@example.org", True, 2)
    assert (displaced.email, displaced.verified, displaced.credential_version) == ("b@example.org", False, 2)

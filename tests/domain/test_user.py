"""The user entity."""

from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.role import Role
from domain.user import Provenance, User

NOW = datetime(2026, 3, 1, tzinfo=UTC)
USER = User(
    id=UUID(int=1),
    email="alice@example.org",
    username=None,
    password_hash="$argon2id$secret",
    created_at=NOW,
)

USERS = st.builds(
    User,
    id=st.uuids(),
    email=st.emails(),
    username=st.none() | st.text(min_size=1),
    password_hash=st.text(min_size=1),
    role=st.sampled_from(Role),
    verified=st.booleans(),
    disabled=st.booleans(),
    credential_version=st.integers(1, 10**6),
    created_at=st.datetimes(timezones=st.just(UTC)),
)


def test_a_new_user_is_an_unverified_member() -> None:
    assert (USER.role, USER.verified, USER.disabled, USER.credential_version) == (Role.MEMBER, False, False, 1)


@given(USERS)
def test_verifying_changes_nothing_else_and_is_idempotent(user: User) -> None:
    assert user.mark_verified() == replace(user, verified=True) == user.mark_verified().mark_verified()


@given(USERS, st.text(min_size=1))
def test_a_new_password_increments_the_credential_version(user: User, password_hash: str) -> None:
    changed = user.with_password(password_hash)
    version = user.credential_version + 1
    assert (changed.password_hash, changed.credential_version) == (password_hash, version)
    assert changed.recovery_version == user.recovery_version
    recovered = user.recovered(password_hash)
    assert (recovered.password_hash, recovered.credential_version) == (password_hash, version)
    assert recovered.recovery_version == user.recovery_version + 1
    assert user.with_password(user.password_hash).credential_version > user.credential_version


@given(USERS)
def test_methods_return_a_new_user_and_do_not_change_the_old_one(user: User) -> None:
    before = replace(user)
    user.mark_verified()
    user.with_password("another")
    assert user == before
    frozen: Any = user
    with pytest.raises(FrozenInstanceError):
        frozen.role = Role.ADMIN


@pytest.mark.parametrize(("actor", "target"), [*product(Role, Role)])
def test_users_of_the_same_or_a_higher_role_cannot_be_managed(actor: Role, target: Role) -> None:
    ladder = list(Role)
    other = replace(USER, id=UUID(int=2), role=target, verified=True)
    assert replace(USER, role=actor).can_manage(other) == (ladder.index(actor) > ladder.index(target))
    assert replace(USER, role=actor).can_manage(replace(other, verified=False))
    assert replace(USER, role=actor).can_manage(replace(USER, role=target, verified=True))


@given(USERS)
def test_only_a_verified_admin_who_is_not_disabled_is_active_admin(user: User) -> None:
    assert user.is_active_admin == (user.role is Role.ADMIN and user.verified and not user.disabled)


@given(USERS, st.from_regex(r"\$argon2id\$[A-Za-z0-9+/]{20}", fullmatch=True))
def test_the_repr_of_a_user_hides_the_password_hash(user: User, password_hash: str) -> None:
    hiding = replace(user, password_hash=password_hash)
    assert password_hash not in f"{hiding!r} {hiding}"
    assert "password_hash" not in repr(hiding)


def test_each_constructor_records_who_created_the_user() -> None:
    same: dict[str, Any] = {"id": UUID(int=1), "email": "a@example.org", "username": None, "password_hash": "x"}
    registered = User.registered(**same, now=NOW)
    created = User.created_by_operator(**same, role=Role.ADMIN, now=NOW)
    imported = User.imported(**same, created_at=NOW - timedelta(days=1), now=NOW)
    assert [(user.provenance, user.imported_at, user.created_at) for user in (registered, created, imported)] == [
        (Provenance.SELF, None, NOW),
        (Provenance.OPERATOR, None, NOW),
        (Provenance.IMPORT, NOW, NOW - timedelta(days=1)),
    ]
    assert User.imported(**same, now=NOW).created_at == NOW
    assert created.role is Role.ADMIN

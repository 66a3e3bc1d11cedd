"""Roles are ordered."""

from itertools import product

import pytest

from domain.role import Role


def test_there_are_three_roles_from_low_to_high() -> None:
    assert list(Role) == ["member", "moderator", "admin"]


@pytest.mark.parametrize(("upper", "lower"), [*product(range(3), repeat=2)])
def test_a_role_includes_itself_and_those_below(upper: int, lower: int) -> None:
    ladder = list(Role)
    assert ladder[upper].includes(ladder[lower]) == (upper >= lower)


def test_roles_are_not_ordered_alphabetically() -> None:
    assert "admin" < "member"
    assert Role.ADMIN.includes(Role.MEMBER)
    assert not Role.MEMBER.includes(Role.ADMIN)


@pytest.mark.parametrize("text", ["", "Admin", "root", "admin "])
def test_unknown_roles_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a valid Role"):
        Role(text)

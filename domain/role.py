"""Roles, from the lowest to the highest. Each role includes the rights of all lower ones."""

from enum import StrEnum
from typing import Self


class Role(StrEnum):
    MEMBER = "member"
    MODERATOR = "moderator"
    ADMIN = "admin"

    def includes(self, other: Self) -> bool:
        """Whether this role is at least as high as the other."""
        return _LADDER.index(self) >= _LADDER.index(other)


_LADDER = tuple(Role)

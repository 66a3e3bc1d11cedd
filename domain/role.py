"""What a user may do. Roles are a ladder: each holds everything below it."""

from enum import StrEnum
from typing import Self


class Role(StrEnum):
    MEMBER = "member"
    MODERATOR = "moderator"
    ADMIN = "admin"

    def includes(self, other: Self) -> bool:
        """Whether this role stands at least as high as the other."""
        return _LADDER.index(self) >= _LADDER.index(other)


_LADDER = tuple(Role)

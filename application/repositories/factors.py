"""Factors, recovery codes, used challenges and undo points of users."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.factor import Factor, RecoveryCode, RecoveryCodeCount, UndoPoint
from domain.user import User


class Factors(Protocol):
    """Lock the user before adding, removing or restoring anything. These methods also raise the user's factor version
    and update `User.factors`. The factors of a deleted user are not found."""

    async def by_user(self, user_id: UUID, *, removed: bool = False) -> Sequence[Factor]:
        """The factors in use, oldest first; with `removed` also those that were removed and not purged yet."""
        ...

    async def by_credential_id(self, credential_id: bytes) -> tuple[Factor, User] | None:
        """The passkey in use with that id, and its user."""
        ...

    async def add(self, factor: Factor, *, replacing: Sequence[UUID] = ()) -> bool:
        """Add the factor and remove those in `replacing`. `factor.added_in` is the user's next factor version. Return
        False and change nothing if the credential id was ever stored, for any user."""
        ...

    async def remove(self, user_id: UUID, factor_ids: Sequence[UUID], *, now: datetime) -> User | None:
        """Remove factors of the user, and the recovery codes with the last one. Return the changed user; None if one
        of the factors is not in use."""
        ...

    async def rename(self, user_id: UUID, factor_id: UUID, name: str) -> Factor | None:
        """None if the user has no such factor in use."""
        ...

    async def use_totp(self, factor_id: UUID, *, step: int, now: datetime) -> bool:
        """Record the step of an accepted code. Return False if it or a later one was accepted before."""
        ...

    async def use_passkey(self, factor_id: UUID, *, sign_count: int, backed_up: bool, now: datetime) -> bool:
        """Record an assertion. Return False if the passkey is no longer in use."""
        ...

    async def replace_recovery_codes(self, user_id: UUID, codes: Sequence[RecoveryCode], *, now: datetime) -> None:
        """Remove all earlier recovery codes and add these, whose `added_in` is the user's next factor version."""
        ...

    async def recovery_codes(self, user_id: UUID) -> RecoveryCodeCount | None:
        """None if the user has no recovery codes, used or not."""
        ...

    async def use_recovery_code(self, user_id: UUID, digest: bytes, *, now: datetime) -> bool:
        """Use up a recovery code. Return False if the user has no such unused code."""
        ...

    async def use_challenge(self, digest: bytes, *, expires_at: datetime) -> bool:
        """Use up a challenge. Return False if it was used before, also by a transaction that commits at this moment.
        It is remembered until `expires_at` at least."""
        ...

    async def add_undo_point(self, point: UndoPoint) -> None: ...

    async def undo_point(self, point_id: UUID) -> UndoPoint | None:
        """Also of a deleted user."""
        ...

    async def undo_points(self, user_id: UUID) -> Sequence[UndoPoint]:
        """All stored ones of the user, newest first."""
        ...

    async def restore(self, user_id: UUID, version: int, *, now: datetime) -> User | None:
        """Restore the factors and recovery codes of that factor version, as a new version. Later undo points and
        changes of address lead to `version`, too. Returns the changed user."""
        ...

    async def close_undo_point(self, point_id: UUID, *, now: datetime) -> None: ...

    async def with_secrets(self, *, after: UUID | None, limit: int) -> Sequence[Factor]:
        """TOTP factors of all users, also removed ones, ordered by id. `after` is the id of the last one before."""
        ...

    async def replace_secret(self, factor_id: UUID, *, old: bytes, new: bytes) -> bool:
        """Replace an encrypted secret. Return False if it is no longer `old`."""
        ...

    async def enrolment_open(self) -> bool:
        """Whether factors may be added. False during an upgrade from a release that knows no factors, until an
        operator opens it: processes of that release would accept the password alone."""
        ...

    async def open_enrolment(self) -> bool:
        """Return False if it was open before."""
        ...

"""Changes of address, pending and confirmed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.email_change import EmailChange


class EmailChanges(Protocol):
    """Lock the user before changing one. Deleting a user deletes the user's changes."""

    async def add(self, change: EmailChange) -> None: ...

    async def by_id(self, change_id: UUID) -> EmailChange | None: ...

    async def by_user(self, user_id: UUID) -> Sequence[EmailChange]:
        """All stored changes of the user, newest first."""
        ...

    async def newest(self, user_id: UUID) -> EmailChange | None:
        """The user's latest change, in any state."""
        ...

    async def newest_undoable(self, email: str, *, since: datetime) -> EmailChange | None:
        """The newest change away from the address that was confirmed after `since` and is not closed."""
        ...

    async def update(self, change: EmailChange) -> None:
        """Update a stored change."""
        ...

    async def close(self, user_id: UUID, *, now: datetime, since: int = 0, back_to: str | None = None) -> None:
        """Close the user's changes that were requested at credential version `since` or later, so that they cannot be
        undone. With `back_to`, close only those from that address."""
        ...

    async def delete_unconfirmed(self, user_id: UUID) -> None:
        """Delete the user's unconfirmed changes."""
        ...

"""Changes of address, pending and confirmed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.address_change import AddressChange


class AddressChanges(Protocol):
    """Lock the user before changing one. Deleting a user deletes the user's changes."""

    async def add(self, change: AddressChange) -> None: ...

    async def by_id(self, change_id: UUID) -> AddressChange | None: ...

    async def of(self, user_id: UUID) -> Sequence[AddressChange]:
        """All stored changes of the user, newest first."""
        ...

    async def newest(self, user_id: UUID) -> AddressChange | None:
        """The user's latest change, in any state."""
        ...

    async def back_to(self, email: str, *, since: datetime) -> AddressChange | None:
        """The newest change away from the address that was confirmed after `since` and is not closed."""
        ...

    async def keep(self, change: AddressChange) -> None:
        """Update a stored change."""
        ...

    async def close(self, user_id: UUID, *, now: datetime, since: int = 0, back_to: str | None = None) -> None:
        """Close the user's changes that were requested at credential version `since` or later, so that they cannot be
        undone. With `back_to`, close only those from that address."""
        ...

    async def forget(self, user_id: UUID) -> None:
        """Delete the user's unconfirmed changes."""
        ...

"""Changes of address that are under way, and the way back from them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.address_change import AddressChange


class AddressChanges(Protocol):
    """They go with their user, and change only in a work that holds the user."""

    async def add(self, change: AddressChange) -> None: ...

    async def by_id(self, change_id: UUID) -> AddressChange | None: ...

    async def of(self, user_id: UUID) -> Sequence[AddressChange]:
        """Every change of the user that is still kept, newest first."""
        ...

    async def newest(self, user_id: UUID) -> AddressChange | None:
        """The last that the user asked for, whatever has become of it."""
        ...

    async def back_to(self, email: str, *, since: datetime) -> AddressChange | None:
        """The newest change away from the address that was confirmed later than that and is not closed."""
        ...

    async def keep(self, change: AddressChange) -> None:
        """Keep one that was added as it is now."""
        ...

    async def close(self, user_id: UUID, *, now: datetime, since: int = 0, back_to: str | None = None) -> None:
        """Those of the user that were asked for at this credential version or later lead back no more; where an
        address is given, those alone that lead back to it."""
        ...

    async def forget(self, user_id: UUID) -> None:
        """Remove those of the user that have not been confirmed."""
        ...

"""A user on the way from one address to another."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressChange:
    """Asked for by somebody who knew the password at `credential_version`; confirmed by whoever reads the new
    mailbox. It is closed when it can do nothing any more: another was asked for, or the old address was restored.
    """

    id: UUID
    user_id: UUID
    old_email: str
    new_email: str
    credential_version: int
    asked_at: datetime
    confirmed_at: datetime | None = None
    closed_at: datetime | None = None

"""What is kept, and how it is kept apart while somebody works on it."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from domain.mail import Mail
from domain.session import Session
from domain.user import User


@dataclass
class Rows:
    users: dict[UUID, User] = field(default_factory=dict)
    sessions: dict[UUID, Session] = field(default_factory=dict)
    mails: dict[UUID, Mail] = field(default_factory=dict)
    raised_at: dict[UUID, datetime] = field(default_factory=dict)
    unpublished: set[UUID] = field(default_factory=set)

    def copy(self) -> "Rows":
        return Rows(
            dict(self.users), dict(self.sessions), dict(self.mails), dict(self.raised_at), set(self.unpublished)
        )

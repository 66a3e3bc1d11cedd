"""Sessions. Endings are in force everywhere when the unit of work has been left."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.audit import AuditEvent
from domain.session import EndReason, Lifetimes, Session
from domain.user import User


class Sessions(Protocol):
    """Revocations are in force in all processes when the unit of work has been left. An `event` is inserted in the
    same statement as the change, and only if the change happens."""

    async def open(
        self, session: Session, *, credential_version: int, factor_version: int = 0, event: AuditEvent
    ) -> User | None:
        """Insert a session, return its user and lock the user until the commit. Returns None and inserts nothing if
        a version is stale or the user is disabled. Other logins of the user wait for the lock."""
        ...

    async def evict_oldest(self, session: Session, *, most: int) -> Sequence[UUID]:
        """After `open`: end the user's oldest live sessions beyond `most`, never `session` itself. Return the ids of
        the ended sessions."""
        ...

    async def by_id(self, session_id: UUID) -> Session | None: ...

    async def by_id_at(self, session_id: UUID, *, now: datetime) -> tuple[Session, datetime] | None:
        """The session, and the current time by the clock of the process that last refreshed it, because clocks of
        processes differ. Computed from the clock of the database; `now` if the difference is unknown."""
        ...

    async def resume(self, session_id: UUID, *, now: datetime, lifetimes: Lifetimes) -> tuple[Session, User] | None:
        """A browser session, possibly ended, and its user, both as stored at one moment after the call. Restarts the
        idle timeout of a live one, at most once in `TOUCH`. None if there is no such browser session."""
        ...

    async def alive(self, user_id: UUID, *, now: datetime) -> Sequence[Session]:
        """The user's live sessions, newest first."""
        ...

    async def has_session_in_network(self, login: str, network: str, *, now: datetime) -> bool:
        """Whether the user of that address or username has a live session that was opened from `network`, among the
        newest 50. Takes the same time for an unknown user."""
        ...

    async def page(self, user_id: UUID, *, limit: int, after: UUID | None) -> Sequence[Session]:
        """All stored sessions of the user, newest first, also ended ones. `after` is the id of the last session of
        the page before."""
        ...

    async def end(
        self, session_id: UUID, *, now: datetime, reason: EndReason, event: AuditEvent | None = None
    ) -> bool:
        """Return False if the session does not exist or had ended already."""
        ...

    async def end_all(self, user_id: UUID, *, now: datetime, reason: EndReason, keeping: UUID | None = None) -> int:
        """Lock the user, end all their sessions and return their number. The session `keeping` stays open."""
        ...

    async def revoke_access_tokens(self, user_id: UUID) -> int:
        """Revoke all access tokens of the user and return the number of sessions, which stay open. Lock or change the
        user first, to avoid a deadlock."""
        ...

    async def await_revocations(self, user_id: UUID) -> None:
        """After the commit, also wait for revocations of this user that are still being published."""
        ...


class Renewals(Protocol):
    """Refreshes sessions outside of units of work. Each refresh is committed by itself."""

    async def advance(
        self, session_id: UUID, *, generation: int, now: datetime, lifetimes: Lifetimes
    ) -> tuple[Session, User] | None:
        """Move a live session from `generation` to the next. Returns None if it is not live or not at `generation`.

        Concurrent calls for the same generation may all get the result. The user is as stored at some moment after
        the call."""
        ...

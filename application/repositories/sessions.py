"""Sessions as a collection. What ends in a work is in force once the work is left."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.event import Event
from domain.session import EndReason, Lifetimes, Session
from domain.user import User


class Sessions(Protocol):
    """Every ending, and every raised floor, is in force everywhere once the work that did it has been left. An event
    that is `noted` is added in the same step as what it tells of, and only if that is done."""

    async def open(self, session: Session, *, credential_version: int, noted: Event) -> User | None:
        """Open a session, for the user as they are then. None, and nothing done, where the user's credentials have
        changed or it is disabled. Other logins of this user wait until this work is done."""
        ...

    async def make_room(self, session: Session, *, most: int) -> Sequence[UUID]:
        """For a session that was opened in this work: end the oldest of its user's, so that no more than `most` are
        alive, itself among them. Tells those that were ended."""
        ...

    async def by_id(self, session_id: UUID) -> Session | None: ...

    async def by_id_at(self, session_id: UUID, *, now: datetime) -> tuple[Session, datetime] | None:
        """The session, and what time it is by the clock that wrote when it moved last: those of several processes
        differ, and the store's own tells by how much. `now` where that is unknown."""
        ...

    async def alive(self, user_id: UUID, *, now: datetime) -> Sequence[Session]:
        """The sessions of the user that are alive, newest first."""
        ...

    async def known_from(self, login: str, network: str, *, now: datetime) -> bool:
        """Whether the user of that address or username has a session that is alive and was opened in that network;
        only the newest fifty are checked. It takes the same time for an unknown user."""
        ...

    async def page(self, user_id: UUID, *, limit: int, after: UUID | None) -> Sequence[Session]:
        """Every session of the user that is still kept, newest first, also those that are over; `after` is the id of
        the last session seen."""
        ...

    async def end(
        self, session_id: UUID, *, now: datetime, reason: EndReason, noted: Event | None = None
    ) -> bool: ...

    async def end_all(self, user_id: UUID, *, now: datetime, reason: EndReason) -> int: ...

    async def outdate_all(self, user_id: UUID) -> int:
        """Access tokens made so far stop working; the sessions go on. Hold or change the user first: two such works
        at once would wait for one another."""
        ...

    async def settled(self, user_id: UUID) -> None:
        """Wait, when the work is left, for whatever others have just ended or raised of this user's."""
        ...


class Renewals(Protocol):
    """Sessions that move on outside of any unit of work: each move is done for good by itself."""

    async def advance(
        self, session_id: UUID, *, generation: int, now: datetime, lifetimes: Lifetimes
    ) -> tuple[Session, User] | None:
        """Move a session that is alive and stands at `generation` to the next; or None. Those who ask for the same
        move at the same moment may all be given it. The user is as they were at a moment after the call."""
        ...

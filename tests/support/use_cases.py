"""Helpers for tests of use cases."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from typing import TypeVar
from uuid import UUID

import anyio
import pytest

from adapters.memory.hasher import MemoryHasher
from adapters.no_rate_limiter import NoRateLimiter
from application.maintenance.purge_expired import FIRST_BATCH
from application.ports import PasswordMatch
from domain.audit import EventType
from domain.email_change import EmailChange
from domain.outbox import EmailLink, LinkPurpose, MailKind, OutboxMail
from domain.refusals import ErrorCode, Refusal
from domain.session import Session
from domain.tokens import TokenPair
from domain.user import User
from tests.support.world import PASSWORD, World

T = TypeVar("T")

ALICE = "alice@example.org"
BOB = "bob@example.org"


def refused(code: ErrorCode, *, field: str | None = None) -> pytest.RaisesExc[Refusal]:
    """`with refused(ErrorCode.X):` expects a refusal with that code and field."""
    return pytest.raises(Refusal, check=lambda no: (no.code, no.field) == (code, field))


async def error_code_of(attempt: Awaitable[object]) -> ErrorCode | None:
    """The code of the refusal; None if the attempt succeeds."""
    try:
        await attempt
    except Refusal as refusal:
        return refusal.code
    return None


async def run_concurrently(attempts: list[Callable[[], Awaitable[T]]]) -> list[T | Refusal]:
    """Run all of these concurrently, and return the result or the refusal of each."""
    outcomes: list[T | Refusal] = []

    async def run(attempt: Callable[[], Awaitable[T]]) -> None:
        try:
            outcomes.append(await attempt())
        except Refusal as refusal:
            outcomes.append(refusal)

    async with anyio.create_task_group() as group:
        for attempt in attempts:
            group.start_soon(run, attempt)
    return outcomes


_ids = (UUID(int=number) for number in count(1))


async def claim(world: World, email: str, password: str, *, username: str | None = None) -> User:
    """Register, and look at the claim that came of it. Of two claims the later one is the newer, however quick."""
    before = set(world.store.rows.users)
    register = replace(world.register, new_id=lambda: next(_ids), rate_limiter=NoRateLimiter())
    await register(email=email, password=password, username=username)
    (made,) = set(world.store.rows.users) - before
    return world.store.rows.users[made]


def link(world: World, user: User, purpose: LinkPurpose, *, at: datetime | None = None) -> str:
    """What a mail to that user, as it is now, would carry."""
    now = world.store.rows.users[user.id]
    version = now.recovery_version if purpose is LinkPurpose.RESET else now.credential_version
    issued_at = world.clock() if at is None else at
    return world.links.sign(EmailLink(purpose=purpose, subject=user.id, version=version, issued_at=issued_at))


async def request_email_change(world: World, user: User, new_email: str, password: str = PASSWORD) -> EmailChange:
    """Ask for another address in the user's name. Of two changes the later one is the newer, however quick."""
    address = world.store.rows.users[user.id].email
    ask = replace(world.change_email, new_id=lambda: next(_ids), rate_limiter=NoRateLimiter())
    before = set(world.store.rows.email_changes)
    await ask(await world.caller(address), new_email=new_email, password=password)
    (made,) = set(world.store.rows.email_changes) - before
    return world.store.rows.email_changes[made]


def change_link(world: World, change: EmailChange, purpose: LinkPurpose, *, at: datetime | None = None) -> str:
    """The token in a mail about that change."""
    issued_at = world.clock() if at is None else at
    return world.links.sign(EmailLink(purpose=purpose, subject=change.id, version=0, issued_at=issued_at))


async def reset_by_mail(world: World, email: str, password: str) -> None:
    """Use the reset link in the newest mail to that address."""
    token = await world.mailed_token(email)
    await world.reset_password(token=token, new_password=password, confirm_password=password)


async def purge(world: World) -> None:
    """Run one complete purge, as the worker does."""
    spot = FIRST_BATCH
    while True:
        _, following = await world.purge_expired(spot)
        if following is None:
            return
        spot = following


def queued_mails(world: World, kind: MailKind) -> list[OutboxMail]:
    return [mail for mail in world.store.rows.mails.values() if mail.kind is kind]


def actions_of(world: World, user: User) -> list[EventType]:
    """The actions of a user's events, oldest first."""
    return [event.action for event in world.store.rows.events.values() if event.user_id == user.id]


def session_of(world: World, pair: TokenPair) -> Session:
    return world.store.rows.sessions[pair.session_id]


async def token_errors(world: World, pair: TokenPair) -> tuple[ErrorCode | None, ErrorCode | None]:
    """The errors of the access token and the refresh token of a pair; None for a valid one."""
    return (
        await error_code_of(world.authenticate(pair.access_token)),
        await error_code_of(world.refresh(refresh_token=pair.refresh_token)),
    )


REVOKED = (ErrorCode.TOKEN_REVOKED, ErrorCode.SESSION_ENDED)


@dataclass
class InterruptedHasher(MemoryHasher):
    """Runs something once, right after the next password check."""

    by: Callable[[], Awaitable[object]] | None

    def __post_init__(self) -> None:
        super().__init__()

    async def verify(self, password: str, password_hash: str | None, *others: str) -> PasswordMatch:
        verdict = await super().verify(password, password_hash, *others)
        await self._interrupt()
        return verdict

    async def hash(self, password: str, *, like: str | None = None) -> str:
        made = await super().hash(password, like=like)
        await self._interrupt()
        return made

    async def _interrupt(self) -> None:
        by, self.by = self.by, None
        if by is not None:
            await by()

"""What moderators and admins do to others. The store's word about the actor counts, not the token's."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.audit import Audit
from application.ports import Clock, NewId
from application.store import Begin, Work
from domain.event import Action
from domain.mail import Kind, Mail
from domain.origin import NOWHERE, Origin
from domain.refusals import Code, Refusal, role_required, user_not_found
from domain.role import Role
from domain.session import EndReason
from domain.token import AccessToken
from domain.user import User


async def acting(work: Work, caller: AccessToken, target_id: UUID, *, role: Role) -> tuple[User, User]:
    """The actor and the target as they are now. Raises `role_required`, `not_found` or `forbidden`."""
    actor = await work.users.by_id(caller.user_id)
    if actor is None or actor.disabled or not actor.verified or not actor.role.includes(role):
        raise role_required(role)
    target = await work.users.by_id(target_id)
    if target is None:
        raise user_not_found()
    if not actor.may_touch(target):
        raise Refusal(Code.FORBIDDEN, "You can only manage users with a lower role than yours.")
    return actor, target


async def spare_last_admin(work: Work, target: User) -> None:
    """Raises `last_admin`. The caller has locked all admins, so two cannot remove one another at once."""
    if target.governs and list(await work.users.governors()) == [target.id]:
        raise Refusal(Code.LAST_ADMIN, "At least one active admin is required.")


async def remove_user(
    work: Work,
    user: User,
    *,
    now: datetime,
    new_id: NewId,
    until: datetime | None = None,
    origin: Origin = NOWHERE,
) -> None:
    """Remove a user with everything that could still speak for them, and tell their mailbox, if it was proven to be
    theirs. It can be undone `until` then. `origin` is where they did so themselves; that of an admin is not told.
    Raises `last_admin`. Hold the user and all admins first."""
    await spare_last_admin(work, user)
    await work.sessions.end_all(user.id, now=now, reason=EndReason.DELETED)
    await work.users.remove(user.id, now=now, until=until)
    if user.verified:
        kind, about = (Kind.ACCOUNT_DELETED, None) if until is None else (Kind.ACCOUNT_CLOSED, user.id)
        mail = Mail.owed(kind, user.email, id=new_id(), now=now, user_id=about, origin=origin)
        await work.mails.add(mail)


async def switch_user(work: Work, user: User, *, disabled: bool, now: datetime) -> User | None:
    """Disable a user, which ends every session, or enable one. Raises `last_admin`. Hold the user and all admins
    first."""
    if not disabled:
        return await work.users.set_disabled(user.id, False, now=now)
    await spare_last_admin(work, user)
    changed = await work.users.set_disabled(user.id, True, now=now)
    await work.sessions.end_all(user.id, now=now, reason=EndReason.DISABLED)
    return changed


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeUser:
    """Grant a role, disable or enable. An actor grants at most its own role."""

    begin: Begin
    audit: Audit
    clock: Clock

    async def __call__(
        self,
        caller: AccessToken,
        user_id: UUID,
        *,
        role: Role | None = None,
        disabled: bool | None = None,
        origin: Origin = NOWHERE,
    ) -> User:
        now = self.clock()
        async with self.begin() as work:
            await work.users.hold(user_id, governors=True)
            actor, target = await acting(work, caller, user_id, role=Role.ADMIN)
            if role is not None and not actor.role.includes(role):
                raise Refusal(Code.FORBIDDEN, "You cannot grant a role higher than your own.")
            # Asked for a second time, it may be done and yet not in force everywhere: this answer waits as well.
            await work.sessions.settled(user_id)
            changed: User | None = target
            acts: list[tuple[Action, str]] = []
            if disabled is not None and disabled != target.disabled:
                changed = await switch_user(work, target, disabled=disabled, now=now)
                acts.append((Action.DISABLED if disabled else Action.ENABLED, ""))
            if role is not None and role is not target.role:
                await spare_last_admin(work, target)
                changed = await work.users.set_role(user_id, role)
                await work.sessions.outdate_all(user_id)
                acts.append((Action.ROLE_CHANGED, f"from {target.role} to {role}"))
            for action, detail in acts:
                await self.audit.record(work, action, user_id, by=actor.id, origin=origin, detail=detail)
            if changed is None:
                raise user_not_found()
            return changed


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSessions:
    """End all sessions of a user with a lower role."""

    begin: Begin
    audit: Audit
    clock: Clock

    async def __call__(self, caller: AccessToken, user_id: UUID, *, origin: Origin = NOWHERE) -> None:
        now = self.clock()
        async with self.begin() as work:
            actor, _ = await acting(work, caller, user_id, role=Role.MODERATOR)
            await work.sessions.end_all(user_id, now=now, reason=EndReason.LOGOUT_ALL)
            await self.audit.record(work, Action.LOGGED_OUT_EVERYWHERE, user_id, by=actor.id, origin=origin)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteUser:
    """Delete a user with a lower role, or oneself."""

    begin: Begin
    audit: Audit
    clock: Clock
    new_id: NewId

    async def __call__(self, caller: AccessToken, user_id: UUID, *, origin: Origin = NOWHERE) -> None:
        now = self.clock()
        async with self.begin() as work:
            await work.users.hold(user_id, governors=True)
            actor, target = await acting(work, caller, user_id, role=Role.ADMIN)
            await remove_user(work, target, now=now, new_id=self.new_id)
            await self.audit.record(work, Action.DELETED, user_id, by=actor.id, origin=origin)

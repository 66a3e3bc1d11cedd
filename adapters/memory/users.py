"""Users in a dictionary."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from anyio.lowlevel import checkpoint

from adapters.memory.deleted_users import remove, restore
from adapters.memory.rows import Rows
from adapters.memory.sessions import MemorySessions
from adapters.memory.user_search import search
from application.repositories import PageCursor, UserHit, Users, Verification
from domain.deletion import Deletion
from domain.role import Role
from domain.session import EndReason
from domain.user import User, is_contested


class MemoryUsers(Users):
    def __init__(self, rows: Rows, sessions: MemorySessions) -> None:
        self._rows = rows
        self._sessions = sessions

    async def add(self, user: User) -> None:
        await checkpoint()
        self._rows.users[user.id] = user

    async def by_id(self, user_id: UUID) -> User | None:
        await checkpoint()
        return self._rows.users.get(user_id)

    async def by_email(self, email: str) -> User | None:
        return await self._holder(lambda user: user.email == email)

    async def by_emails(self, emails: Collection[str]) -> Mapping[str, User]:
        users = [await self.by_email(email) for email in emails]
        return {user.email: user for user in users if user is not None}

    async def count_unverified(self, email: str) -> int:
        await checkpoint()
        return sum(user.email == email and not user.verified for user in self._rows.users.values())

    async def unverified_hash(self, email: str, username: str | None, *, alone: bool = False) -> str | None:
        await checkpoint()
        for fits in (lambda user: user.email == email, lambda user: _is_named(user, username)):
            rivals = [user for user in self._rows.users.values() if not user.verified and fits(user)]
            if rivals:
                return min(rivals, key=lambda user: user.id).password_hash
        return None

    async def by_username(self, username: str) -> User | None:
        return await self._holder(
            lambda user: user.username is not None and user.username.lower() == username.lower()
        )

    async def verify_email(self, user_id: UUID, *, credential_version: int, now: datetime) -> Verification | None:
        await checkpoint()
        user = self._rows.users.get(user_id)
        if user is None or user.credential_version != credential_version:
            return None
        if user.verified:
            return Verification(user, first_time=False)
        rivals = (other for other in self._rows.users.values() if other.email == user.email)
        contested = is_contested(list(rivals))
        made = await self._settle(user.mark_verified(), list(self._rows.users.values()), now=now)
        return None if made is None else Verification(made, first_time=True, contested=contested)

    async def lock(self, user_id: UUID, *, email: str | None = None, with_admins: bool = False) -> Sequence[User]:
        await checkpoint()
        locked = [user for user in self._rows.users.values() if user.id == user_id or user.email == email]
        if with_admins or any(user.is_active_admin and user.email == email for user in locked):
            locked += [user for user in self._rows.users.values() if user.is_active_admin and user not in locked]
        return sorted(locked, key=lambda user: user.id)

    async def change_email(self, user_id: UUID, email: str, *, over: Collection[User], now: datetime) -> User | None:
        user = await self.by_id(user_id)
        return None if user is None else await self._settle(user.with_email(email), over, now=now)

    async def evict_from_email(self, user_id: UUID, *, to: str) -> User | None:
        user = await self.by_id(user_id)
        return None if user is None else self._keep(user.evicted_from_email(to))

    async def replace_password(
        self, user_id: UUID, password_hash: str, *, credential_version: int, recovered: bool = False
    ) -> User | None:
        user = await self.by_id(user_id)
        if user is None or user.credential_version != credential_version:
            return None
        return self._keep(user.recovered(password_hash) if recovered else user.with_password(password_hash))

    async def record_reset_links(self, issued: Mapping[UUID, datetime]) -> None:
        await checkpoint()
        for user_id, at in issued.items():
            if (user := self._rows.users.get(user_id)) is not None:
                newest = at if user.reset_link_at is None else max(at, user.reset_link_at)
                self._keep(replace(user, reset_link_at=newest))

    async def rehash(self, user_id: UUID, *, old: str, new: str) -> None:
        user = await self.by_id(user_id)
        if user is not None and user.password_hash == old:
            self._keep(replace(user, password_hash=new))

    async def active_admin_ids(self) -> Sequence[UUID]:
        await checkpoint()
        return sorted(user.id for user in self._rows.users.values() if user.is_active_admin)

    async def set_role(self, user_id: UUID, role: Role) -> User | None:
        user = await self.by_id(user_id)
        return None if user is None else self._keep(replace(user.without_reset_links(), role=role))

    async def set_disabled(self, user_id: UUID, disabled: bool, *, now: datetime) -> User | None:
        user = await self.by_id(user_id)
        if user is None:
            return None
        return self._keep(replace(user.without_reset_links() if disabled else user, disabled=disabled))

    async def remove(self, user_id: UUID, *, now: datetime, until: datetime | None = None) -> bool:
        await checkpoint()
        return remove(self._rows, user_id, now=now, until=until)

    async def deletion(self, user_id: UUID) -> Deletion | None:
        await checkpoint()
        entry = self._rows.deletions.get(user_id)
        return None if entry is None else entry[0]

    async def undoable_deletion(self, email: str, *, now: datetime) -> Deletion | None:
        await checkpoint()
        candidates = [it for it, _ in self._rows.deletions.values() if it.email == email and it.can_be_undone(now)]
        return max(candidates, key=lambda it: it.deleted_at, default=None)

    async def restore(self, user_id: UUID, *, email: str, now: datetime) -> User | None:
        await checkpoint()
        return restore(self._rows, user_id, email=email, now=now)

    async def rename(self, user_id: UUID, username: str | None) -> User | None:
        user = await self.by_id(user_id)
        namesake = None if username is None else await self.by_username(username)
        rival = namesake is not None and namesake.verified and namesake.id != user_id
        if user is None or (rival and user.verified):
            return None
        return self._keep(replace(user, username=username))

    async def set_locale(self, user_id: UUID, locale: str | None) -> User | None:
        user = await self.by_id(user_id)
        return None if user is None else self._keep(replace(user, locale=locale))

    async def owners_of(self, emails: Collection[str]) -> Mapping[str, User]:
        await checkpoint()
        owners = [user for user in self._rows.users.values() if user.email in emails and user.owns_email]
        return {user.email: user for user in sorted(owners, key=lambda user: (user.verified, user.id))}

    async def previously_imported(self, emails: Collection[str]) -> Collection[str]:
        await checkpoint()
        return set(emails) & set(self._rows.import_digests.values())

    async def bulk_insert(self, imported: Sequence[User], *, now: datetime) -> Sequence[User]:
        emails = {user.email for user in imported}
        owners, before = await self.owners_of(emails), await self.previously_imported(emails)
        inserted = []
        for user in imported:
            owner = owners.get(user.email)
            if user.email in before if owner is None else owner.verified or not user.verified:
                continue
            namesake = await self.by_username(user.username) if user.username else None
            is_taken = namesake is not None and namesake.verified
            if user.verified:
                rivals = [rival for rival in self._rows.users.values() if rival.email == user.email]
                await self._supersede(rivals, now=now)
            inserted.append(self._keep(replace(user, username=None if is_taken else user.username)))
            self._rows.import_digests[user.id] = user.email
        return inserted

    async def page(self, *, query: str, role: Role | None, limit: int, after: PageCursor | None) -> Sequence[UserHit]:
        await checkpoint()
        return search(self._rows.users.values(), query=query, role=role, limit=limit, after=after)

    async def _settle(self, user: User, over: Collection[User], *, now: datetime) -> User | None:
        """Save the user as verified; None if another user has verified the address."""
        rivals = [other for other in self._rows.users.values() if other.email == user.email and other.id != user.id]
        if any(rival.verified for rival in rivals):
            return None
        await self._supersede([rival for rival in rivals if rival in over], now=now)
        namesake = await self.by_username(user.username) if user.username else None
        is_taken = namesake is not None and namesake.verified and namesake.id != user.id
        return self._keep(replace(user, username=None if is_taken else user.username))

    async def _supersede(self, rivals: Sequence[User], *, now: datetime) -> None:
        for rival in rivals:
            if not any(change.is_pending_at(rival) for change in self._rows.email_changes.values()):
                await self._sessions.end_all(rival.id, now=now, reason=EndReason.SUPERSEDED)
                await self.remove(rival.id, now=now)

    async def _holder(self, fits: Callable[[User], bool]) -> User | None:
        await checkpoint()
        return max(filter(fits, self._rows.users.values()), key=lambda user: (user.verified, user.id), default=None)

    def _keep(self, user: User) -> User:
        self._rows.users[user.id] = user
        return user


def _is_named(user: User, username: str | None) -> bool:
    return None not in (user.username, username) and str(user.username).lower() == str(username).lower()

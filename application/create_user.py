"""For the operator, who needs nobody's leave: make a user, or give one a role."""

from dataclasses import dataclass

from application.administer import spare_last_admin
from application.ports import Begin, Clock, Hasher, NewId
from domain.address import normal_email, normal_username
from domain.mail import Kind, Mail
from domain.password import PasswordPolicy
from domain.refusals import Code, Refusal
from domain.role import Role
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateUser:
    begin: Begin
    hasher: Hasher
    policy: PasswordPolicy
    clock: Clock
    new_id: NewId

    async def __call__(
        self,
        *,
        email: str,
        role: Role,
        verified: bool,
        password: str | None = None,
        password_hash: str | None = None,
        username: str | None = None,
    ) -> User | None:
        """None where a verified user already has the address or the username. A hash is taken as it is."""
        address = normal_email(email)
        name = None if username is None else normal_username(username)
        if password_hash is None:
            secret = self.policy.accept(password or "", email=address, username=name)
            password_hash = await self.hasher.hash(secret)
        now = self.clock()
        user = User(
            id=self.new_id(),
            email=address,
            username=name,
            password_hash=password_hash,
            role=role,
            verified=verified,
            created_at=now,
        )
        async with self.begin() as work:
            holders = [await work.users.by_email(address)]
            if name is not None:
                holders.append(await work.users.by_username(name))
            if any(holder is not None and holder.verified for holder in holders) or not await work.users.add(user):
                return None
            if not verified:
                await work.mails.add(
                    Mail(
                        id=self.new_id(),
                        kind=Kind.VERIFY,
                        recipient=address,
                        user_id=user.id,
                        created_at=now,
                        due_at=now,
                    )
                )
        return user


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRole:
    begin: Begin
    clock: Clock

    async def __call__(self, *, email: str, role: Role) -> User:
        address = normal_email(email)
        async with self.begin() as work:
            await work.users.governors()
            user = await work.users.by_email(address)
            if user is None:
                raise Refusal(Code.NOT_FOUND, "There is no such user.")
            if user.role is role:
                return user
            await spare_last_admin(work, user)
            changed = await work.users.set_role(user.id, role)
            await work.sessions.outdate_all(user.id, now=self.clock())
            if changed is None:
                raise Refusal(Code.NOT_FOUND, "There is no such user.")
            return changed

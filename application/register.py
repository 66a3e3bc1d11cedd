"""Registering is a claim to an address. A known address is answered like an unknown one, after the same hashing."""

from dataclasses import dataclass

from application.ports import Begin, Clock, Hasher, NewId
from domain.address import normal_email, normal_username
from domain.mail import Kind, Mail
from domain.password import PasswordPolicy
from domain.refusals import Code, Refusal
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    begin: Begin
    hasher: Hasher
    policy: PasswordPolicy
    clock: Clock
    new_id: NewId

    async def __call__(self, *, email: str, password: str, username: str | None = None) -> None:
        address = normal_email(email)
        name = None if username is None else normal_username(username)
        secret = self.policy.accept(password, email=address, username=name)
        password_hash = await self.hasher.hash(secret)
        now = self.clock()
        claim = User(id=self.new_id(), email=address, username=name, password_hash=password_hash, created_at=now)
        async with self.begin() as work:
            namesake = None if name is None else await work.users.by_username(name)
            if namesake is not None and namesake.verified:
                raise Refusal(Code.USERNAME_TAKEN, "Somebody else has this username.", field="username")
            holder = await work.users.by_email(address)
            known = holder is not None and holder.verified
            if not known:
                await work.users.add(claim)
            kind, subject = (Kind.ALREADY_REGISTERED, None) if known else (Kind.VERIFY, claim.id)
            await work.mails.add(Mail.owed(kind, address, id=self.new_id(), now=now, user_id=subject))

"""Registering is a claim to an address. A known address is answered like an unknown one, after the same hashing."""

from dataclasses import dataclass, replace

from application.ports import Clock, Hasher, Limits, NewId
from application.store import Begin
from domain.address import chosen_username, normal_email
from domain.event import Action, Event
from domain.limits import Bucket, Limit, mail_buckets
from domain.mail import Kind, Mail
from domain.origin import NOWHERE, Origin
from domain.password import PasswordPolicy
from domain.refusals import Code, Refusal
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    begin: Begin
    hasher: Hasher
    limits: Limits
    policy: PasswordPolicy
    clock: Clock
    new_id: NewId

    async def __call__(
        self, *, email: str, password: str, username: str | None = None, origin: Origin = NOWHERE
    ) -> None:
        address = normal_email(email)
        name = None if username is None else chosen_username(username, product=self.policy.product)
        secret = self.policy.accept(password, email=address, username=name)
        mails = mail_buckets("register", address, origin)
        receipt = await self.limits.spend(Bucket(Limit.REGISTER, (origin.network,)), *mails)
        try:
            password_hash = await self.hasher.hash(secret)
        except Refusal:
            await self.limits.refund(receipt)  # it cost nothing
            raise
        try:
            await self._claim(address, name, password_hash, origin)
        except Refusal:
            await self.limits.refund(replace(receipt, buckets=mails))  # none was owed
            raise

    async def _claim(self, address: str, name: str | None, password_hash: str, origin: Origin) -> None:
        now = self.clock()
        claim = User(id=self.new_id(), email=address, username=name, password_hash=password_hash, created_at=now)
        async with self.begin() as work:
            namesake = None if name is None else await work.users.by_username(name)
            if namesake is not None and namesake.verified:
                raise Refusal(Code.USERNAME_TAKEN, "Somebody else has this username.", field="username")
            holder = await work.users.by_email(address)
            if holder is not None and holder.verified:
                kind, subject, action, about = Kind.ALREADY_REGISTERED, None, Action.REGISTERED_AGAIN, holder.id
            else:
                kind, subject, action, about = Kind.VERIFY, claim.id, Action.REGISTERED, claim.id
                await work.users.add(claim)
            await work.mails.add(Mail.owed(kind, address, id=self.new_id(), now=now, user_id=subject, origin=origin))
            await work.events.add(Event.of(action, about, id=self.new_id(), now=now, origin=origin))

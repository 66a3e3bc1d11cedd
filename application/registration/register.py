"""Register an unverified user. A known address gets the same response, after the same time."""

from dataclasses import dataclass, replace

from application.audit import Audit
from application.mail.mail_queue import MailQueue
from application.ports import Clock, Hasher, NewId, NewSecret, RateLimiter, Reservation
from application.repositories import UnitOfWork, UnitOfWorkFactory
from domain.audit import EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.email import normalize_email
from domain.invitation import RegistrationMode
from domain.outbox import MailKind
from domain.password import PasswordPolicy
from domain.rate_limit_buckets import mail_buckets, mail_network_buckets, registration_reserve
from domain.rate_limits import Bucket, Limit
from domain.refusals import ErrorCode, InputErrors, Refusal, earliest_retry, username_taken
from domain.user import User
from domain.username import accept_username


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    begin: UnitOfWorkFactory
    hasher: Hasher
    rate_limiter: RateLimiter
    policy: PasswordPolicy
    registration: RegistrationMode
    audit: Audit
    mail: MailQueue
    clock: Clock
    new_id: NewId
    new_secret: NewSecret

    async def __call__(
        self, *, email: str, password: str, username: str | None = None, client_info: ClientInfo = UNKNOWN_CLIENT
    ) -> None:
        """Raises `registration_closed`, `email_invalid`, `username_invalid`, `username_taken`, `password_weak` or
        `rate_limited`."""
        self.registration.require_registration()
        name, secret, errors = username, password, InputErrors()
        with errors:
            email = normalize_email(email)
        with errors:
            name = None if username is None else accept_username(username, product=self.policy.product)
        with errors:
            secret = self.policy.accept(password, email=email, username=name)
        errors.check()
        network = Bucket(Limit.REGISTER, (client_info.network,))
        reservation, reserved = await self._acquire(network, email, client_info)
        if reserved:
            # Others are requesting mails to this address, and perhaps the owner's registration was refused for that.
            # So no request's password counts: the owner of the mailbox gets a reset link and chooses one.
            secret = self.new_secret()
        kind = MailKind.RESET if reserved else MailKind.VERIFY
        try:
            await self._register(email, name, secret, client_info, kind)
        except Refusal as refusal:
            # No mail was queued, so its buckets are refunded, and the registration too if no password was hashed.
            costs_nothing = refusal.code is ErrorCode.OVERLOADED
            await self.rate_limiter.cancel(
                reservation if costs_nothing else replace(reservation, buckets=reservation.buckets[1:])
            )
            raise

    async def _acquire(self, network: Bucket, email: str, client_info: ClientInfo) -> tuple[Reservation, bool]:
        """The second value is whether the reserve was used."""
        try:
            return await self.rate_limiter.acquire(network, *mail_buckets("register", email, client_info)), False
        except Refusal as refusal:
            reserve = registration_reserve(email)
            if refusal.reason != Limit.MAIL_DAY or not reserve:
                raise
            own = mail_network_buckets("register", email, client_info)
            try:
                return await self.rate_limiter.acquire(network, *own, *reserve), True
            except Refusal as other:
                raise earliest_retry(refusal, other) from None

    async def _register(
        self, email: str, name: str | None, secret: str, client_info: ClientInfo, kind: MailKind
    ) -> None:
        """Hash with the salt of another unverified user of the address or name, so that a login compares all of them
        with one hash."""
        async with self.begin() as work:
            salt_source = await work.users.unverified_hash(email, name)
        for last_attempt in (False, True):
            password_hash = await self.hasher.hash(secret, like=salt_source)
            async with self.begin() as work:
                current_salt_source = await work.users.unverified_hash(email, name, alone=True)
                if current_salt_source == salt_source or last_attempt:
                    await self._add(work, email, name, password_hash, client_info, kind)
                    return
            salt_source = current_salt_source  # another request has registered the address meanwhile

    async def _add(
        self,
        work: UnitOfWork,
        email: str,
        name: str | None,
        password_hash: str,
        client_info: ClientInfo,
        kind: MailKind,
    ) -> None:
        now = self.clock()
        user = User.registered(
            id=self.new_id(),
            email=email,
            username=name,
            password_hash=password_hash,
            locale=client_info.language or None,
            now=now,
        )
        name_owner = None if name is None else await work.users.by_username(name)
        if name_owner is not None and name_owner.verified:
            raise username_taken()
        email_owner = await work.users.by_email(email)
        if email_owner is not None and email_owner.verified:
            await self.mail.queue(work, MailKind.ALREADY_REGISTERED, email, client_info=client_info)
            await self.audit.record(work, EventType.REGISTERED_AGAIN, email_owner.id, client_info=client_info)
        else:
            await work.users.add(user)
            await self.mail.queue(work, kind, email, user_id=user.id, client_info=client_info)
            await self.audit.record(work, EventType.REGISTERED, user.id, client_info=client_info)

"""For operators: create a user."""

from dataclasses import dataclass

from application.audit import Audit
from application.mail.mail_queue import MailQueue
from application.ports import Clock, Hasher, NewId
from application.repositories import UnitOfWorkFactory
from domain.audit import EventType
from domain.email import normalize_email
from domain.outbox import MailKind
from domain.password import PasswordPolicy, require_typable
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from domain.user import User
from domain.username import normalize_username


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateUser:
    begin: UnitOfWorkFactory
    hasher: Hasher
    policy: PasswordPolicy
    audit: Audit
    mail: MailQueue
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
        """Return the user, or None if a verified user has the address or the username. Either `password` or
        `password_hash` is required; the hash is stored unchanged. Raises `email_invalid`, `username_invalid`,
        `password_weak`, or `forbidden` if another user verifies the address at the same moment.
        """
        email = normalize_email(email)
        name = None if username is None else normalize_username(username)
        if password_hash is None:
            require_typable(password or "")
            secret = self.policy.accept(password or "", email=email, username=name)
            password_hash = await self.hasher.hash(secret)
        now = self.clock()
        user = User.created_by_operator(
            id=self.new_id(), email=email, username=name, password_hash=password_hash, role=role, now=now
        )
        async with self.begin() as work:
            name_owner = None if name is None else await work.users.by_username(name)
            email_owner = await work.users.by_email(email)
            if any(other is not None and other.verified for other in (name_owner, email_owner)):
                return None
            await work.users.add(user)
            detail = f"as {role}, verified" if verified else f"as {role}"
            await self.audit.record(work, EventType.CREATED, user.id, detail=detail)
            if verified:
                verification = await work.users.verify_email(
                    user.id, credential_version=user.credential_version, now=now
                )
                if verification is None:
                    raise Refusal(
                        ErrorCode.FORBIDDEN,
                        "Another user has just verified this address. Find them with `users find`.",
                    )
                return verification.user
            await self.mail.queue(work, MailKind.VERIFY, email, user_id=user.id)
        return user

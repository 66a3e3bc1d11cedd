"""For operators: list a user's factors, re-encrypt TOTP secrets, and open the enrolment after an upgrade."""

from collections.abc import Sequence
from dataclasses import dataclass

from application.administration.operator_lookup import named_user
from application.factors.ports import SecretBox, totp_context
from application.repositories import UnitOfWorkFactory
from domain.factor import Factor, RecoveryCodeCount
from domain.user import User

BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorListFactors:
    begin: UnitOfWorkFactory

    async def __call__(self, *, who: str) -> tuple[User, Sequence[Factor], RecoveryCodeCount | None]:
        """Raises `email_invalid`, `username_invalid` or `not_found`."""
        async with self.begin() as work:
            user = await named_user(work, who)
            return user, await work.factors.by_user(user.id), await work.factors.recovery_codes(user.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReencryptSecrets:
    """Encrypts every TOTP secret with the newest key. Can be repeated, also while users log in."""

    begin: UnitOfWorkFactory
    secret_box: SecretBox

    async def __call__(self) -> tuple[int, Sequence[Factor]]:
        """Return the number of changed secrets, and the factors whose key is missing."""
        changed, lost, after = 0, list[Factor](), None
        while True:
            async with self.begin() as work:
                page = await work.factors.with_secrets(after=after, limit=BATCH)
                for factor in page:
                    if factor.totp is None or self.secret_box.is_current(factor.totp.encrypted_secret):
                        continue
                    context, old = totp_context(factor.user_id, factor.id), factor.totp.encrypted_secret
                    secret = self.secret_box.decrypt(old, context=context)
                    if secret is None:
                        lost.append(factor)
                    else:
                        new = self.secret_box.encrypt(secret, context=context)
                        changed += await work.factors.replace_secret(factor.id, old=old, new=new)
            if len(page) < BATCH:
                return changed, lost
            after = page[-1].id


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEnrolment:
    begin: UnitOfWorkFactory

    async def __call__(self) -> bool:
        """Return False if it was open before."""
        async with self.begin() as work:
            return await work.factors.open_enrolment()

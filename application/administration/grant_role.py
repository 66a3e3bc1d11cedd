"""For operators: set the role of a user."""

from dataclasses import dataclass

from application.administration.manage_user import ManageUser
from application.administration.operator_lookup import locked_user
from application.repositories import UnitOfWorkFactory
from domain.email import normalize_email
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRole:
    begin: UnitOfWorkFactory
    manage: ManageUser

    async def __call__(self, *, email: str, role: Role) -> User:
        """Raises `email_invalid`, `not_found`, `not_verified` or `last_admin`."""
        email = normalize_email(email)
        async with self.begin() as work:
            user = await locked_user(work, email)
            if not user.verified:
                raise Refusal(
                    ErrorCode.NOT_VERIFIED,
                    "This address is not verified, so anyone may have registered it. Let its owner follow the link in"
                    " the mail first, or create the user with `users create --verified`, which deletes the unverified"
                    " users of the address.",
                )
            await work.sessions.await_revocations(user.id)
            return user if user.role is role else await self.manage.set_role(work, user, role)

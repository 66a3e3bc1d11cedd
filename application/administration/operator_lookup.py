"""Find the user that an operator names on the command line."""

from uuid import UUID

from application.repositories import UnitOfWork
from domain.email import normalize_email
from domain.refusals import ErrorCode, Refusal, user_not_found
from domain.user import User
from domain.username import normalize_username


def user_id_in(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


async def named_user(work: UnitOfWork, who: str) -> User:
    """Find a user by id, e-mail address or username. Raises `email_invalid`, `username_invalid` or
    `not_found`."""
    user_id = user_id_in(who)
    if user_id is not None:
        user = await work.users.by_id(user_id)
    elif "@" in who:
        user = await work.users.by_email(normalize_email(who))
    else:
        user = await work.users.by_username(normalize_username(who))
    if user is None:
        raise user_not_found()
    return user


async def locked_user(work: UnitOfWork, who: str) -> User:
    """Find a user like `named_user`, and lock the user and all admins."""
    named = await named_user(work, who)
    locked = await work.users.lock(named.id, with_admins=True)
    user = next((one for one in locked if one.id == named.id), None)
    if user is None:
        raise user_not_found()
    return user


async def locked_unambiguous_user(work: UnitOfWork, who: str) -> User:
    """Like `locked_user`. Raises `not_verified` if several unverified users have the address and `who` is no id."""
    user = await locked_user(work, who)
    if not user.verified and user_id_in(who) is None and await work.users.count_unverified(user.email) > 1:
        raise Refusal(
            ErrorCode.NOT_VERIFIED,
            "Several unverified users share this address. Name one of them by its id; `users find` lists the ids.",
        )
    return user

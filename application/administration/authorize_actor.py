"""Check that a moderator or admin may manage a user. Their role is read from the database, not from the token."""

from uuid import UUID

from application.repositories import UnitOfWork
from domain.refusals import ErrorCode, Refusal, role_required, user_not_found
from domain.role import Role
from domain.tokens import AccessToken
from domain.user import User


async def authorize_actor(work: UnitOfWork, caller: AccessToken, target_id: UUID, *, role: Role) -> tuple[User, User]:
    """Return the actor and the target as stored. Raises `role_required`, `not_found` or `forbidden`."""
    actor = await work.users.by_id(caller.user_id)
    if actor is None or actor.disabled or not actor.verified or not actor.role.includes(role):
        raise role_required(role)
    target = await work.users.by_id(target_id)
    if target is None:
        raise user_not_found()
    if not actor.can_manage(target):
        raise Refusal(ErrorCode.FORBIDDEN, "You can only manage users with a lower role than yours.")
    return actor, target

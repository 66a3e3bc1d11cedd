"""Search for users by the beginning of their address or username."""

from collections.abc import Iterable, Sequence

from application.repositories import BY_EMAIL, BY_USERNAME, Found, Place
from domain.role import Role
from domain.user import User


def search(
    users: Iterable[User], *, query: str, role: Role | None, limit: int, after: Place | None
) -> Sequence[Found]:
    found = [
        Found(user, key) for user in users if role in (None, user.role) and (key := _key(user, query)) is not None
    ]
    found.sort(key=lambda it: (it.key, it.user.id))
    return [it for it in found if after is None or (it.key, it.user.id) > (after.key, after.id)][:limit]


def _key(user: User, query: str) -> str | None:
    if not query:
        return ""
    if user.email.startswith(query):
        return BY_EMAIL + user.email
    name = (user.username or "").lower()
    return BY_USERNAME + name if name.startswith(query) else None

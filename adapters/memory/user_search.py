"""Search for users by the beginning of their address or username."""

from collections.abc import Iterable, Sequence

from application.repositories import EMAIL_KEY, USERNAME_KEY, PageCursor, UserHit
from domain.role import Role
from domain.user import User


def search(
    users: Iterable[User], *, query: str, role: Role | None, limit: int, after: PageCursor | None
) -> Sequence[UserHit]:
    hits = [
        UserHit(user, key) for user in users if role in (None, user.role) and (key := _key(user, query)) is not None
    ]
    hits.sort(key=lambda hit: (hit.key, hit.user.id))
    return [hit for hit in hits if after is None or (hit.key, hit.user.id) > (after.key, after.id)][:limit]


def _key(user: User, query: str) -> str | None:
    if not query:
        return ""
    if user.email.startswith(query):
        return EMAIL_KEY + user.email
    name = (user.username or "").lower()
    return USERNAME_KEY + name if name.startswith(query) else None

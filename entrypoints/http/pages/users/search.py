"""Find users."""

from typing import Any

from litestar import Response
from litestar.di import NamedDependency

from application.administration.list_users import ListUsers
from domain.role import Role
from entrypoints.http.cursors import cursor_of, place_of
from entrypoints.http.endpoint import show
from entrypoints.http.guard import signed_in
from entrypoints.http.pages.users.shown import ON_A_PAGE, parameter, role_of, users_page
from entrypoints.http.request import AnyRequest


@show("/users", policy=signed_in(role=Role.MODERATOR, query={"query", "role", "cursor", "done"}))
async def search(request: AnyRequest, list_users: NamedDependency[ListUsers]) -> Response[Any]:
    query, role = parameter(request, "query", longest=254), parameter(request, "role")
    cursor = parameter(request, "cursor")
    found, following = await list_users(
        query=query,
        role=role_of(role) if role else None,
        limit=ON_A_PAGE,
        after=place_of(cursor, query) if cursor else None,
    )
    return users_page(
        request,
        "users.html",
        tab="users",
        users=found,
        query=query,
        role=role,
        cursor=cursor,
        following="" if following is None else cursor_of(following),
    )


handlers = [search]

"""The caller's own account."""

from typing import Any

from litestar import Request, delete, get, patch
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Struct

from application.delete_me import DeleteMe
from application.rename_me import RenameMe
from application.show_me import ShowMe
from domain.origin import Origin
from domain.token import AccessToken
from entrypoints.http.guard import signed_in, the_caller
from entrypoints.http.problems import refusals
from entrypoints.http.shapes import UserShape


class RenameBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Null gives the username up."""

    username: str | None


class PasswordBody(Struct, frozen=True, forbid_unknown_fields=True):
    password: str


@get("/me", guards=signed_in(), responses=refusals("token_missing", "token_invalid", "token_revoked"))
async def me(request: Request[Any, Any, Any], show_me: NamedDependency[ShowMe]) -> UserShape:
    """Who is calling."""
    # Asked for often, so it has one dependency: the framework makes a task of each where there are more.
    return UserShape.of(await show_me(await the_caller(request)))


@patch(
    "/me",
    guards=signed_in(),
    responses=refusals("token_missing", "token_revoked", "username_invalid", "username_taken"),
)
async def rename(
    data: JSONBody[RenameBody],
    caller: NamedDependency[AccessToken],
    origin: NamedDependency[Origin],
    rename_me: NamedDependency[RenameMe],
) -> UserShape:
    """Take another username, or with null give it up."""
    return UserShape.of(await rename_me(caller, username=data.username, origin=origin))


@delete(
    "/me",
    guards=signed_in(),
    responses=refusals(
        "token_missing", "token_revoked", "invalid_credentials", "last_admin", "rate_limited", "overloaded"
    ),
)
async def remove(
    data: JSONBody[PasswordBody],
    caller: NamedDependency[AccessToken],
    origin: NamedDependency[Origin],
    delete_me: NamedDependency[DeleteMe],
) -> None:
    """Delete the account, by its password, with its sessions and links. Nothing of it comes back."""
    await delete_me(caller, password=data.password, origin=origin)


handlers = [me, rename, remove]

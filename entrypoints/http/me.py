"""The caller's own account."""

import msgspec
from litestar import delete, get, patch
from litestar.di import NamedDependency
from litestar.params import JSONBody
from litestar.types import HTTPScope
from msgspec import Struct

from application.authenticate import Authenticate
from application.delete_me import DeleteMe
from application.rename_me import RenameMe
from application.show_me import ShowMe
from domain.limits import Limit
from entrypoints.http.fields import Password, Username
from entrypoints.http.guard import bearer, signed_in
from entrypoints.http.problems import refusals
from entrypoints.http.reading import AnyRequest, caller_of, origin_of
from entrypoints.http.shapes import UserShape
from entrypoints.http.shortcut import Headers, Way

PATH = "/v1/me"


class RenameBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Null gives the username up."""

    username: Username | None


class PasswordBody(Struct, frozen=True, forbid_unknown_fields=True):
    password: Password


@get(
    "/me",
    operation_id="getMe",
    summary="Get your account",
    tags=["Account"],
    guards=signed_in(),
    responses=refusals("token_missing", "token_invalid", "token_revoked"),
)
async def me(request: AnyRequest, show_me: NamedDependency[ShowMe]) -> UserShape:
    """The account of the caller."""
    return UserShape.of(await show_me(caller_of(request)))


def way(authenticate: Authenticate, show_me: ShowMe) -> Way:
    """The same without the framework."""

    async def answer(scope: HTTPScope, _: bytes) -> tuple[Headers, bytes]:
        user = await show_me(await authenticate(bearer(scope)))
        return [(b"content-type", b"application/json")], msgspec.json.encode(UserShape.of(user))

    return Way(answer)


@patch(
    "/me",
    operation_id="updateMe",
    summary="Change your username",
    tags=["Account"],
    guards=signed_in(budget=Limit.RENAME),
    responses=refusals("token_missing", "token_revoked", "username_invalid", "username_taken"),
)
async def rename(data: JSONBody[RenameBody], request: AnyRequest, rename_me: NamedDependency[RenameMe]) -> UserShape:
    """Change the username, or remove it with null."""
    return UserShape.of(await rename_me(caller_of(request), username=data.username, origin=origin_of(request)))


@delete(
    "/me",
    operation_id="deleteMe",
    summary="Delete your account",
    tags=["Account"],
    guards=signed_in(budget=Limit.DELETION),
    responses=refusals(
        "token_missing", "token_revoked", "invalid_credentials", "last_admin", "rate_limited", "overloaded"
    ),
)
async def remove(data: JSONBody[PasswordBody], request: AnyRequest, delete_me: NamedDependency[DeleteMe]) -> None:
    """Delete the account with its sessions and links; requires the password. The owner of a verified mailbox can undo
    it for seven days by a link in the notice."""
    await delete_me(caller_of(request), password=data.password, origin=origin_of(request))


handlers = [me, rename, remove]

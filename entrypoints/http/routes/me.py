"""The caller's own account."""

import msgspec
from litestar.di import NamedDependency
from litestar.params import JSONBody
from litestar.types import HTTPScope
from msgspec import Struct

from application.profile.change_username import ChangeUsername
from application.profile.delete_me import DeleteMe
from application.profile.show_me import ShowMe
from domain.rate_limits import Limit
from domain.tokens import AccessToken
from entrypoints.http.endpoint import Headers, delete, described_only, get, patch
from entrypoints.http.fields import Password, Username
from entrypoints.http.guard import Fresh, authenticated
from entrypoints.http.request import AnyRequest, caller_of, client_info_of
from entrypoints.http.schemas import UserResponse


class RenameBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Null removes the username."""

    username: Username | None


class PasswordBody(Struct, frozen=True, forbid_unknown_fields=True):
    password: Password


async def _show_me(scope: HTTPScope, caller: AccessToken) -> tuple[Headers, bytes]:
    show_me: ShowMe = scope["litestar_app"].state.show_me
    return [_JSON], msgspec.json.encode(UserResponse.of(await show_me(caller)))


_JSON = (b"content-type", b"application/json")


@get(
    "/me",
    operation_id="getMe",
    summary="Get your account",
    tag="Account",
    policy=authenticated(enrolling=True),
    plain=_show_me,
)
async def me() -> UserResponse:
    """The account of the caller."""
    described_only()


@patch(
    "/me",
    operation_id="updateMe",
    summary="Change your username",
    tag="Account",
    policy=authenticated(budget=Limit.RENAME, fresh=Fresh.NOT_NEEDED),
    errors=["username_invalid", "username_taken"],
)
async def rename(
    data: JSONBody[RenameBody], request: AnyRequest, change_username: NamedDependency[ChangeUsername]
) -> UserResponse:
    """Change the username, or remove it with null."""
    return UserResponse.of(
        await change_username(caller_of(request), username=data.username, client_info=client_info_of(request))
    )


@delete(
    "/me",
    operation_id="deleteMe",
    summary="Delete your account",
    tag="Account",
    policy=authenticated(budget=Limit.DELETION, fresh=Fresh.WITH_FACTOR),
    errors=["invalid_credentials", "last_admin", "overloaded"],
)
async def remove(data: JSONBody[PasswordBody], request: AnyRequest, delete_me: NamedDependency[DeleteMe]) -> None:
    """Delete the account with its sessions and links; requires the password. The owner of a verified mailbox can undo
    it for seven days by a link in the notice."""
    await delete_me(caller_of(request), password=data.password, client_info=client_info_of(request))


handlers = [me, rename, remove]

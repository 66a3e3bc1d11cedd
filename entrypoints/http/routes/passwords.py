"""Resetting and changing a password."""

from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Struct

from application.credentials.change_password import ChangePassword
from application.credentials.request_link import RequestLink
from application.credentials.reset_password import ResetPassword
from domain.rate_limits import Limit
from domain.tokens import TokenPair
from entrypoints.http.endpoint import post
from entrypoints.http.fields import LinkToken, NewPassword, Password
from entrypoints.http.guard import Fresh, authenticated, public
from entrypoints.http.request import AnyRequest, caller_of, client_info_of
from entrypoints.http.routes.registration import EmailBody
from entrypoints.http.schemas import RESET_SENT, ResetSent, TokenPairResponse


class ResetBody(Struct, frozen=True, forbid_unknown_fields=True):
    token: LinkToken
    new_password: NewPassword
    confirm_password: NewPassword


class ChangeBody(Struct, frozen=True, forbid_unknown_fields=True):
    current_password: Password
    new_password: NewPassword
    confirm_password: NewPassword | None = None


@post(
    "/password/forgot",
    operation_id="requestPasswordReset",
    summary="Ask for a reset link",
    tag="Password",
    policy=public(budget=Limit.MAIL),
    status_code=202,
    errors=["email_invalid"],
)
async def request_reset(
    data: JSONBody[EmailBody], request: AnyRequest, request_reset: NamedDependency[RequestLink]
) -> ResetSent:
    """Request a link to choose a new password. The response is always the same."""
    await request_reset(email=data.email, client_info=client_info_of(request))
    return RESET_SENT


@post(
    "/password/reset",
    operation_id="resetPassword",
    summary="Reset a password",
    tag="Password",
    policy=public(budget=Limit.LINK),
    status_code=204,
    errors=["link_invalid", "link_expired", "password_weak", "password_mismatch", "overloaded"],
)
async def reset(
    data: JSONBody[ResetBody], request: AnyRequest, reset_password: NamedDependency[ResetPassword]
) -> None:
    """Set a new password with the token of a mailed link, which works once. All sessions end."""
    await reset_password(
        token=data.token,
        new_password=data.new_password,
        confirm_password=data.confirm_password,
        client_info=client_info_of(request),
    )


@post(
    "/password/change",
    operation_id="changePassword",
    summary="Change your password",
    tag="Password",
    policy=authenticated(budget=Limit.PASSWORD_CHANGE, fresh=Fresh.WITH_FACTOR),
    status_code=200,
    errors=["invalid_credentials", "password_weak", "password_mismatch", "overloaded"],
)
async def change(
    data: JSONBody[ChangeBody], request: AnyRequest, change_password: NamedDependency[ChangePassword[TokenPair]]
) -> TokenPairResponse:
    """Change the password; requires the current one. All sessions end, and the response contains the tokens of a new
    one."""
    pair = await change_password(
        caller_of(request),
        current_password=data.current_password,
        new_password=data.new_password,
        confirm_password=data.confirm_password,
        client_info=client_info_of(request),
    )
    return TokenPairResponse.of(pair)


handlers = [request_reset, reset, change]

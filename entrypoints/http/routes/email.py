"""Changing the e-mail address, and undoing the change."""

from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Struct

from application.profile.change_email import ChangeEmail
from application.profile.follow_email_link import FollowEmailLink
from domain.rate_limits import Limit
from entrypoints.http.endpoint import post
from entrypoints.http.fields import Email, Password
from entrypoints.http.guard import Fresh, authenticated, public
from entrypoints.http.request import AnyRequest, caller_of, client_info_of
from entrypoints.http.routes.registration import TokenBody
from entrypoints.http.schemas import VERIFICATION_SENT, UserResponse, VerificationSent


class ChangeEmailBody(Struct, frozen=True, forbid_unknown_fields=True):
    new_email: Email
    password: Password


@post(
    "/email/change",
    operation_id="requestEmailChange",
    summary="Ask for another e-mail address",
    tag="E-mail",
    policy=authenticated(budget=Limit.EMAIL_CHANGE, fresh=Fresh.WITH_FACTOR),
    status_code=202,
    errors=["invalid_credentials", "account_disabled", "email_invalid", "overloaded"],
)
async def ask_for_change(
    data: JSONBody[ChangeEmailBody], request: AnyRequest, change_email: NamedDependency[ChangeEmail]
) -> VerificationSent:
    """Request a change of e-mail address. A confirmation link goes to the new address, a notice with an undo link to
    the old one. The response does not reveal whether the new address already has an account."""
    await change_email(
        caller_of(request), new_email=data.new_email, password=data.password, client_info=client_info_of(request)
    )
    return VERIFICATION_SENT


@post(
    "/email/confirm",
    operation_id="confirmEmailChange",
    summary="Confirm or undo a change of address",
    tag="E-mail",
    policy=public(budget=Limit.LINK),
    status_code=200,
    errors=["link_invalid", "link_expired", "last_admin"],
)
async def follow_link(
    data: JSONBody[TokenBody], request: AnyRequest, follow_email_link: NamedDependency[FollowEmailLink]
) -> UserResponse:
    """Apply the token of a mailed link. A confirmation token changes the address; repeating it is safe. An undo token
    restores the old address or a deleted account, ends all sessions and requires a new password."""
    return UserResponse.of(await follow_email_link(token=data.token, client_info=client_info_of(request)))


handlers = [ask_for_change, follow_link]

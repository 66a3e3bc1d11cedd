"""Registration and verification of an e-mail address."""

from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Struct

from application.credentials.request_link import RequestLink
from application.registration.register import Register
from application.registration.verify import Verify
from domain.rate_limits import Limit
from entrypoints.http.endpoint import post
from entrypoints.http.fields import Email, LinkToken, NewPassword, Username
from entrypoints.http.guard import public
from entrypoints.http.request import AnyRequest, client_info_of
from entrypoints.http.schemas import VERIFICATION_SENT, UserResponse, VerificationSent


class RegisterBody(Struct, frozen=True, forbid_unknown_fields=True):
    email: Email
    password: NewPassword
    username: Username | None = None


class TokenBody(Struct, frozen=True, forbid_unknown_fields=True):
    token: LinkToken


class EmailBody(Struct, frozen=True, forbid_unknown_fields=True):
    email: Email


@post(
    "/register",
    operation_id="register",
    summary="Register an account",
    tag="Registration",
    policy=public(budget=Limit.REGISTER),
    status_code=202,
    errors=[
        "registration_closed",
        "email_invalid",
        "username_invalid",
        "username_taken",
        "password_weak",
        "overloaded",
    ],
)
async def register_account(
    data: JSONBody[RegisterBody], request: AnyRequest, register: NamedDependency[Register]
) -> VerificationSent:
    """Create an account and mail a verification link. The response is the same for an address that already has an
    account; its owner gets a notice."""
    await register(
        email=data.email, password=data.password, username=data.username, client_info=client_info_of(request)
    )
    return VERIFICATION_SENT


@post(
    "/verify",
    operation_id="verifyEmail",
    summary="Verify an e-mail address",
    tag="Registration",
    policy=public(budget=Limit.LINK),
    status_code=200,
    errors=["link_invalid", "link_expired"],
)
async def verify_address(
    data: JSONBody[TokenBody], request: AnyRequest, verify: NamedDependency[Verify]
) -> UserResponse:
    """Verify an e-mail address with the token of the mailed link. Repeating the request is safe."""
    return UserResponse.of(await verify(token=data.token, client_info=client_info_of(request)))


@post(
    "/verify/resend",
    operation_id="resendVerification",
    summary="Send another verification link",
    tag="Registration",
    policy=public(budget=Limit.MAIL),
    status_code=202,
    errors=["email_invalid"],
)
async def resend_verification(
    data: JSONBody[EmailBody], request: AnyRequest, request_verification: NamedDependency[RequestLink]
) -> VerificationSent:
    """Request a new verification link. The response is always the same."""
    await request_verification(email=data.email, client_info=client_info_of(request))
    return VERIFICATION_SENT


handlers = [register_account, verify_address, resend_verification]

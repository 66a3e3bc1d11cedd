"""Add a passkey or an authenticator app, each in two steps: options, then the answer to their challenge."""

from typing import Annotated

from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Struct

from application.factors.add_passkey import AddPasskey, PasskeyOptions
from application.factors.add_totp import AddTotp, TotpOptions
from domain.rate_limits import Limit
from domain.role import Role
from entrypoints.http.endpoint import post
from entrypoints.http.factor_schemas import (
    ChallengeText,
    CreationOptions,
    EnrolledFactorResponse,
    FactorName,
    RegistrationJson,
    TotpCode,
)
from entrypoints.http.fields import documented
from entrypoints.http.guard import Fresh, requires_role
from entrypoints.http.request import AnyRequest, caller_of, client_info_of

# Everyone with a verified address has the role `member`.
_POLICY = requires_role(Role.MEMBER, budget=Limit.FACTOR_CHANGE, fresh=Fresh.ALWAYS, enrolling=True)
_ERRORS = ["challenge_invalid", "challenge_expired", "factor_invalid", "account_disabled"]


class NewPasskey(Struct, frozen=True):
    challenge: ChallengeText
    options: CreationOptions


class AddPasskeyBody(Struct, frozen=True, forbid_unknown_fields=True):
    challenge: ChallengeText
    credential: RegistrationJson
    name: FactorName | None = None


class NewTotpResponse(Struct, frozen=True):
    challenge: ChallengeText
    secret: Annotated[str, documented("For users who type it into their app: base32.", "JBSWY3DPEHPK3PXP")]
    uri: Annotated[
        str,
        documented("For authenticator apps.", "otpauth://totp/Example:ada?secret=JBSWY3DPEHPK3PXP&issuer=Example"),
    ]
    qr: Annotated[str, documented("`uri` as a QR code: SVG text.", '<svg xmlns="http://www.w3.org/2000/svg"></svg>')]


class AddTotpBody(Struct, frozen=True, forbid_unknown_fields=True):
    challenge: ChallengeText
    code: TotpCode
    name: FactorName | None = None


@post(
    "/factors/passkeys/options",
    operation_id="beginPasskey",
    summary="Begin to add a passkey",
    tag="Second factors",
    policy=_POLICY,
    status_code=200,
)
async def begin_passkey(request: AnyRequest, passkey_options: NamedDependency[PasskeyOptions]) -> NewPasskey:
    """A challenge, and the options with which a browser creates a passkey."""
    challenge, options = await passkey_options(caller_of(request))
    return NewPasskey(challenge, dict(options))


@post(
    "/factors/passkeys",
    operation_id="addPasskey",
    summary="Add a passkey",
    tag="Second factors",
    policy=_POLICY,
    status_code=201,
    errors=[*_ERRORS, "factor_exists", "factor_limit", "passkey_unsuitable"],
)
async def finish_passkey(
    data: JSONBody[AddPasskeyBody], request: AnyRequest, add_passkey: NamedDependency[AddPasskey]
) -> EnrolledFactorResponse:
    """Add the passkey that the browser has created. The owner of the mailbox is notified and can undo it for seven
    days."""
    enrolled = await add_passkey(
        caller_of(request),
        challenge=data.challenge,
        credential=data.credential,
        name=data.name,
        client_info=client_info_of(request),
    )
    return EnrolledFactorResponse.of_enrolled(enrolled)


@post(
    "/factors/totp/options",
    operation_id="beginTotp",
    summary="Begin to add an authenticator app",
    tag="Second factors",
    policy=_POLICY,
    status_code=200,
)
async def begin_totp(request: AnyRequest, totp_options: NamedDependency[TotpOptions]) -> NewTotpResponse:
    """A challenge, and a secret for the app. Nothing is stored until a code of the app is sent."""
    new = await totp_options(caller_of(request))
    return NewTotpResponse(new.challenge, new.secret, new.uri, new.qr_code)


@post(
    "/factors/totp",
    operation_id="addTotp",
    summary="Add an authenticator app",
    tag="Second factors",
    policy=_POLICY,
    status_code=201,
    errors=_ERRORS,
)
async def finish_totp(
    data: JSONBody[AddTotpBody], request: AnyRequest, add_totp: NamedDependency[AddTotp]
) -> EnrolledFactorResponse:
    """Add the authenticator app, or replace the existing one. Requires a code of the app. The owner of the mailbox is
    notified and can undo it for seven days."""
    enrolled = await add_totp(
        caller_of(request),
        challenge=data.challenge,
        code=data.code,
        name=data.name,
        client_info=client_info_of(request),
    )
    return EnrolledFactorResponse.of_enrolled(enrolled)


handlers = [begin_passkey, finish_passkey, begin_totp, finish_totp]

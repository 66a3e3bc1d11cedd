"""Step-up authentication (RFC 9470): the caller authenticates again for a call that requires it."""

from typing import Annotated, Literal

from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Struct

from application.factors.check_factor import PresentedFactor
from application.factors.step_up import StepUp, StepUpOptions
from domain.authentication import AssuranceLevel
from domain.factor import FactorKind
from domain.rate_limits import Limit
from domain.refusals import ErrorCode, Refusal
from entrypoints.http.endpoint import post
from entrypoints.http.factor_schemas import (
    ChallengeText,
    FactorKinds,
    OrPasskey,
    OrRecoveryCode,
    OrTotp,
    RequestOptions,
)
from entrypoints.http.fields import AccessSeconds, AccessToken, AuthTime, Password, documented
from entrypoints.http.guard import Fresh, authenticated
from entrypoints.http.request import AnyRequest, caller_of, client_info_of
from entrypoints.http.schemas import BEARER

_POLICY = authenticated(budget=Limit.FACTOR_CHANGE, fresh=Fresh.NOT_NEEDED, enrolling=True)


class StepUpOptionsResponse(Struct, frozen=True):
    challenge: ChallengeText
    options: RequestOptions
    factors: FactorKinds


class StepUpBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Exactly one of `password`, `totp`, `recovery_code` and `passkey`. `challenge` is required with `passkey`."""

    password: Password | None = None
    totp: OrTotp | None = None
    recovery_code: OrRecoveryCode | None = None
    passkey: OrPasskey | None = None
    challenge: Annotated[str, documented("Of `/v1/step-up/options`; required with `passkey`.")] | None = None


class SteppedUp(Struct, frozen=True, kw_only=True):
    """There is no refresh token: the session keeps its level."""

    access_token: AccessToken
    token_type: Literal["Bearer"]
    expires_in: AccessSeconds
    acr: AssuranceLevel
    auth_time: AuthTime


@post(
    "/step-up/options",
    operation_id="beginStepUp",
    summary="Begin a step-up",
    tag="Second factors",
    policy=_POLICY,
    status_code=200,
)
async def begin(request: AnyRequest, step_up_options: NamedDependency[StepUpOptions]) -> StepUpOptionsResponse:
    """The caller's kinds of factors, and what a browser needs to ask for one of the caller's passkeys."""
    challenge, options, factors, has_codes = await step_up_options(caller_of(request))
    own = {factor.kind for factor in factors}
    kinds = [kind.value for kind in FactorKind if kind in own]
    return StepUpOptionsResponse(challenge, dict(options), [*kinds, *(["recovery_code"] if has_codes else [])])


@post(
    "/step-up",
    operation_id="stepUp",
    summary="Authenticate again",
    tag="Second factors",
    policy=_POLICY,
    status_code=200,
    errors=[
        *("invalid_credentials", "factor_invalid", "challenge_invalid", "challenge_expired"),
        *("account_disabled", "overloaded"),
    ],
)
async def authenticate_again(
    data: JSONBody[StepUpBody], request: AnyRequest, step_up: NamedDependency[StepUp]
) -> SteppedUp:
    """Authenticate again, after `step_up_required`. Returns a short access token for this session, which cannot be
    refreshed."""
    caller, client_info = caller_of(request), client_info_of(request)
    given = [value for value in (data.password, data.totp, data.recovery_code, data.passkey) if value is not None]
    if len(given) != 1:
        text = "send exactly one of password, totp, recovery_code and passkey"
        raise Refusal(ErrorCode.MALFORMED, text, field="password")
    if data.passkey is not None and data.challenge is None:
        raise Refusal(ErrorCode.MALFORMED, "is required with passkey", field="challenge")
    if data.password is not None:
        token = await step_up.by_password(caller, password=data.password, client_info=client_info)
    else:
        factor = PresentedFactor(totp=data.totp, recovery_code=data.recovery_code, passkey=data.passkey)
        token = await step_up.by_factor(caller, factor=factor, challenge=data.challenge, client_info=client_info)
    return SteppedUp(
        access_token=token.access_token,
        token_type=BEARER,
        expires_in=token.expires_in,
        acr=token.authentication.level,
        auth_time=int(token.authentication.at.timestamp()),
    )


handlers = [begin, authenticate_again]

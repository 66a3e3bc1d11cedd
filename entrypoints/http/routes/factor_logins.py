"""Logins with a second factor, or with a passkey alone."""

from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Struct

from application.factors.check_factor import PresentedFactor
from application.sessions.login_with_factor import LoginWithFactor
from application.sessions.login_with_passkey import LoginWithPasskey, PasskeyLoginOptions
from domain.rate_limits import Limit
from domain.tokens import TokenPair
from entrypoints.http.endpoint import post
from entrypoints.http.factor_schemas import (
    AssertionJson,
    ChallengeText,
    OrPasskey,
    OrRecoveryCode,
    RequestOptions,
    TotpCode,
)
from entrypoints.http.guard import public
from entrypoints.http.request import AnyRequest, client_info_of
from entrypoints.http.schemas import TokenPairResponse


class LoginFactorBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Exactly one of `totp`, `recovery_code` and `passkey`."""

    challenge: ChallengeText
    totp: TotpCode | None = None
    recovery_code: OrRecoveryCode | None = None
    passkey: OrPasskey | None = None


class PasskeyLogin(Struct, frozen=True):
    challenge: ChallengeText
    options: RequestOptions


class LoginPasskeyBody(Struct, frozen=True, forbid_unknown_fields=True):
    challenge: ChallengeText
    credential: AssertionJson


@post(
    "/login/factor",
    operation_id="logInWithFactor",
    summary="Log in with a second factor",
    tag="Second factors",
    policy=public(budget=Limit.FACTOR),
    status_code=200,
    errors=["challenge_invalid", "challenge_expired", "factor_invalid"],
)
async def second_step(
    data: JSONBody[LoginFactorBody],
    request: AnyRequest,
    login_with_factor: NamedDependency[LoginWithFactor[TokenPair]],
) -> TokenPairResponse:
    """The second step of a login: answer the challenge of `second_factor_required` with exactly one factor. Starts a
    session."""
    factor = PresentedFactor.of(totp=data.totp, recovery_code=data.recovery_code, passkey=data.passkey)
    return TokenPairResponse.of(
        await login_with_factor(challenge=data.challenge, factor=factor, client_info=client_info_of(request))
    )


@post(
    "/login/passkey/options",
    operation_id="beginPasskeyLogin",
    summary="Begin to log in with a passkey",
    tag="Second factors",
    policy=public(budget=Limit.PASSKEY_OPTIONS),
    status_code=200,
)
async def begin(request: AnyRequest, passkey_login_options: NamedDependency[PasskeyLoginOptions]) -> PasskeyLogin:
    """A challenge, and the options with which a browser asks for a passkey. The same for all callers."""
    challenge, options = await passkey_login_options(client_info=client_info_of(request))
    return PasskeyLogin(challenge, dict(options))


@post(
    "/login/passkey",
    operation_id="logInWithPasskey",
    summary="Log in with a passkey",
    tag="Second factors",
    policy=public(budget=Limit.PASSKEY_LOGIN),
    status_code=200,
    errors=["challenge_invalid", "challenge_expired", "factor_invalid", "account_disabled"],
)
async def finish(
    data: JSONBody[LoginPasskeyBody],
    request: AnyRequest,
    login_with_passkey: NamedDependency[LoginWithPasskey[TokenPair]],
) -> TokenPairResponse:
    """Log in with a passkey alone, without a password. Starts a session."""
    return TokenPairResponse.of(
        await login_with_passkey(
            challenge=data.challenge, credential=data.credential, client_info=client_info_of(request)
        )
    )


handlers = [second_step, begin, finish]

"""The factors that one person holds: an authenticator, authenticator apps, and recovery codes."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pyotp
from webauthn.helpers import bytes_to_base64url

from application.factors.check_factor import PresentedFactor
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.factor import FactorKind
from domain.refusals import ErrorCode, Refusal
from domain.tokens import AccessToken, TokenPair
from tests.support.authenticator import SoftwareAuthenticator
from tests.support.factor_owner import on_another_device
from tests.support.passkeys import ORIGIN
from tests.support.world import World

T = TypeVar("T")


@dataclass(kw_only=True)
class Devices:
    """Each time step of a secret is accepted once, so the clock moves on where the next one is too far ahead."""

    world: World
    secrets: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    authenticator: SoftwareAuthenticator = field(default_factory=lambda: SoftwareAuthenticator(origin=ORIGIN))
    used: dict[str, int] = field(default_factory=dict)
    """The last accepted step of each secret."""
    presented: tuple[str, int] = ("", 0)
    """The secret and step of the last code."""

    async def enrol(self, caller: AccessToken, kind: FactorKind) -> None:
        if kind is FactorKind.PASSKEY:
            challenge, options = await self.world.passkey_options(caller)
            credential = self.authenticator.create(on_another_device(options))
            added = await self.world.add_passkey(caller, challenge=challenge, credential=credential)
        else:
            offered = await self.world.totp_options(caller)
            code = self._code(offered.secret)
            added = await self.world.add_totp(caller, challenge=offered.challenge, code=code)
            self.secrets.append(offered.secret)
            self._accepted(PresentedFactor(totp=code))
        self.codes += added.recovery_codes or []

    def answers(self, options: Mapping[str, Any] | None) -> Iterator[PresentedFactor]:
        """Everything that may answer a challenge, last the newest recovery code."""
        allowed = {one["id"] for one in (options or {}).get("allowCredentials", [])}
        for passkey in self.authenticator.passkeys:
            mine = SoftwareAuthenticator(origin=ORIGIN, passkeys=[passkey])
            if options is not None and bytes_to_base64url(passkey.id) in allowed:
                yield PresentedFactor(passkey=mine.get(options))
        for secret in reversed(self.secrets):
            yield PresentedFactor(totp=self._code(secret))
        if self.codes:
            yield PresentedFactor(recovery_code=self.codes[-1])

    async def log_in(self, login: str, password: str, *, client_info: ClientInfo = UNKNOWN_CLIENT) -> TokenPair:
        """With the password, and a factor where one is needed. Raises the last refusal."""
        try:
            return await self.world.login(login=login, password=password, client_info=client_info)
        except Refusal as refusal:
            if refusal.code is not ErrorCode.SECOND_FACTOR_REQUIRED:
                raise
            required: Mapping[str, Any] = refusal.extensions

        async def answer(factor: PresentedFactor) -> TokenPair:
            return await self.world.login_with_factor(
                challenge=required["challenge"], factor=factor, client_info=client_info
            )

        return await self._first(answer, required.get("passkey_options"))

    async def log_in_by_passkey(self) -> list[TokenPair]:
        """With each passkey alone; those that work."""
        pairs = []
        for passkey in self.authenticator.passkeys:
            challenge, options = await self.world.passkey_login_options()
            credential = SoftwareAuthenticator(origin=ORIGIN, passkeys=[passkey]).get(options)
            try:
                pairs.append(await self.world.login_with_passkey(challenge=challenge, credential=credential))
            except Refusal:
                continue
        return pairs

    async def step_up(self, caller: AccessToken, *passwords: str) -> AccessToken:
        """The caller after a step-up by the strongest factor, or else by one of the passwords. Raises the last
        refusal."""
        challenge, options, factors, _ = await self.world.step_up_options(caller)

        async def answer(factor: PresentedFactor) -> AccessToken:
            token = await self.world.step_up.by_factor(caller, factor=factor, challenge=challenge)
            return await self.world.authenticate(token.access_token)

        if factors:
            return await self._first(answer, options)
        for password in passwords:
            try:
                token = await self.world.step_up.by_password(caller, password=password)
            except Refusal:
                continue
            return await self.world.authenticate(token.access_token)
        return caller

    async def _first(self, answer: Callable[[PresentedFactor], Awaitable[T]], options: Any) -> T:
        refused = Refusal(ErrorCode.FACTOR_INVALID, "no factor")
        for factor in self.answers(options):
            try:
                answered = await answer(factor)
            except Refusal as refusal:
                refused = refusal
                continue
            self._accepted(factor)
            return answered
        raise refused

    def _code(self, secret: str) -> str:
        step = max(self._step(), self.used.get(secret, 0) + 1)
        if step > self._step() + 1:
            self.world.clock.advance(seconds=30)
        self.presented = (secret, step)
        return pyotp.TOTP(secret).at(step * 30)

    def _accepted(self, factor: PresentedFactor) -> None:
        if factor.recovery_code is not None:
            self.codes.remove(factor.recovery_code)
        elif factor.totp is not None:
            secret, step = self.presented
            self.used[secret] = step

    def _step(self) -> int:
        return int(self.world.clock().timestamp()) // 30

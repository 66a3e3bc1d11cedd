"""A user with factors, and the devices and codes that they hold."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pyotp
import pytest

from application.factors.check_factor import PresentedFactor
from application.factors.enrolment import EnrolledFactor
from application.repositories import UnitOfWork, UnitOfWorkFactory
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.factor import Factor, FactorKind
from domain.outbox import EmailLink, LinkPurpose
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from domain.tokens import AccessToken, SteppedUpToken, TokenPair
from domain.user import User
from tests.support.authenticator import SoftwareAuthenticator
from tests.support.passkeys import ORIGIN
from tests.support.use_cases import ALICE, link
from tests.support.world import PASSWORD, World


@dataclass(kw_only=True)
class FactorOwner:
    """`caller` is the newest token. A TOTP code moves the clock to the next step, because each step works once."""

    world: World
    user: User
    caller: AccessToken
    password: str = PASSWORD
    secret: str = ""
    codes: Sequence[str] = ()
    authenticator: SoftwareAuthenticator = field(default_factory=lambda: SoftwareAuthenticator(origin=ORIGIN))

    @property
    def stored(self) -> User:
        return self.world.store.rows.users[self.user.id]

    async def factors(self) -> Sequence[Factor]:
        return (await self.world.list_factors(self.caller))[0]

    async def enrol(self, kind: FactorKind, *, name: str | None = None) -> EnrolledFactor:
        """With the caller's token as it is."""
        if kind is FactorKind.PASSKEY:
            challenge, options = await self.world.passkey_options(self.caller)
            credential = self.authenticator.create(on_another_device(options))
            added = await self.world.add_passkey(self.caller, challenge=challenge, credential=credential, name=name)
        else:
            offered = await self.world.totp_options(self.caller)
            code = self.totp_code(offered.secret)
            added = await self.world.add_totp(self.caller, challenge=offered.challenge, code=code, name=name)
            self.secret = offered.secret
        self.codes = added.recovery_codes or self.codes
        return added

    def totp_code(self, secret: str | None = None) -> str:
        self.world.clock.advance(seconds=30)
        return pyotp.TOTP(secret or self.secret).at(self.world.clock())

    def present(self, method: str, options: Mapping[str, Any] | None = None) -> PresentedFactor:
        """`method` is `totp`, `recovery_code` or `passkey`, and `options` are those of a passkey."""
        if method == "totp":
            return PresentedFactor(totp=self.totp_code())
        if method == "recovery_code":
            code, *self.codes = self.codes
            return PresentedFactor(recovery_code=code)
        assert options is not None
        return PresentedFactor(passkey=self.authenticator.get(options))

    async def password_step(self, client_info: ClientInfo = UNKNOWN_CLIENT) -> Mapping[str, Any]:
        """The members of the refusal that asks for a second factor."""
        with pytest.raises(Refusal) as refused:
            await self.world.login(login=self.user.email, password=self.password, client_info=client_info)
        assert refused.value.code is ErrorCode.SECOND_FACTOR_REQUIRED
        return refused.value.extensions

    async def log_in(self, method: str, *, client_info: ClientInfo = UNKNOWN_CLIENT) -> TokenPair:
        asked = await self.password_step(client_info)
        factor = self.present(method, asked.get("passkey_options"))
        return await self.world.login_with_factor(
            challenge=asked["challenge"], factor=factor, client_info=client_info
        )

    async def log_in_by_passkey(self) -> TokenPair:
        challenge, options = await self.world.passkey_login_options()
        return await self.world.login_with_passkey(challenge=challenge, credential=self.authenticator.get(options))

    async def stepped_up(self, method: str, *, client_info: ClientInfo = UNKNOWN_CLIENT) -> SteppedUpToken:
        challenge, options, _, _ = await self.world.step_up_options(self.caller)
        return await self.world.step_up.by_factor(
            self.caller, factor=self.present(method, options), challenge=challenge, client_info=client_info
        )

    async def step_up(self, method: str) -> AccessToken:
        """Use the stepped-up token from now on."""
        self.caller = await self.world.authenticate((await self.stepped_up(method)).access_token)
        return self.caller

    async def undo(self) -> None:
        """Follow the link in the newest notice, and then the one that sets a password."""
        points = [one for one in self.world.store.rows.undo_points.values() if one.user_id == self.user.id]
        point = EmailLink(purpose=LinkPurpose.RESTORE, subject=points[-1].id, version=0, issued_at=self.world.clock())
        await self.world.restore_email(token=self.world.links.sign(point))
        token = link(self.world, self.user, LinkPurpose.RESET)
        await self.world.reset_password(token=token, new_password=self.password, confirm_password=self.password)


async def factor_owner(world: World, *kinds: FactorKind, email: str = ALICE, role: Role = Role.MEMBER) -> FactorOwner:
    """A verified user who has enrolled these factors in this order, and whose token is fresh."""
    user = await world.user(email, role=role)
    owner = FactorOwner(world=world, user=user, caller=await world.caller(email))
    for kind in kinds:
        await owner.enrol(kind)
        await owner.step_up("passkey" if owner.authenticator.passkeys else "totp")
    return owner


def on_another_device(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options, as a device sees them that holds none of the user's passkeys."""
    return {**options, "excludeCredentials": []}


def interrupted(world: World, by: Callable[[], Awaitable[object]]) -> UnitOfWorkFactory:
    """Transactions, before the first of which another request acts."""
    acts = [by]

    @asynccontextmanager
    async def begin() -> AsyncIterator[UnitOfWork]:
        if acts:
            await acts.pop()()
        async with world.begin() as work:
            yield work

    return begin

"""End the session that calls, or every session of its user. When the call returns it is so everywhere."""

from dataclasses import dataclass

from application.ports import Begin, Clock
from domain.session import EndReason
from domain.token import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class Logout:
    begin: Begin
    clock: Clock

    async def __call__(self, caller: AccessToken) -> None:
        async with self.begin() as work:
            await work.sessions.end(caller.session_id, now=self.clock(), reason=EndReason.LOGOUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutEverywhere:
    begin: Begin
    clock: Clock

    async def __call__(self, caller: AccessToken) -> None:
        async with self.begin() as work:
            await work.sessions.end_all(caller.user_id, now=self.clock(), reason=EndReason.LOGOUT_ALL)

"""Whoever uses the link has read the mail: the address is theirs, and every other claim to it is void."""

from dataclasses import dataclass

from application.ports import Begin, Clock, LinkSealer
from domain.mail import Purpose
from domain.refusals import Code, Refusal
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    begin: Begin
    links: LinkSealer
    clock: Clock

    async def __call__(self, *, token: str) -> User:
        link = self.links.unseal(token, Purpose.VERIFY)
        now = self.clock()
        if link.expired(now):
            raise Refusal(Code.LINK_EXPIRED, "This link is too old. Ask for a new one.")
        async with self.begin() as work:
            user = await work.users.prove(link.user_id, credential_version=link.credential_version, now=now)
        if user is None:
            raise Refusal(Code.LINK_INVALID, "This link is not valid any more.")
        return user

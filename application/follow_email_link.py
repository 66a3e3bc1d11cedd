"""Links about an address come to one place, whether they confirm it or take it back: the link says which."""

from dataclasses import dataclass

from application.confirm_email import ConfirmEmail
from application.count_failures import BAD_LINK, count_failures
from application.ports import Limits, LinkSealer
from application.restore_email import RestoreEmail
from domain.limits import link_bucket
from domain.mail import Purpose
from domain.origin import NOWHERE, Origin
from domain.refusals import Refusal
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowEmailLink:
    links: LinkSealer
    limits: Limits
    confirm: ConfirmEmail
    restore: RestoreEmail

    async def __call__(self, *, token: str, origin: Origin = NOWHERE) -> User:
        async with count_failures(self.limits, link_bucket(Purpose.EMAIL, origin), BAD_LINK):
            if self.purpose(token) is Purpose.RESTORE:
                return await self.restore(token=token, origin=origin)
            return await self.confirm(token=token, origin=origin)

    def purpose(self, token: str) -> Purpose | None:
        """What the link would do if it were followed; None where it is none of these."""
        for purpose in (Purpose.EMAIL, Purpose.RESTORE):
            try:
                return self.links.unseal(token, purpose).purpose
            except Refusal:
                continue
        return None

"""Check a mailed link before its page is shown. Changes nothing and counts nothing."""

from dataclasses import dataclass

from application.ports import Clock, LinkSigner
from application.repositories import UnitOfWorkFactory
from domain.outbox import LinkPurpose
from domain.refusals import link_expired, link_invalidated
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectLink:
    begin: UnitOfWorkFactory
    links: LinkSigner
    clock: Clock

    async def __call__(self, *, token: str, purpose: LinkPurpose) -> User | None:
        """Return the user of a reset link, or None for other purposes. Raises `link_invalid` or `link_expired`."""
        link = self.links.verify(token.strip(), purpose)
        if link.expired(self.clock()):
            raise link_expired("")
        if purpose is not LinkPurpose.RESET:
            return None
        async with self.begin() as work:
            user = await work.users.by_id(link.subject)
        if user is None or not user.can_reset_by(link):
            raise link_invalidated()
        return user

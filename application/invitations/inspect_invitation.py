"""Check the link of an invitation before its page is shown. Changes nothing and counts nothing."""

from dataclasses import dataclass

from application.invitations.valid_invitation import valid_invitation
from application.ports import Clock, LinkSigner
from application.repositories import UnitOfWorkFactory
from domain.invitation import Invitation, RegistrationMode
from domain.outbox import LinkPurpose
from domain.refusals import link_expired, link_invalidated


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectInvitation:
    begin: UnitOfWorkFactory
    links: LinkSigner
    registration: RegistrationMode
    clock: Clock

    async def __call__(self, *, token: str) -> Invitation:
        """Raises `registration_closed`, `link_invalid` or `link_expired`."""
        self.registration.require_invitations()
        link, now = self.links.verify(token.strip(), LinkPurpose.INVITE), self.clock()
        if link.expired(now):
            raise link_expired("Ask for a new invitation.")
        async with self.begin() as work:
            invitation = await valid_invitation(work, link.subject, now=now)
        if invitation is None:
            raise link_invalidated()
        return invitation

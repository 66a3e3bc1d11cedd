"""Confirm or undo a change of address, as the purpose of the link says. Also undoes a deletion."""

from dataclasses import dataclass

from application.credentials.count_failures import BAD_LINK, count_failures
from application.ports import LinkSigner, RateLimiter
from application.profile.confirm_email import ConfirmEmail
from application.profile.restore_email import RestoreEmail
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.outbox import EmailLink, LinkPurpose
from domain.rate_limit_buckets import link_bucket, link_use_bucket, recovery_buckets
from domain.refusals import Refusal
from domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowEmailLink:
    links: LinkSigner
    rate_limiter: RateLimiter
    confirm: ConfirmEmail
    restore: RestoreEmail

    async def __call__(self, *, token: str, client_info: ClientInfo = UNKNOWN_CLIENT) -> User:
        """Raises `link_invalid`, `link_expired`, `last_admin` or `rate_limited`."""
        async with count_failures(self.rate_limiter, link_bucket(LinkPurpose.EMAIL, client_info), BAD_LINK):
            link = self._read(token)
            if link is not None:
                await self.rate_limiter.acquire(link_use_bucket(link))
            if link is None or link.purpose is not LinkPurpose.RESTORE:
                return await self.confirm(token=token, client_info=client_info)
            user = await self.restore(token=token, client_info=client_info)
        # The undo invalidated all other links, so the owner can request new ones at once.
        await self.rate_limiter.reset(*recovery_buckets(user.email, user.username, client_info))
        return user

    def purpose(self, token: str) -> LinkPurpose | None:
        """The purpose of the link, or None if it is not a link about an address."""
        link = self._read(token)
        return None if link is None else link.purpose

    def _read(self, token: str) -> EmailLink | None:
        for purpose in (LinkPurpose.EMAIL, LinkPurpose.RESTORE):
            try:
                return self.links.verify(token.strip(), purpose)
            except Refusal:
                continue
        return None

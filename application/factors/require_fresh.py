"""Check that the caller has authenticated recently, by the strongest means of the account (RFC 9470)."""

from dataclasses import dataclass
from datetime import timedelta

from application.ports import Clock, UserLookup
from domain.refusals import token_revoked
from domain.tokens import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class RequireFresh:
    """`step_up_ttl` is how long an authentication counts as fresh."""

    user_lookup: UserLookup
    clock: Clock
    step_up_ttl: timedelta

    async def __call__(self, caller: AccessToken, *, only_with_factor: bool = False) -> None:
        """With `only_with_factor`, accounts without a factor pass. Raises `step_up_required` or `token_revoked`."""
        user = await self.user_lookup.user(caller.user_id)
        if user is None:
            raise token_revoked()
        if user.factors or not only_with_factor:
            caller.require_fresh(highest=user.highest_level, now=self.clock(), max_age=self.step_up_ttl)

"""List the caller's factors."""

from collections.abc import Sequence
from dataclasses import dataclass

from application.repositories import UnitOfWorkFactory
from domain.factor import Factor, RecoveryCodeCount
from domain.tokens import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFactors:
    begin: UnitOfWorkFactory

    async def __call__(self, caller: AccessToken) -> tuple[Sequence[Factor], RecoveryCodeCount | None]:
        """Return the factors, oldest first, and the count of recovery codes; None without any."""
        async with self.begin() as work:
            return await work.factors.by_user(caller.user_id), await work.factors.recovery_codes(caller.user_id)

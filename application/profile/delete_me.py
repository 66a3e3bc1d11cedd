"""Delete the caller's account; requires the password. The owner of the mailbox can undo it."""

from dataclasses import dataclass

from application.administration.manage_user import ManageUser
from application.audit import Audit
from application.credentials.check_password import CheckPassword
from application.factors.require_fresh import LockCaller
from application.ports import Clock
from application.repositories import UnitOfWorkFactory
from domain.audit import EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.deletion import UNDO
from domain.email_change import undoable_until
from domain.refusals import incorrect_password, token_revoked
from domain.tokens import AccessToken


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteMe:
    begin: UnitOfWorkFactory
    check: CheckPassword
    lock_caller: LockCaller
    manage: ManageUser
    audit: Audit
    clock: Clock

    async def __call__(self, caller: AccessToken, *, password: str, client_info: ClientInfo = UNKNOWN_CLIENT) -> None:
        """Raises `invalid_credentials`, `account_disabled`, `last_admin`, `token_revoked`, `step_up_required` or
        `rate_limited`. The event has no IP address, because it outlives the user."""
        async with self.begin() as work:
            user = await work.users.by_id(caller.user_id)
        if user is None:
            raise token_revoked()
        if not await self.check.for_user(user, password, client_info=client_info):
            raise incorrect_password()
        now = self.clock()
        async with self.begin() as work:
            # The password or the account may have changed since the password was verified.
            locked_users = await work.users.lock(user.id, with_admins=True)
            locked_user = next((one for one in locked_users if one.id == user.id), None)
            if locked_user is None or locked_user.credential_version != user.credential_version:
                raise incorrect_password()
            await self.lock_caller.check(work, caller, locked_user)
            # The owner must be able to undo a thief's deletion. An unverified user may have been moved away from a
            # verified address by the thief.
            undoable = (
                locked_user.verified
                or undoable_until(await work.email_changes.by_user(locked_user.id), now) is not None
            )
            until = now + UNDO if undoable else None
            await self.manage.delete(work, locked_user, until=until, shown_client=client_info)
            await self.audit.record(work, EventType.DELETED, user.id, by=user.id)

"""Events of the audit log. Each is written in the same transaction as the change that it records."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from domain.client_info import UNKNOWN_CLIENT, ClientInfo


class EventType(StrEnum):
    """Every change of credentials and every admin action. The values are public and never change their meaning."""

    REGISTERED = "registered"
    REGISTERED_AGAIN = "registered_again"
    CREATED = "created"
    IMPORTED = "imported"
    VERIFIED = "verified"
    LOGGED_IN = "logged_in"
    LOGGED_OUT = "logged_out"
    LOGGED_OUT_EVERYWHERE = "logged_out_everywhere"
    SESSION_ENDED = "session_ended"
    SESSION_EVICTED = "session_evicted"
    REFRESH_REUSED = "refresh_reused"
    PASSWORD_CHANGED = "password_changed"
    PASSWORD_RESET = "password_reset"
    USERNAME_CHANGED = "username_changed"
    EMAIL_CHANGE_ASKED = "email_change_asked"
    EMAIL_CHANGED = "email_changed"
    EMAIL_LOST = "email_lost"
    EMAIL_RESTORED = "email_restored"
    EXPORTED = "exported"
    ROLE_CHANGED = "role_changed"
    DISABLED = "disabled"
    ENABLED = "enabled"
    DELETED = "deleted"
    FACTOR_ADDED = "factor_added"
    FACTOR_REMOVED = "factor_removed"
    FACTORS_RESET = "factors_reset"
    FACTORS_RESTORED = "factors_restored"
    RECOVERY_CODES_REPLACED = "recovery_codes_replaced"
    RECOVERY_CODE_USED = "recovery_code_used"
    PASSKEY_CLONED = "passkey_cloned"
    STEPPED_UP = "stepped_up"
    INVITED = "invited"
    INVITATION_REVOKED = "invitation_revoked"
    INVITATION_ACCEPTED = "invitation_accepted"
    CLIENT_ADDED = "client_added"
    CLIENT_REMOVED = "client_removed"
    MAIL_REDRIVEN = "mail_redriven"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """`actor_id` is None if no user was logged in: a link or the command line was used. `detail` is for people. It
    holds no address, name or secret, because events outlive users.
    """

    id: UUID
    action: EventType
    user_id: UUID
    actor_id: UUID | None = None
    created_at: datetime
    client_info: ClientInfo = UNKNOWN_CLIENT
    detail: str = ""

    @classmethod
    def of(
        cls,
        action: EventType,
        user_id: UUID,
        *,
        id: UUID,
        now: datetime,
        by: UUID | None = None,
        client_info: ClientInfo = UNKNOWN_CLIENT,
        detail: str = "",
    ) -> Self:
        return cls(
            id=id, action=action, user_id=user_id, actor_id=by, created_at=now, client_info=client_info, detail=detail
        )

    def without_client_info(self) -> Self:
        """The event without the IP address and device of the actor."""
        return replace(self, client_info=UNKNOWN_CLIENT)

    def for_owner(self) -> Self:
        """The event as its user may read it: without the IP address and device of another actor."""
        return self if self.actor_id in {None, self.user_id} else self.without_client_info()

    def of_deleted_user(self) -> Self:
        """The event without IP address and device, unless it is the deletion, whose actor may be another user."""
        return self if self.action is EventType.DELETED else self.without_client_info()

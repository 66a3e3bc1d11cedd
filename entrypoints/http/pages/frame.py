"""The frame around pages for signed-in people: the menu for their role, and the result of the last action."""

from dataclasses import dataclass
from typing import Any

from litestar import Response

from domain.messages import translatable
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from entrypoints.http.identify import SIGN_IN_AGAIN
from entrypoints.http.pages.explain import field_errors
from entrypoints.http.pages.html import page, texts_of
from entrypoints.http.pages.results import form_again
from entrypoints.http.request import AnyRequest, caller_of

_ELSEWHERE = SIGN_IN_AGAIN | {ErrorCode.STEP_UP_REQUIRED}


@dataclass(frozen=True, slots=True)
class Viewer:
    role: Role

    @property
    def manages(self) -> bool:
        """Whether they see the pages about other users."""
        return self.role.includes(Role.MODERATOR)


def framed(
    request: AnyRequest, template: str, *, here: str, refusal: Refusal | None = None, **values: Any
) -> Response[str]:
    """A page in the frame. `here` is the menu entry. The query parameter `done` names the last action. After
    a `refusal`, the page shows the form again, with what was wrong; `errors` is the text beside each field. Raises
    refusals that a person overcomes on another page."""
    caller = caller_of(request)
    viewer = Viewer(caller.role if caller.verified else Role.MEMBER)
    if refusal is not None:
        if refusal.code in _ELSEWHERE:
            raise refusal
        values |= {"errors": field_errors(request, refusal), "notice": ""}
        return form_again(request, refusal, template, here=here, viewer=viewer, **values)
    message = DONE.get(request.query_params.get("done") or "")
    notice = "" if message is None else texts_of(request).gettext(message)
    return page(request, template, here=here, viewer=viewer, notice=notice, error="", field="", errors={}, **values)


DONE = {
    "profile": translatable("Your profile is saved."),
    "email_asked": translatable(
        "Check the mailbox of your new address: your address changes when you follow the link in the email."
    ),
    "password": translatable("Your password is changed. All other devices are signed out."),
    "factor_added": translatable("Added. We have sent you an email about it."),
    "factor_renamed": translatable("The new name is saved."),
    "factor_removed": translatable("Removed. All other devices are signed out."),
    "session_ended": translatable("The device is signed out."),
    "sessions_ended": translatable("All other devices are signed out."),
    "role": translatable("The role is changed."),
    "disabled": translatable("The account is disabled, and signed out on every device."),
    "enabled": translatable("The account is enabled."),
    "user_signed_out": translatable("The user is signed out on every device."),
    "factors_reset": translatable("All second factors are removed. The user is notified by email."),
    "user_deleted": translatable("The account is deleted."),
    "invited": translatable("The invitation is on its way."),
    "invitation_revoked": translatable("The invitation is revoked. Its link no longer works."),
    "mail_queued": translatable("The email is queued again."),
    "client_removed": translatable("The client is removed. Its secret no longer works."),
}
"""What a page says after an act, by the code in `?done=`."""

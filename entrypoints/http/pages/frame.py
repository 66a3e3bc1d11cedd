"""The frame around pages for signed-in people: who looks, where they are, and what was just done."""

from dataclasses import dataclass
from typing import Any

from litestar import Response

from domain.refusals import Refusal
from domain.role import Role
from entrypoints.http.pages.html import page, texts_of
from entrypoints.http.pages.results import form_again
from entrypoints.http.request import AnyRequest, caller_of


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
    """A page in the frame. `here` is the part of the menu. The query parameter `done` names what was just done. After
    a `refusal`, the page shows the form again, with what was wrong."""
    caller = caller_of(request)
    viewer = Viewer(caller.role if caller.verified else Role.MEMBER)
    if refusal is not None:
        return form_again(request, refusal, template, here=here, viewer=viewer, notice="", **values)
    message = DONE.get(request.query_params.get("done") or "")
    notice = "" if message is None else texts_of(request).gettext(message)
    return page(request, template, here=here, viewer=viewer, notice=notice, error="", field="", **values)


def N_(message: str) -> str:
    """Marks a message for translation at another place."""
    return message


DONE = {
    "profile": N_("Your profile is saved."),
}
"""What a page says after an act, by the code in `?done=`."""

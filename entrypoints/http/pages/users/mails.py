"""Mail that could not be delivered, for admins: list it, and queue it again."""

from typing import Any
from uuid import UUID

from litestar import Response
from litestar.di import NamedDependency

from application.mail.list_parked_mails import ListParkedMails
from application.mail.redrive_mail import RedriveMail
from domain.messages import translatable
from domain.rate_limits import Limit
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from entrypoints.http.endpoint import show, submit
from entrypoints.http.guard import Fresh, signed_in
from entrypoints.http.pages.html import redirect
from entrypoints.http.pages.users.shown import users_page
from entrypoints.http.request import AnyRequest, caller_of, client_info_of, text_of

_SHOWN = 100


@show("/users/mails", policy=signed_in(role=Role.ADMIN, query={"done"}))
async def mails(request: AnyRequest, list_parked_mails: NamedDependency[ListParkedMails]) -> Response[Any]:
    return await _list(request, list_parked_mails)


@submit("/users/mails", policy=signed_in(role=Role.ADMIN, budget=Limit.ADMINISTER, fresh=Fresh.ALWAYS))
async def redrive(
    request: AnyRequest,
    redrive_mail: NamedDependency[RedriveMail],
    list_parked_mails: NamedDependency[ListParkedMails],
) -> Response[Any]:
    wanted = text_of(await request.form(), "mail_id")
    try:
        if not await redrive_mail(
            mail_id=_id(wanted), caller=caller_of(request), client_info=client_info_of(request)
        ):
            raise _not_found()
    except Refusal as refusal:
        return await _list(request, list_parked_mails, refusal=refusal)
    return redirect(request, "users/mails?done=mail_queued")


def _id(value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError:
        raise _not_found() from None


def _not_found() -> Refusal:
    return Refusal(ErrorCode.NOT_FOUND, translatable("This email is no longer waiting."))


async def _list(
    request: AnyRequest, list_parked_mails: ListParkedMails, *, refusal: Refusal | None = None
) -> Response[Any]:
    """The oldest ones; the rest follow as these are queued again."""
    found = await list_parked_mails(limit=_SHOWN + 1)
    values = {"mails": found[:_SHOWN], "more": len(found) > _SHOWN}
    return users_page(request, "users_mails.html", tab="mails", refusal=refusal, **values)


handlers = [mails, redrive]

"""Refusals in the language of the reader."""

from collections.abc import Mapping

from domain.messages import translatable
from domain.refusals import Refusal
from domain.role import Role
from entrypoints.http.pages.html import ENGLISH, texts_of
from entrypoints.http.problem_types import CATALOGUE
from entrypoints.http.request import AnyRequest

ROLES = {
    Role.MEMBER: translatable("Member"),
    Role.MODERATOR: translatable("Moderator"),
    Role.ADMIN: translatable("Admin"),
}


def explain(request: AnyRequest, refusal: Refusal) -> str:
    texts = texts_of(request)
    values = {
        name: texts.gettext(ROLES[value] if isinstance(value, Role) else value) if isinstance(value, str) else value
        for name, value in (refusal.values or {}).items()
    }
    return explain_problem(request, refusal.code, refusal.message, values)


def explain_problem(request: AnyRequest, code: str, message: str, values: Mapping[str, object] | None = None) -> str:
    """The reason, or the title of the problem if the message is empty or has no translation."""
    texts = texts_of(request)
    translated = texts.gettext(message)
    if message and (translated != message or texts.language == ENGLISH):
        return translated % values if values else translated
    return f"{title(request, code)}."


def field_errors(request: AnyRequest, refusal: Refusal) -> dict[str, str]:
    """The text beside each refused field of a form."""
    return {one.field: explain(request, one) for one in (refusal, *refusal.others) if one.field}


def title(request: AnyRequest, code: str) -> str:
    return texts_of(request).gettext(CATALOGUE[code].title)

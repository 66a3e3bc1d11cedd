"""What the pages about users share: their frame, and what a request names."""

from typing import Any

from litestar import Response

from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from entrypoints.http.pages.explain import ROLES
from entrypoints.http.pages.frame import framed
from entrypoints.http.pages.html import texts_of
from entrypoints.http.request import AnyRequest, text_of
from entrypoints.http.validation import problem_of

ON_A_PAGE = 50


def users_page(
    request: AnyRequest, template: str, *, tab: str, refusal: Refusal | None = None, **values: Any
) -> Response[Any]:
    """A page about users, with what was refused. `tab` is its place in the menu of these pages."""
    roles = {role: texts_of(request).gettext(name) for role, name in ROLES.items()}
    return framed(request, template, here="users", tab=tab, refusal=refusal, roles=roles, **values)


def parameter(request: AnyRequest, name: str, *, longest: int = 512) -> str:
    """A parameter of the query, empty without it."""
    value = text_of(request.query_params, name)
    if len(value) > longest:
        raise problem_of(name, f"must have at most {longest} characters")
    return value


def role_of(value: str) -> Role:
    try:
        return Role(value)
    except ValueError:
        raise Refusal(ErrorCode.MALFORMED, "Choose one of the roles.", field="role") from None

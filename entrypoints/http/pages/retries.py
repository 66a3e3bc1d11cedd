"""Where and when a person tries a refused request again."""

from urllib.parse import quote

from application.texts.ports import Texts
from entrypoints.http.request import AnyRequest

SIGN_OUT = "/sign-out"
"""A form without a page of its own."""
SIGN_IN_FORMS = frozenset({"/sign-in", "/sign-in/factor", "/sign-in/passkey"})


def retry_url(request: AnyRequest, token: str) -> str:
    """The relative URL of the page of a refused request. `token` is that of its form."""
    path = "/account" if request.scope["path"] == SIGN_OUT else str(request.scope["path"])
    query = f"?token={quote(token, safe='')}" if token else ""
    return f"./{path.rpartition('/')[2]}{query_of(request) or query}"


def query_of(request: AnyRequest) -> str:
    """The query of a page that was looked at, with its question mark."""
    query = request.scope["query_string"].decode("ascii", "replace")
    return f"?{query}" if query and request.method == "GET" else ""


def format_wait(seconds: int, texts: Texts) -> str:
    minutes = -(-seconds // 60)
    if minutes > 1:
        return texts.gettext("%(minutes)s minutes (%(seconds)s seconds)") % {"minutes": minutes, "seconds": seconds}
    return texts.ngettext("%(count)s second", "%(count)s seconds", seconds) % {"count": seconds}

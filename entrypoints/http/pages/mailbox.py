"""The mailbox page of development: what the local mail catcher has caught."""

import re
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

from litestar import Response
from litestar.di import NamedDependency
from litestar.params import FromPath, SkipValidation

from domain.refusals import ErrorCode, Refusal
from entrypoints.http.endpoint import get
from entrypoints.http.guard import public
from entrypoints.http.pages.html import page
from entrypoints.http.request import AnyRequest
from entrypoints.settings import Settings

_NAME = re.compile(r"[A-Za-z0-9._-]+\.eml")
_LINK = re.compile(r"https?://\S+")
_AS_MAIL = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; "
    "base-uri 'none'; form-action 'none'; sandbox allow-top-navigation-by-user-activation",
    "X-Frame-Options": "SAMEORIGIN",
}


def _mail(path: Path) -> dict[str, Any]:
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    text = _part(message, "plain")
    headers = {name: _readable(str(message[name] or "")) for name in ("subject", "to", "date")}
    return {
        "name": path.name,
        "text": "This mail cannot be displayed." if text is None else text,
        "html": _part(message, "html"),
        "links": _LINK.findall(text or ""),
        **headers,
    }


def _part(message: Any, kind: str) -> str | None:
    """Empty if there is no such part, None if it cannot be read."""
    try:
        body = message.get_body((kind,))
        return "" if body is None else _readable(str(body.get_content()))
    except (LookupError, ValueError):
        return None


def _readable(text: str) -> str:
    """The parser returns bytes that are not text as lone surrogates, which no page can contain."""
    return text.encode("utf-8", "replace").decode()


@get("/dev/mail", policy=public(), sync_to_thread=True)
def look_into_mailbox(request: AnyRequest, settings: NamedDependency[SkipValidation[Settings]]) -> Response[str]:
    folder = settings.data_dir / "mailbox"
    newest = sorted(folder.glob("*.eml"), reverse=True)[:100]
    return page(request, "mailbox.html", mails=[_mail(path) for path in newest], folder=folder)


@get("/dev/mail/{name:str}", policy=public(), sync_to_thread=True)
def read_mail(
    request: AnyRequest, name: FromPath[str], settings: NamedDependency[SkipValidation[Settings]]
) -> Response[str]:
    return page(request, "mail.html", mail=_mail(_caught(name, settings)))


@get("/dev/mail/{name:str}/html", policy=public(), sync_to_thread=True)
def read_html(name: FromPath[str], settings: NamedDependency[SkipValidation[Settings]]) -> Response[str]:
    """The HTML part as people get it; its links open in the whole window. It runs nothing and loads nothing."""
    text = _mail(_caught(name, settings))["html"] or ""
    return Response(text.replace("<head>", '<head><base target="_top">', 1), media_type="text/html", headers=_AS_MAIL)


def _caught(name: str, settings: Settings) -> Path:
    path = settings.data_dir / "mailbox" / name
    if not _NAME.fullmatch(name) or not path.is_file():
        raise Refusal(ErrorCode.NOT_FOUND, "Mail not found.")
    return path


handlers = [look_into_mailbox, read_mail, read_html]

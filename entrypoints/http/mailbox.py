"""The mailbox page of development: what the local mail catcher has caught."""

import re
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, SkipValidation

from domain.refusals import Code, Refusal
from entrypoints.http.guard import anybody
from entrypoints.http.html import page
from entrypoints.settings import Settings

_NAME = re.compile(r"[A-Za-z0-9._-]+\.eml")
_LINK = re.compile(r"https?://\S+")


def _mail(path: Path) -> dict[str, Any]:
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    try:
        body = message.get_body(("plain",))
        text = "" if body is None else str(body.get_content())
    except (LookupError, ValueError):
        text = "This mail cannot be read."
    said = {name: _readable(str(message[name] or "")) for name in ("subject", "to", "date")}
    return {"name": path.name, "text": _readable(text), "links": _LINK.findall(text), **said}


def _readable(text: str) -> str:
    """What was no text comes out of the parser as lone surrogates, which no page can hold."""
    return text.encode("utf-8", "replace").decode()


@get("/dev/mail", guards=anybody(), include_in_schema=False, sync_to_thread=True)
def look_into_mailbox(settings: NamedDependency[SkipValidation[Settings]]) -> Response[str]:
    folder = settings.data_dir / "mailbox"
    newest = sorted(folder.glob("*.eml"), reverse=True)[:100]
    return page("mailbox.html", mails=[_mail(path) for path in newest], folder=folder)


@get("/dev/mail/{name:str}", guards=anybody(), include_in_schema=False, sync_to_thread=True)
def read_mail(name: FromPath[str], settings: NamedDependency[SkipValidation[Settings]]) -> Response[str]:
    path = settings.data_dir / "mailbox" / name
    if not _NAME.fullmatch(name) or not path.is_file():
        raise Refusal(Code.NOT_FOUND, "There is no such mail.")
    return page("mail.html", mail=_mail(path))


handlers = [look_into_mailbox, read_mail]

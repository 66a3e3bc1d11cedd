"""Settings of mail."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from entrypoints.settings.files import in_root
from entrypoints.settings.reader import SettingsReader, running
from entrypoints.settings.setting import setting


def smtp_url(text: str) -> str:
    from adapters.mail.smtp_url import parse_smtp_url

    parse_smtp_url(text)
    return text


def sender(text: str) -> str:
    from adapters.mail.addresses import parse_sender

    parse_sender(text)
    return text


def _no_reply(reader: SettingsReader) -> str:
    """The default sender, at the public host if that has a name."""
    try:
        host = urlsplit(reader.value("PUBLIC_URL") or "").hostname or ""
    except ValueError:
        host = ""
    named = ":" not in host and any(letter.isalpha() for letter in host)
    return f"no-reply@{host if named else 'localhost'}"


@dataclass(frozen=True, kw_only=True, repr=False)
class Mail:
    smtp_url: str | None = setting(
        "SMTP_URL",
        "mail server of the worker: `smtp://user:password@host:587`, `smtps://host`. `?tls=` is `starttls` (the"
        " default; on loopback `none`), `implicit` (at port 465) or `none`. A private CA needs an Authority Key"
        " Identifier: without it, Python 3.13 and later refuse its certificates and no mail is sent",
        parse=smtp_url,
        default=running("SMTP_URL"),
        optional=True,
        shown="mail catcher in `make run`",
    )
    mail_from: str = setting(
        "MAIL_FROM", "sender of all mails", parse=sender, default=_no_reply, shown="`no-reply@` the public host"
    )
    mail_dir: Path | None = setting(
        "MAIL_DIR",
        "folder for copies of outgoing mail, one `.eml` file each",
        parse=in_root,
        optional=True,
    )

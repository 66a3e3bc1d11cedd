"""Mails from templates: `templates/<kind>.txt` and `templates/<kind>.html`; the subjects are here."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from jinja2 import FileSystemLoader, StrictUndefined, select_autoescape
from jinja2.sandbox import ImmutableSandboxedEnvironment

from application.mail.ports import Composer
from domain.device import describe_device
from domain.factor import ChangeKind
from domain.outbox import LinkPurpose, MailKind, OutboxMail, RenderedMail

SUBJECTS = {
    MailKind.VERIFY: "Verify your e-mail address for {product}",
    MailKind.ALREADY_REGISTERED: "You already have an account at {product}",
    MailKind.RESET: "Choose a new password for {product}",
    MailKind.PASSWORD_CHANGED: "Your password for {product} was changed",
    MailKind.SESSION_STOLEN: "One of your devices was logged out of {product}",
    MailKind.CONFIRM_EMAIL: "Confirm your new e-mail address for {product}",
    MailKind.EMAIL_CHANGE_ASKED: "Your e-mail address for {product} is about to change",
    MailKind.EMAIL_CHANGED: "Your e-mail address for {product} was changed",
    MailKind.EMAIL_RESTORED: "You have your account at {product} back",
    MailKind.PASSWORD_NEEDED: "Choose a new password for {product}",
    MailKind.ACCOUNT_CLOSED: "Your account at {product} was deleted",
    MailKind.ACCOUNT_DELETED: "Your account at {product} was deleted",
    MailKind.UNDO_INSTEAD: "Get your account at {product} back",
    MailKind.RESET_WAITS: "No new password for {product} yet",
    MailKind.FACTOR_ADDED: "A second factor was added to your account at {product}",
    MailKind.FACTOR_REMOVED: "A second factor was removed from your account at {product}",
    MailKind.RECOVERY_CODE_USED: "A recovery code for {product} was used",
    MailKind.FACTORS_RESET: "Your second factors for {product} were removed",
    MailKind.INVITATION: "You are invited to {product}",
    MailKind.NEW_DEVICE: "New login to your account at {product}",
}
"""A subject never contains user input."""

_SUBJECTS_OF_CHANGES = {
    ChangeKind.PASSKEY_ADDED: "A passkey was added to your account at {product}",
    ChangeKind.TOTP_ADDED: "An authenticator app was added to your account at {product}",
    ChangeKind.RECOVERY_CODES_REPLACED: "Your recovery codes for {product} were replaced",
    ChangeKind.PASSKEY_REMOVED: "A passkey was removed from your account at {product}",
    ChangeKind.TOTP_REMOVED: "An authenticator app was removed from your account at {product}",
    ChangeKind.PASSKEY_CLONED: "A passkey for {product} may have been copied",
}
"""More precise than the subject of the kind of mail."""

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_PAGES = {
    LinkPurpose.VERIFY: "verify",
    LinkPurpose.RESET: "reset",
    LinkPurpose.EMAIL: "email",
    LinkPurpose.RESTORE: "email",
    LinkPurpose.INVITE: "invitation",
}


class JinjaComposer(Composer):
    """Links lead to `public_url`, never to a host that a request named. `link_url` replaces them by links to the
    product's own pages; it is a template with {purpose} and {token}."""

    def __init__(
        self,
        public_url: str,
        product: str = "Latchkey",
        *,
        product_url: str | None = None,
        link_url: str | None = None,
    ) -> None:
        self._public_url = public_url.rstrip("/")
        self._product = product
        self._product_url = product_url
        self._link_url = link_url
        # User input is only ever a value, never a template; the sandbox is a second defense.
        self._environment = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=select_autoescape(enabled_extensions=("html",), default=False),
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )

    def compose(self, mail: OutboxMail, link: str | None, earlier_links: Sequence[str] = ()) -> RenderedMail:
        """Raises ValueError if a link is missing, or given for a kind without one."""
        if (link is None) != (mail.purpose is None):
            raise ValueError(f"A mail of the kind {mail.kind} has the wrong number of links.")
        subject = _SUBJECTS_OF_CHANGES.get(mail.change) if mail.change else None
        subject = (subject or SUBJECTS[mail.kind]).format(product=self._product)
        values = {
            "product": self._product,
            "subject": subject,
            "recipient": mail.recipient,
            "change": mail.change or "",
            "product_url": self._product_url,
            **_request_details(mail),
            "has_password": mail.has_password,
            "until": format_time(mail.until or mail.created_at),
            "undo": format_duration(LinkPurpose.RESTORE.lifetime),
            "recovery_url": f"{self._public_url}/reset",
            "earlier": [
                {
                    "change": change.kind or "email_changed",
                    "at": format_time(change.changed_at),
                    "link": self._link(LinkPurpose.RESTORE, quote(text, safe="")),
                }
                for change, text in zip(mail.earlier, earlier_links, strict=True)
            ],
        }
        if link is not None and mail.purpose is not None:
            values["link"] = self._link(mail.purpose, quote(link, safe=""))
            values["lifetime"] = format_duration(mail.purpose.lifetime)
        return RenderedMail(
            id=mail.id,
            recipient=mail.recipient,
            subject=subject,
            text=self._environment.get_template(f"{mail.kind}.txt").render(values),
            html=self._environment.get_template(f"{mail.kind}.html").render(values),
            # Not the time of sending: a second send must give the same mail.
            written_at=mail.created_at,
        )

    def _link(self, purpose: LinkPurpose, token: str) -> str:
        if self._link_url is None:
            return f"{self._public_url}/{_PAGES[purpose]}?token={token}"
        return self._link_url.replace("{purpose}", purpose.value).replace("{token}", token)


def _request_details(mail: OutboxMail) -> dict[str, str]:
    """When and from where, so that the reader can judge whether it was them."""
    device, ip = describe_device(mail.client_info.user_agent), mail.client_info.ip
    where = [f"from {device}"] if device else []
    where += [f"IP address {ip}"] if ip else []
    return {
        "asked_at": format_time(mail.created_at),
        "asked_from": "".join(f", {one}" for one in where),
        "device": device or ("unknown" if ip else ""),
        "ip": ip,
    }


def format_time(at: datetime) -> str:
    """Such as 23 November 2026 at 01:04 UTC, whatever the locale."""
    at = at.astimezone(UTC)
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year} at {at:%H:%M} UTC"


def format_duration(lifetime: timedelta) -> str:
    """In days from two days on, else in whole hours or in minutes."""
    if lifetime >= timedelta(days=2):
        return f"{lifetime // timedelta(days=1)} days"
    hours, rest = divmod(lifetime, timedelta(hours=1))
    amount, unit = (lifetime // timedelta(minutes=1), "minute") if rest else (hours, "hour")
    return f"{amount} {unit}" + ("" if amount == 1 else "s")

"""Letters from templates: `letters/<kind>.txt` and `letters/<kind>.html`, with their subjects here."""

from datetime import UTC, timedelta
from pathlib import Path
from urllib.parse import quote

from jinja2 import FileSystemLoader, StrictUndefined, select_autoescape
from jinja2.sandbox import ImmutableSandboxedEnvironment

from application.ports import Composer
from domain.mail import Kind, Letter, Mail, Purpose

SUBJECTS = {
    Kind.VERIFY: "Confirm your address for {product}",
    Kind.ALREADY_REGISTERED: "You already have an account at {product}",
    Kind.RESET: "Choose a new password for {product}",
    Kind.PASSWORD_CHANGED: "Your password for {product} was changed",
    Kind.SESSION_STOLEN: "A session of yours at {product} was ended",
    Kind.CONFIRM_EMAIL: "Confirm your new address for {product}",
    Kind.EMAIL_CHANGE_ASKED: "Your address for {product} is about to change",
    Kind.EMAIL_CHANGED: "Your address for {product} was changed",
    Kind.EMAIL_RESTORED: "Your account at {product} is yours again",
    Kind.ACCOUNT_DELETED: "Your account at {product} was deleted",
}
"""Nothing of what a user typed belongs into a subject."""

_PAGES = {Purpose.VERIFY: "verify", Purpose.RESET: "reset", Purpose.EMAIL: "email", Purpose.RESTORE: "email"}


class JinjaComposer(Composer):
    """`public_url` is where the pages are; hosts named by requests never get into a letter."""

    def __init__(self, public_url: str, product: str = "Latchkey") -> None:
        self._public_url = public_url.rstrip("/")
        self._product = product
        letters = Path(__file__).parent / "letters"
        # What users typed is only ever the value of a variable, never a template; the sandbox is the second lock.
        self._environment = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(letters),
            autoescape=select_autoescape(enabled_extensions=("html",), default=False),
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )

    def compose(self, mail: Mail, link: str | None) -> Letter:
        """Raises ValueError where a link is missing, or too many."""
        if (link is None) != (mail.kind.purpose is None):
            raise ValueError(f"A mail of the kind {mail.kind} has the wrong number of links.")
        subject = SUBJECTS[mail.kind].format(product=self._product)
        values = {
            "product": self._product,
            "subject": subject,
            "recipient": mail.recipient,
            "asked_at": f"{mail.created_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
            "recovery_url": f"{self._public_url}/reset",
        }
        if link is not None and mail.kind.purpose is not None:
            values["link"] = f"{self._public_url}/{_PAGES[mail.kind.purpose]}?token={quote(link, safe='')}"
            values["lifetime"] = spoken(mail.kind.purpose.lifetime)
        return Letter(
            id=mail.id,
            recipient=mail.recipient,
            subject=subject,
            text=self._environment.get_template(f"{mail.kind}.txt").render(values),
            html=self._environment.get_template(f"{mail.kind}.html").render(values),
            # Not the time of sending: a second send must be the same letter.
            written_at=mail.created_at,
        )


def spoken(lifetime: timedelta) -> str:
    """A lifetime in days where it has several, else in whole hours or in minutes."""
    if lifetime >= timedelta(days=2):
        return f"{lifetime // timedelta(days=1)} days"
    hours, rest = divmod(lifetime, timedelta(hours=1))
    amount, unit = (lifetime // timedelta(minutes=1), "minute") if rest else (hours, "hour")
    return f"{amount} {unit}" + ("" if amount == 1 else "s")

"""Mails from templates: each is rendered as text, whose first line is the subject, and as HTML."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from application.mail.ports import Composer
from application.texts.ports import Texts, Translations
from domain.branding import DEFAULT_ACCENT, DESIGN, Accent
from domain.outbox import LinkPurpose, MailKind, OutboxMail, RenderedMail

_TEMPLATES = Path(__file__).parent / "templates"
_PAGES = {
    LinkPurpose.VERIFY: "verify",
    LinkPurpose.RESET: "reset",
    LinkPurpose.EMAIL: "email",
    LinkPurpose.RESTORE: "email",
    LinkPurpose.INVITE: "invitation",
}
_ASKED = {MailKind.VERIFY, MailKind.RESET, MailKind.CONFIRM_EMAIL, MailKind.INVITATION}
"""Mails that say when and from where they were requested below, since that is not their subject."""
Part = Literal["text", "html"]


class JinjaComposer(Composer):
    """Links lead to `public_url`, never to a host that a request named. `link_url` replaces them by links to the
    product's own pages; it is a template with {purpose} and {token}. A file `<kind>.txt` or `<kind>.html` in
    `templates` replaces that part of a mail."""

    def __init__(
        self,
        public_url: str,
        product: str = "Latchkey",
        *,
        translations: Translations,
        product_url: str | None = None,
        link_url: str | None = None,
        accent: Accent = DEFAULT_ACCENT,
        templates: Path | None = None,
    ) -> None:
        self._public_url = public_url.rstrip("/")
        self._link_url = link_url
        self._translations = translations
        self._own = [] if templates is None else [templates]
        self._globals = {"product": product, "product_url": product_url, "accent": accent, "design": DESIGN}
        self._environment = cache(self._make_environment)

    def _make_environment(self, language: str, part: Part) -> ImmutableSandboxedEnvironment:
        """User input is only ever a value, never a template; the sandbox is a second defense."""
        environment = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader([*self._own, _TEMPLATES / part, _TEMPLATES]),
            autoescape=part == "html",
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            extensions=["jinja2.ext.i18n"],
        )
        texts = self._translations.of(language)
        vars(environment)["install_gettext_callables"](texts.gettext, texts.ngettext, newstyle=True)
        environment.globals |= self._globals | {"language": texts.language}
        return environment

    def compose(self, mail: OutboxMail, link: str | None, earlier_links: Sequence[str] = ()) -> RenderedMail:
        """Raises ValueError if a link is missing, or given for a kind without one."""
        if (link is None) != (mail.purpose is None):
            raise ValueError(f"A mail of the kind {mail.kind} has the wrong number of links.")
        texts = self._translations.of(mail.client_info.language)
        values = self._values(mail, link, earlier_links, texts)
        subject, _, text = self._render(mail, texts.language, "text", values).partition("\n")
        return RenderedMail(
            id=mail.id,
            recipient=mail.recipient,
            subject=subject,
            text=text.lstrip("\n"),
            html=self._render(mail, texts.language, "html", values),
            # Not the time of sending: a second send must give the same mail.
            written_at=mail.created_at,
        )

    def _render(self, mail: OutboxMail, language: str, part: Part, values: dict[str, Any]) -> str:
        own = f"{mail.kind}.{'txt' if part == 'text' else part}"
        return self._environment(language, part).select_template([own, f"{mail.kind}.jinja"]).render(values)

    def _values(
        self, mail: OutboxMail, link: str | None, earlier_links: Sequence[str], texts: Texts
    ) -> dict[str, Any]:
        act = list(_act(mail, texts))
        lifetime = LinkPurpose.RESTORE.lifetime if mail.purpose is None else mail.purpose.lifetime
        return {
            "recipient": mail.recipient,
            "change": mail.change or "",
            "act": act,
            "asked": " · ".join(f"{label} {value}" for label, value in act) if mail.kind in _ASKED else "",
            "has_password": mail.has_password,
            "until": texts.time(mail.until or mail.created_at),
            "undo": texts.duration(LinkPurpose.RESTORE.lifetime),
            "recovery_url": f"{self._public_url}/reset",
            "earlier": [
                {
                    "change": change.kind or "email_changed",
                    "at": texts.time(change.changed_at),
                    "link": self._link(LinkPurpose.RESTORE, text),
                }
                for change, text in zip(mail.earlier, earlier_links, strict=True)
            ],
            "link": None if link is None or mail.purpose is None else self._link(mail.purpose, link),
            "lifetime": texts.duration(lifetime),
        }

    def _link(self, purpose: LinkPurpose, text: str) -> str:
        token = quote(text, safe="")
        if self._link_url is None:
            return f"{self._public_url}/{_PAGES[purpose]}?token={token}"
        return self._link_url.replace("{purpose}", purpose.value).replace("{token}", token)


def _act(mail: OutboxMail, texts: Texts) -> Iterator[tuple[str, str]]:
    """When and from where, so that the reader can judge whether it was them."""
    yield texts.gettext("Time:"), texts.time(mail.created_at)
    device, ip = texts.device(mail.client_info.user_agent), mail.client_info.ip
    if device or ip:
        yield texts.gettext("Device:"), device or texts.gettext("unknown")
    if ip:
        yield texts.gettext("IP address:"), ip

"""A sample of every mail, for checks of templates and to look at."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from application.mail.ports import Composer
from domain.client_info import ClientInfo
from domain.factor import ChangeKind, EarlierChange
from domain.outbox import MailKind, OutboxMail, RenderedMail

TOKEN = "AaIsa7hUcIeTNqblQd2gXwAAAAEAAAAAaw1rcg.XRTdc7-dbAG3eyrCErU86_BpoiypAhU5YC7-F55R5c0"
_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_AT = datetime(2026, 11, 30, 12, 5, tzinfo=UTC)
_UNTIL = _AT + timedelta(days=7)
_EARLIER = (
    EarlierChange(id=UUID(int=3), kind=ChangeKind.PASSKEY_ADDED, changed_at=_AT - timedelta(days=2)),
    EarlierChange(id=UUID(int=4), kind=None, changed_at=_AT - timedelta(days=1)),
)
_CHANGES = {
    MailKind.FACTOR_ADDED: (*(ChangeKind.PASSKEY_ADDED, ChangeKind.TOTP_ADDED, ChangeKind.RECOVERY_CODES_REPLACED),),
    MailKind.FACTOR_REMOVED: (ChangeKind.PASSKEY_REMOVED, ChangeKind.TOTP_REMOVED),
    MailKind.NEW_DEVICE: (ChangeKind.NEW_DEVICE, ChangeKind.PASSKEY_CLONED),
}

_VARIANTS: dict[MailKind, dict[str, Callable[[OutboxMail], OutboxMail]]] = {
    MailKind.EMAIL_RESTORED: {
        "waits": lambda mail: replace(mail, until=_UNTIL, has_password=False),
        "earlier": lambda mail: replace(mail, earlier=_EARLIER),
    },
    MailKind.RESET_WAITS: {"without-password": lambda mail: replace(mail, until=_UNTIL, has_password=False)},
    MailKind.PASSWORD_CHANGED: {
        "by-command": lambda mail: replace(
            mail, change_id=None, client_info=replace(mail.client_info, ip="", user_agent="")
        )
    },
    MailKind.SESSION_STOLEN: {"without-undo": lambda mail: replace(mail, change_id=None)},
}


@dataclass(frozen=True, slots=True)
class SampleMail:
    name: str
    mail: OutboxMail

    def composed_by(self, composer: Composer) -> RenderedMail:
        links = [TOKEN for _ in self.mail.earlier]
        return composer.compose(self.mail, TOKEN if self.mail.purpose else None, links)


def sample_mails(language: str) -> Iterator[SampleMail]:
    """Each kind of mail, and again where it says something else."""
    for kind in MailKind:
        mail = OutboxMail.queued(
            kind,
            "ada.lovelace@mail.example.org",
            id=UUID(int=1),
            now=_AT,
            change_id=UUID(int=2) if kind.has_undo_point else None,
            client_info=ClientInfo(ip="2001:db8:1234:5678::1", user_agent=_AGENT, language=language),
        )
        for change in _CHANGES.get(kind, ()):
            yield SampleMail(f"{kind}-{change}", replace(mail, change=change))
        if kind not in _CHANGES:
            yield SampleMail(kind, replace(mail, until=_UNTIL) if kind is MailKind.RESET_WAITS else mail)
        for name, changed in _VARIANTS.get(kind, {}).items():
            yield SampleMail(f"{kind}-{name}", changed(mail))

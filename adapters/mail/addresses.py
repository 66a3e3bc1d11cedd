"""Addresses of mails. Separate from `message`: every process checks LATCHKEY_MAIL_FROM, only workers build mails."""

import re
from dataclasses import dataclass

from application.mail.ports import MailRefused
from domain.outbox import RenderedMail

# Narrower than the RFC on purpose: no quoted local parts, comments, routes, address literals or encoded words. What
# is left means the same to every parser on the way, so that no parser can read a second recipient out of it.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ENCODED_WORD = r"=\?[^?@]*\?[^?@]*\?[^?@]*\?="
_BARE = re.compile(rf"(?=.{{3,254}}\Z)(?!.*{_ENCODED_WORD}){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")


@dataclass(frozen=True, slots=True)
class Sender:
    """The From address of every mail."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        return self.address.partition("@")[2]


def parse_sender(mail_from: str, product: str = "") -> Sender:
    """Parse `no-reply@host` or `Name <no-reply@host>`; the name defaults to the product's. Raises ValueError naming
    LATCHKEY_MAIL_FROM."""
    match = re.fullmatch(r"(?:(?P<name>[^<>@]*)<)?(?P<address>[^<>]+)(?(name)>)", mail_from.strip())
    if match is None or not _BARE.fullmatch(match["address"]) or not mail_from.isprintable():
        raise ValueError("LATCHKEY_MAIL_FROM must be one address, such as Latchkey <no-reply@example.org>.")
    return Sender((match["name"] or "").strip(' "') or product, match["address"])


def recipient(letter: RenderedMail) -> str:
    """The only address that the mail may go to. Raises MailRefused for anything but one bare ASCII address."""
    if not _BARE.fullmatch(letter.recipient):
        raise MailRefused("The recipient is not one bare address; nothing was sent.")
    return letter.recipient

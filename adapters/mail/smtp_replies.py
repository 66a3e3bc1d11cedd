"""What an SMTP server's refusal means for a letter (RFC 5321 section 4.2, RFC 3463)."""

import re

from aiosmtplib.errors import SMTPResponseException

from application.mail_ports import MailDelayed, MailRefused, MailServerRefused, MailUnanswered

_ABOUT_THE_RECIPIENT = {550, 551, 552, 553, 556}
"""What a reply without an enhanced code says of a mailbox: RFC 5321 section 4.2.2 and, of its domain, RFC 7504. The
others are about a command, the server or us."""

_ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
"""RFC 2034 puts it where a reply begins, qmail and its heirs at the end. An address has four numbers."""

_OF_THE_SENDER = {"7", "8"}
"""Details of the subject "addressing" that are about the sender's address (RFC 3463 section 3.2)."""

_PLAIN = re.compile(r"[A-Za-z0-9.,;:!?()<>'\[\]@_#-]{1,24}")


def verdict(stage: str, no: SMTPResponseException, *, sent: bool) -> Exception:
    final = 500 <= no.code <= 599
    # Before the envelope only the code is repeated: an answer to AUTH may quote what it was given.
    if stage == "connecting":
        return (MailServerRefused if final else MailDelayed)(f"SMTP {stage}: {no.code}")
    text = f"SMTP {stage}: {no.code} {_spoken(no.message)}"
    if sent:
        return MailUnanswered(text)
    if final and stage == "MAIL":
        return MailServerRefused(text)
    return (MailRefused if final and _is_about_the_recipient(no) else MailDelayed)(text)


def _is_about_the_recipient(no: SMTPResponseException) -> bool:
    """Whether a reply of class 5 is about the one letter's recipient. A server's trouble or ours says nothing about
    them, however final it sounds: it ends when an operator corrects it."""
    found = _ENHANCED.search(no.message)
    if found is None:
        return no.code in _ABOUT_THE_RECIPIENT
    kind, subject, detail = found.groups()
    if kind != "5":
        return False
    if subject in {"0", "5"}:  # of no subject, or of a command: the code before it says more
        return no.code in _ABOUT_THE_RECIPIENT
    return subject == "2" or (subject == "1" and detail not in _OF_THE_SENDER)


def _spoken(text: str) -> str:
    """What a server said, fit for operators: plain words only, for it may quote a link or a token."""
    return " ".join(word if _PLAIN.fullmatch(word) else "…" for word in text.split()[:40])

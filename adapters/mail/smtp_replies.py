"""What a refusal by an SMTP server means for a mail (RFC 5321 section 4.2, RFC 3463)."""

import re

from aiosmtplib.errors import SMTPResponseException

from application.mail.ports import MailDelayed, MailRefused, MailServerRefused, MailUnanswered

_ABOUT_THE_RECIPIENT = {550, 551, 552, 553, 556}
"""Reply codes about a mailbox (RFC 5321 section 4.2.2) or its domain (RFC 7504). Other codes are about a command, the
server or the sender."""

_ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
"""RFC 2034 puts it at the start of a reply, qmail at the end. An IP address has four numbers."""

_SENDER_DETAILS = {"7", "8"}
"""Details of the subject "addressing" about the address of the sender (RFC 3463 section 3.2)."""

_PLAIN = re.compile(r"[A-Za-z0-9.,;:!?()<>'\[\]@_#-]{1,24}")


def classify(stage: str, reply: SMTPResponseException, *, sent: bool) -> Exception:
    final = 500 <= reply.code <= 599
    # While connecting only the code is logged: a reply to AUTH may quote the password.
    if stage == "connecting":
        return (MailServerRefused if final else MailDelayed)(f"SMTP {stage}: {reply.code}")
    text = f"SMTP {stage}: {reply.code} {_redact(reply.message)}"
    if sent:
        return MailUnanswered(text)
    if final and stage == "MAIL":
        return MailServerRefused(text)
    return (MailRefused if final and _is_about_the_recipient(reply) else MailDelayed)(text)


def _is_about_the_recipient(reply: SMTPResponseException) -> bool:
    """Whether a reply of class 5 is about the recipient. Other permanent errors end when an operator corrects the
    configuration, so they say nothing about this mail."""
    enhanced = _ENHANCED.search(reply.message)
    if enhanced is None:
        return reply.code in _ABOUT_THE_RECIPIENT
    kind, subject, detail = enhanced.groups()
    if kind != "5":
        return False
    if subject in {"0", "5"}:  # no subject, or a command: the basic code says more
        return reply.code in _ABOUT_THE_RECIPIENT
    return subject == "2" or (subject == "1" and detail not in _SENDER_DETAILS)


def _redact(text: str) -> str:
    """The reply for the log: plain words only, since it may quote a link or a token."""
    return " ".join(word if _PLAIN.fullmatch(word) else "…" for word in text.split()[:40])

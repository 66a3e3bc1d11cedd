"""Mailers for SMTP servers of tests."""

from adapters.mail.smtp_mailer import SmtpMailer
from adapters.mail.smtp_session import PROGRESS_INTERVAL, SmtpTimeouts
from adapters.mail.smtp_url import parse_smtp_url
from tests.support.rendered_mails import FROM
from tests.support.smtp_servers import Script


def mailer(
    server: Script,
    *,
    timeouts: SmtpTimeouts | None = None,
    progress_interval: float = PROGRESS_INTERVAL,
    user: str = "",
) -> SmtpMailer:
    url = parse_smtp_url(f"smtp://{user}127.0.0.1:{server.port}")
    return SmtpMailer(url, mail_from=FROM, timeouts=timeouts, progress_interval=progress_interval)


def all_in(seconds: float) -> SmtpTimeouts:
    return SmtpTimeouts(connecting=seconds, reply=seconds, data=seconds, end=seconds)

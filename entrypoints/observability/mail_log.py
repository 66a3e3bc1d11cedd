"""Log events about mails: by id and kind, never by address."""

import structlog

from domain.email import redact_emails
from domain.outbox import DeliveryOutcome, OutboxMail

log = structlog.get_logger(__name__)


class MailLog:
    """Implements `ReportMail`. Logs the first delayed mail of an outage and its end, a server that refuses us once,
    and each mail that is given up. A mail that is no longer needed is not a warning, because strangers can cause any
    number of these."""

    def __init__(self) -> None:
        self._delayed = False
        self._refused = False

    def __call__(
        self, mail: OutboxMail, outcome: DeliveryOutcome | None, note: str, *, server_refuses: bool = False
    ) -> None:
        fields = {"id": str(mail.id), "kind": mail.kind.value}
        reason = redact_emails(note)
        match outcome:
            case None if server_refuses:
                if not self._refused:
                    log.error("mail_server_refuses", **fields, attempts=mail.attempts, note=reason)
                self._delayed = self._refused = True
            case None:
                if not self._delayed:
                    log.warning("mail_delayed", **fields, attempts=mail.attempts, note=reason)
                self._delayed = True
            case DeliveryOutcome.SENT:
                if self._delayed:
                    log.info("mail_delivery_resumed", **fields)
                self._delayed = self._refused = False
            case DeliveryOutcome.PARKED:
                log.error("mail_parked", **fields, attempts=mail.attempts, note=reason)
            case DeliveryOutcome.DROPPED:
                log.info("mail_dropped", **fields, attempts=mail.attempts, note=reason)

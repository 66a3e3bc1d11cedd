"""Letters over SMTP (RFC 5321), one at a time, each with exactly one recipient on the wire."""

import asyncio
import re
import ssl
from contextlib import suppress
from typing import cast

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPException, SMTPResponseException

from adapters.rfc5322 import message_bytes, recipient, sender
from adapters.smtp_places import SmtpServer, Tls
from application.ports import MailDelayed, Mailer, MailRefused
from domain.mail import Letter

DEADLINE = 30.0
"""Seconds that a letter may take altogether."""


class SmtpMailer(Mailer):
    """Verifies certificates always, and says nothing to a server that lost its STARTTLS. Times are in seconds."""

    def __init__(
        self,
        server: SmtpServer,
        *,
        mail_from: str,
        deadline: float = DEADLINE,
        connecting: float = 10,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._server = server
        self._sender = sender(mail_from)
        self._deadline = deadline
        self._connecting = connecting
        self._context = None if server.tls is Tls.NONE else ssl_context or ssl.create_default_context()

    async def send(self, letter: Letter) -> None:
        await self._talk((recipient(letter), message_bytes(letter, self._sender)))

    async def greet(self) -> None:
        """Go as far as with a letter, and send none. Raises MailDelayed."""
        await self._talk(None)

    async def _talk(self, letter: tuple[str, bytes] | None) -> None:
        client = self._client()
        stage = "connecting"
        try:
            async with asyncio.timeout(self._deadline):
                async with asyncio.timeout(self._connecting):
                    await client.connect()
                    if client.is_ehlo_or_helo_needed:
                        await client.ehlo()
                if letter is not None:
                    stage = "MAIL"
                    await client.mail(self._sender.address)
                    stage = "RCPT"
                    await client.rcpt(letter[0])
                    stage = "DATA"
                    await client.data(letter[1])
            with suppress(SMTPException, OSError):
                async with asyncio.timeout(1):
                    await client.quit()
        except SMTPResponseException as no:
            raise _verdict(stage, no) from None
        except TimeoutError:
            raise MailDelayed(f"SMTP {stage}: no answer in time.") from None
        except (SMTPException, OSError) as problem:
            raise MailDelayed(f"SMTP {stage}: {problem}") from None
        finally:
            # Also after a cancellation: a server that drips or stalls must not keep the socket.
            if (transport := client.transport) is not None:
                cast(asyncio.WriteTransport, transport).abort()
            client.close()

    def _client(self) -> SMTP:
        return SMTP(
            hostname=self._server.host,
            port=self._server.port,
            username=self._server.username,
            password=self._server.password,
            local_hostname=self._sender.domain,
            timeout=None,
            use_tls=self._server.tls is Tls.IMPLICIT,
            start_tls=self._server.tls is Tls.STARTTLS,
            tls_context=self._context,
        )


# Answers to the envelope that are about us and not about the letter (RFC 4954, 6): somebody must mend the settings.
_ABOUT_US = {530, 534, 535, 538}
_PLAIN = re.compile(r"[A-Za-z0-9.,;:!?()<>'\[\]@_-]{1,24}")


def _verdict(stage: str, no: SMTPResponseException) -> Exception:
    # Before the envelope only the code is repeated: an answer to AUTH may quote what it was given.
    if stage == "connecting":
        return MailDelayed(f"SMTP {stage}: {no.code}")
    final = 500 <= no.code <= 599 and no.code not in _ABOUT_US
    return (MailRefused if final else MailDelayed)(f"SMTP {stage}: {no.code} {_spoken(no.message)}")


def _spoken(text: str) -> str:
    """What a server said, fit for operators: plain words only, for it may quote a link or a token."""
    return " ".join(word if _PLAIN.fullmatch(word) else "…" for word in text.split()[:40])

"""A mail server for development: accepts every mail from this machine and keeps it unchanged, as a file.

python -m entrypoints.devserver.mail_catcher --port 2525 --folder mailbox
"""

import argparse
import asyncio
import logging
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from entrypoints.devserver.engine import HOST


class Mailbox:
    """One `.eml` file per mail; file names sort by arrival."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last = 0

    def save(self, recipients: list[str], content: bytes) -> Path:
        # Two mails in one microsecond, or a clock set back, must not change the order.
        self._last = max(time.time_ns() // 1000, self._last + 1)
        arrival = datetime.fromtimestamp(self._last // 1_000_000, UTC)
        name = f"{arrival:%Y%m%dT%H%M%S}.{self._last % 1_000_000:06d}Z"
        envelope = f"X-Envelope-To: {', '.join(recipients)}\r\n".encode(errors="surrogateescape")
        unfinished = self._folder / f".{name}.tmp"
        unfinished.write_bytes(envelope + content)
        return unfinished.replace(self._folder / f"{name}.eml")

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Called by aiosmtpd, which has removed the doubled dots of SMTP."""
        content = envelope.original_content or b""
        await asyncio.to_thread(self.save, envelope.rcpt_tos, content)
        return "250 Kept"


async def run_server(mailbox: Mailbox, port: int) -> None:
    """Run until SIGINT or SIGTERM."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    # A fixed host name, because looking up the machine's may take seconds.
    server = await loop.create_server(
        lambda: SMTP(mailbox, hostname="localhost", enable_SMTPUTF8=True, loop=loop), HOST, port
    )
    async with server:
        await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m entrypoints.devserver.mail_catcher", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    asyncio.run(run_server(Mailbox(folder), arguments.port))


if __name__ == "__main__":
    main()

"""The fake SMTP server itself: closing it closes every connection."""

import gc
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.fake_smtp_server import FakeSmtpServer
from tests.support.smtp_servers import STALL

TIMES, CLIENTS = 50, 6


def wait_for_answer(smtp: FakeSmtpServer, words: bytes) -> socket.socket:
    """A client that has sent something and waits for an answer."""
    client = socket.create_connection(("127.0.0.1", smtp.port), 10)
    client.sendall(words)
    return client


RENDERED_MAIL = b"EHLO x\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<stall@example.org>\r\nDATA\r\nhello\r\n.\r\n"


@pytest.mark.parametrize("words", [b"", b"EHLO x\r\n", RENDERED_MAIL, b"EHLO x\r\nSTARTTLS\r\n"])
def test_closing_aborts_every_connection(words: bytes, tmp_path: Path) -> None:
    """50 times with six clients; a socket that stays open causes a ResourceWarning, which fails the test."""
    smtp = FakeSmtpServer(Authority(tmp_path).server("127.0.0.1") if b"STARTTLS" in words else None)
    smtp.answers = {"stall": STALL}
    for _ in range(TIMES):
        smtp.open()
        clients = [wait_for_answer(smtp, words) for _ in range(CLIENTS)]
        clients[0].recv(1)
        smtp.close()
        for client in clients:
            with client, suppress(ConnectionResetError):
                while client.recv(4096):
                    pass
    gc.collect()

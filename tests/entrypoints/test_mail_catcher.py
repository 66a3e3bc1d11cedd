"""The mail catcher stores each mail unchanged in a file of its own, in order of arrival."""

import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from entrypoints.devserver.engine import free_port

ROOT = Path(__file__).parents[2]


class Catcher:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()

    def deliver(self, recipients: list[str], mail: bytes) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                with smtplib.SMTP("127.0.0.1", self.port) as client:
                    client.sendmail("us@example.org", recipients, mail)
                return
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def mails(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(self.folder.glob("*.eml"))]


@pytest.fixture
def catcher(tmp_path: Path) -> Iterator[Catcher]:
    catcher = Catcher(tmp_path / "mail box")
    command = [sys.executable, "-m", "entrypoints.devserver.mail_catcher"]
    command += ["--port", str(catcher.port), "--folder", str(catcher.folder)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        yield catcher
        process.terminate()
    assert process.returncode == 0


def test_mail_is_stored_unchanged(catcher: Catcher) -> None:
    mail = "Subject: Grüße\r\n\r\n.a dot\r\n..two\r\nlast\r\n".encode()
    catcher.deliver(["one@example.org", "two@example.org"], mail)
    assert catcher.mails() == [b"X-Envelope-To: one@example.org, two@example.org\r\n" + mail]
    assert {path.suffix for path in catcher.folder.iterdir()} == {".eml"}


def test_file_names_sort_by_arrival(catcher: Catcher) -> None:
    for number in range(20):
        catcher.deliver(["one@example.org"], f"Subject: {number}\r\n\r\n\r\n".encode())
    subjects = [mail.split(b"Subject: ")[1].split(b"\r\n")[0] for mail in catcher.mails()]
    assert subjects == [str(number).encode() for number in range(20)]

"""Mails written to files, instead of sending or as copies."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from adapters.mail.folder_mailer import CopyingMailer, FolderMailer
from adapters.mail.smtp_mailer import SmtpMailer
from adapters.mail.smtp_url import parse_smtp_url
from application.mail.ports import MailDelayed
from tests.support.rendered_mails import FROM, RENDERED_MAIL
from tests.support.smtp_servers import scripted

pytestmark = pytest.mark.anyio


async def test_an_unwritable_folder_delays_the_mail(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MailDelayed):
        await FolderMailer(tmp_path / "file", mail_from=FROM).send(RENDERED_MAIL)


async def test_copy_is_written_after_sending_and_its_failure_delays_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    broken, works = (FolderMailer(tmp_path / name, mail_from=FROM) for name in ("file", "works"))
    await CopyingMailer(works, broken).send(RENDERED_MAIL)
    assert "not copied" in caplog.text
    with pytest.raises(MailDelayed):
        await CopyingMailer(broken, FolderMailer(tmp_path / "copy", mail_from=FROM)).send(RENDERED_MAIL)
    assert len(list((tmp_path / "works").glob("*.eml"))) == 1
    assert not (tmp_path / "copy").exists()


def test_mails_of_a_session_are_copied_and_sent_over_one_connection(tmp_path: Path) -> None:
    async def heard() -> list[str]:
        async with scripted() as server:
            smtp = SmtpMailer(parse_smtp_url(f"smtp://127.0.0.1:{server.port}"), mail_from=FROM)
            async with CopyingMailer(smtp, FolderMailer(tmp_path, mail_from=FROM)).session() as mailer:
                for number in (1, 2):
                    await mailer.send(replace(RENDERED_MAIL, id=UUID(int=number)))
        return [line.split()[0] for line in server.heard]

    assert asyncio.run(heard()) == ["EHLO", *["MAIL", "RCPT", "DATA"] * 2, "QUIT"]
    assert len(list(tmp_path.glob("*.eml"))) == 2


def test_files_sort_by_the_time_of_the_mail(tmp_path: Path) -> None:
    mailer = FolderMailer(tmp_path, mail_from=FROM)
    letters = [
        replace(RENDERED_MAIL, id=UUID(int=9 - n), written_at=datetime(2026, 1, n, tzinfo=UTC)) for n in (1, 2, 3)
    ]
    for letter in reversed(letters):
        asyncio.run(mailer.send(letter))
    names = sorted(file.name for file in tmp_path.iterdir())
    assert [name.partition("Z-")[2] for name in names] == [f"{letter.id}.eml" for letter in letters]

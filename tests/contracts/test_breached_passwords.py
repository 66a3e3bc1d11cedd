"""Range files of breached passwords in the format of Have I Been Pwned."""

import hashlib
import logging
from pathlib import Path

import pytest

from adapters.passwords.breached_passwords import BreachedPasswords

PASSWORD = "crumpet vortex walnut gimlet"
DIGEST = hashlib.sha1(PASSWORD.encode()).hexdigest().upper()
PREFIX, SUFFIX = DIGEST[:5], DIGEST[5:]
OTHERS = ["0018A45C4D1DEF81644B54AB7F969B88D65:1", "FFF0B1A2C3D4E5F60718293A4B5C6D7E8F9:37"]


@pytest.mark.parametrize("name", [PREFIX, f"{PREFIX}.txt", PREFIX.lower(), f"{PREFIX.lower()}.txt"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("line", [f"{SUFFIX}:3", f"{SUFFIX.lower()}:3", f"\ufeff{SUFFIX}:12"])
def test_a_breached_password_is_found(tmp_path: Path, name: str, end: str, line: str) -> None:
    lines = [line, *OTHERS] if line.startswith("\ufeff") else [OTHERS[0], line, OTHERS[1]]
    (tmp_path / name).write_text(end.join(lines), encoding="utf-8", newline="")
    breached = BreachedPasswords(tmp_path)
    assert breached(PASSWORD)
    assert not breached(PASSWORD + "!")


@pytest.mark.parametrize(
    "line", [f"{SUFFIX}:0", SUFFIX, f"{SUFFIX}:", f"{SUFFIX[:-1]}:3", f"{SUFFIX}0:3", "", "\x00\xff"]
)
def test_padding_and_invalid_lines_match_nothing(tmp_path: Path, line: str) -> None:
    (tmp_path / PREFIX).write_text("\n".join([*OTHERS, line]), encoding="latin-1")
    assert not BreachedPasswords(tmp_path)(PASSWORD)


@pytest.mark.parametrize("made", ["nothing", "a folder", "no folder at all"])
def test_unreadable_file_is_logged_once_and_the_password_accepted(
    tmp_path: Path, made: str, caplog: pytest.LogCaptureFixture
) -> None:
    if made == "a folder":
        (tmp_path / PREFIX).mkdir()
    breached = BreachedPasswords(tmp_path / "gone" if made == "no folder at all" else tmp_path)
    with caplog.at_level(logging.INFO):
        assert not any(breached(password) for password in (PASSWORD, PASSWORD, "another", "\ud800"))
    [record] = caplog.records
    assert record.getMessage().startswith("breached_passwords_unreadable")
    assert str(tmp_path) in record.getMessage()
    assert PREFIX not in record.getMessage().upper()

"""Encryption keys in a file: read again when it changes, kept when it cannot be used."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from adapters.factors.aes_gcm_box import AesGcmBox
from adapters.factors.encryption_keys import ReloadingKeys
from entrypoints.settings.tokens import secrets

NEW, OLD = "6f1d0c9b8a7e5f4d3c2b1a0918273645", "a3c5e7092b4d6f8192a4b6c8d0e2f416"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "encryption_keys"


@pytest.fixture
def keys(file: Path) -> ReloadingKeys:
    file.write_text(OLD)
    return ReloadingKeys([OLD.encode()], file, parse=secrets)


def put(file: Path, text: str) -> None:
    """Replace the file, as a deployment does."""
    draft = file.with_suffix(".draft")
    draft.write_text(text)
    draft.rename(file)


def rewrite(file: Path, text: str) -> None:
    """Write to the same file."""
    with file.open("r+") as output:
        output.truncate()
        output.write(text)


def named(keys: ReloadingKeys) -> str:
    return ",".join(key.decode() for key in keys.current())


@pytest.mark.parametrize("change", [put, rewrite])
def test_changed_file_is_read_again(keys: ReloadingKeys, file: Path, change: Callable[[Path, str], None]) -> None:
    for text in (f"{OLD},{NEW}", f" {NEW} , {OLD}\r\n", f"\ufeff{NEW}\n", OLD):
        change(file, text)
        keys.reload()
        assert named(keys) == text.strip("\ufeff\r\n ").replace(" ", "")


def test_replaced_folder_of_a_kubernetes_secret_is_noticed(tmp_path: Path) -> None:
    """The files of a mounted secret are links through one link, which is replaced."""
    for name, text in (("1", OLD), ("2", NEW)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "encryption_keys").write_text(text)
        os.utime(tmp_path / name / "encryption_keys", (0, 0))
    (tmp_path / "data").symlink_to("1")
    (tmp_path / "encryption_keys").symlink_to("data/encryption_keys")
    keys = ReloadingKeys([OLD.encode()], tmp_path / "encryption_keys", parse=secrets)
    keys.reload()
    (tmp_path / "next").symlink_to("2")
    (tmp_path / "next").rename(tmp_path / "data")
    keys.reload()
    assert named(keys) == NEW


@pytest.mark.parametrize(
    "broken", [b"", b"\n", b"short", b"\xff" * 40, f"{NEW},x".encode(), f"{NEW},{NEW}".encode(), None]
)
def test_unusable_file_keeps_the_keys_and_is_logged_once(
    keys: ReloadingKeys, file: Path, broken: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    keys.reload()
    if broken is None:
        file.unlink()
    else:
        file.write_bytes(broken)
    for _ in range(3):
        keys.reload()
    assert named(keys) == OLD
    [line] = caplog.messages
    assert line.startswith(f"encryption_keys_unreadable: the previous keys stay in use: {file}: ")
    assert NEW not in line
    put(file, NEW)
    keys.reload()
    assert named(keys) == NEW
    assert caplog.messages[1:] == ["encryption_keys_readable", "encryption_keys_changed: 1 keys"]
    assert OLD not in caplog.text
    assert NEW not in caplog.text


def test_keys_of_the_environment_do_not_change() -> None:
    keys = ReloadingKeys([OLD.encode()], None, parse=secrets)
    keys.reload()
    assert named(keys) == OLD


def test_process_reads_a_key_that_another_one_uses_already(keys: ReloadingKeys, file: Path) -> None:
    one, other = (AesGcmBox(it.current, reload=it.reload) for it in (keys, ReloadingKeys([], file, parse=secrets)))
    put(file, f"{NEW},{OLD}")
    keys.reload()
    encrypted = one.encrypt(b"secret", context=b"")
    assert other.decrypt(encrypted, context=b"") == b"secret"
    put(file, OLD)
    # What it has read stays until it reads again.
    assert other.decrypt(encrypted, context=b"") == b"secret"
    keys.reload()
    assert one.decrypt(encrypted, context=b"") is None
    put(file, f"{OLD},{NEW}")
    assert one.decrypt(encrypted, context=b"") == b"secret"


def test_reload_does_not_wait_for_a_mount_that_hangs(tmp_path: Path) -> None:
    """A named pipe without a writer stands for the mount."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    keys = ReloadingKeys([OLD.encode()], pipe, parse=secrets)
    hanging = Thread(target=keys.reload)
    hanging.start()
    keys.reload()
    assert named(keys) == OLD
    with pipe.open("wb") as writer:
        writer.write(NEW.encode())
    hanging.join(10)
    assert named(keys) == NEW

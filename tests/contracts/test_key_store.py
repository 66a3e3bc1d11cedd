"""Keys that are added and removed while a process runs: which verify, which one signs, and what others can cause."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.tokens.jwt_codec import JwtCodec
from adapters.tokens.key_store import ReloadingKeyStore
from adapters.tokens.pem_keys import SigningKey
from domain.refusals import ErrorCode, Refusal
from tests.support.forging import HEADER, NOW, codec, forged
from tests.support.key_files import AT, private_pem, public_pem, put

A, B, C = (Ed25519PrivateKey.generate() for _ in range(3))
OLD, DELAY, SECOND = 10_000, 60, 1.0
TOKEN = codec().decode(forged())


def kid(key: Ed25519PrivateKey) -> str:
    return SigningKey.of(key).kid


def signed_by(key: Ed25519PrivateKey) -> str:
    return forged(header={**HEADER, "kid": kid(key)}, sign=key.sign)


class Process:
    """A process that signs and verifies, with a clock that the test moves."""

    def __init__(self, path: Path) -> None:
        self.ticks = 500.0
        self.asked, self.mount = threading.Event(), threading.Event()
        self.mount.set()
        self.keys = ReloadingKeyStore(
            path,
            delay=timedelta(seconds=DELAY),
            clock=lambda: datetime.fromtimestamp(AT, UTC),
            ticks=self._tick,
        )
        self.codec = JwtCodec(
            keys=self.keys.current,
            issuer="https://id.example.org",
            clock=lambda: NOW,
            horizon=timedelta(hours=1),
        )

    def _tick(self) -> float:
        self.asked.set()
        self.mount.wait()
        return self.ticks

    def reload(self, *, after: float = SECOND) -> None:
        self.ticks += after
        self.keys.reload()

    def verifies(self, key: Ed25519PrivateKey) -> bool:
        """Whether a token signed by this key is accepted."""
        try:
            return self.codec.decode(signed_by(key)) == TOKEN
        except Refusal as refusal:
            return refusal.code is not ErrorCode.TOKEN_INVALID

    def signs(self, key: Ed25519PrivateKey) -> bool:
        """Whether new tokens are signed by this key and name it in the header."""
        try:
            return codec(keys=[SigningKey.of(key)]).decode(self.codec.encode(TOKEN)) == TOKEN
        except Refusal:
            return False

    def shown(self) -> list[str]:
        return [jwk["kid"] for jwk in self.codec.jwks()["keys"]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    put(tmp_path, "a.pem", private_pem(A), age=OLD)
    return tmp_path


@pytest.fixture
def process(folder: Path) -> Process:
    return Process(folder)


def test_new_key_verifies_at_once_and_signs_later(folder: Path, process: Process) -> None:
    before = process.codec.encode(TOKEN)
    assert process.shown() == [kid(A)]
    put(folder, "b.pem", private_pem(B))
    process.reload()
    assert (process.verifies(B), process.signs(A), process.shown()) == (True, True, [kid(B), kid(A)])
    process.reload(after=DELAY - 0.001)
    assert process.signs(A)
    process.reload(after=0.001)
    assert (process.signs(B), process.verifies(A), process.shown()) == (True, True, [kid(B), kid(A)])
    assert process.codec.decode(before) == TOKEN


def test_unchanged_keys_are_the_same_object(folder: Path, process: Process) -> None:
    now = process.keys.current()
    process.reload(after=DELAY)
    assert process.keys.current() is now


def test_each_new_key_waits_for_its_own_delay(folder: Path, process: Process) -> None:
    put(folder, "b.pem", private_pem(B))
    process.reload()
    put(folder, "c.pem", private_pem(C))
    process.reload(after=20)
    assert process.signs(A)
    process.reload(after=DELAY - 20)
    assert process.signs(B)
    process.reload(after=20)
    assert process.signs(C)


def test_a_removed_key_is_dropped_with_its_tokens(folder: Path, process: Process) -> None:
    put(folder, "b.pem", private_pem(B), age=OLD + 1)
    process.reload()
    process.reload(after=DELAY)
    assert process.verifies(B)
    (folder / "b.pem").unlink()
    process.reload()
    assert (process.verifies(B), process.verifies(A), process.shown()) == (False, True, [kid(A)])
    put(folder, "b.pem", private_pem(B))
    process.reload()
    assert (process.verifies(B), process.signs(A)) == (True, True)
    process.reload(after=DELAY)
    assert process.signs(B)


def test_a_new_key_signs_at_once_if_the_signing_key_is_removed(folder: Path, process: Process) -> None:
    put(folder, "b.pem", private_pem(B))
    put(folder, "c.pem", private_pem(C))
    (folder / "a.pem").unlink()
    process.reload()
    assert (process.verifies(A), process.signs(B), process.shown()) == (False, True, [kid(C), kid(B)])
    process.reload(after=DELAY)
    assert process.signs(C)


def test_private_half_of_a_signing_key_can_be_removed(folder: Path, process: Process) -> None:
    put(folder, "b.pem", private_pem(B), age=OLD + 1)
    put(folder, "a.pem", public_pem(A), age=OLD)
    process.reload()
    assert (process.verifies(A), process.signs(A), process.signs(B)) == (True, False, True)


def test_a_single_file_can_be_replaced(tmp_path: Path) -> None:
    file = put(tmp_path, "key", private_pem(A))
    process = Process(file)
    put(tmp_path, "draft", private_pem(B)).rename(file)
    process.reload()
    assert (process.verifies(A), process.signs(B)) == (False, True)


# -- start ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ages", "signs"),
    [
        ({"a": OLD}, "a"),
        ({"a": OLD, "b": DELAY}, "b"),
        ({"a": OLD, "b": DELAY - 0.1}, "a"),
        ({"a": DELAY, "b": -3600}, "a"),
        ({"a": 20, "b": 10}, "a"),
        ({"b": 0}, "b"),
        # Written together in any order, as kubelet does when a pod starts.
        ({"a": 0, "b": 0.01}, "a"),
        ({"a": 0.01, "b": 0}, "a"),
        ({"a": -3600, "b": 0}, "a"),
        ({"a": 0, "b": 0.02, "c": 0.01}, "b"),
        ({"a": 20, "b": 19.99, "c": 5}, "a"),
        ({"a": OLD, "b": OLD + 1, "c": OLD + 2}, "c"),
    ],
    ids=str,
)
def test_a_process_starts_with_a_key_that_other_processes_have_loaded(
    tmp_path: Path, ages: dict[str, float], signs: str
) -> None:
    keys = {"a": A, "b": B, "c": C}
    for name, age in ages.items():
        put(tmp_path, f"{name}.pem", private_pem(keys[name]), age=age)
    process = Process(tmp_path)
    assert process.signs(keys[signs])
    process.reload(after=DELAY)
    assert process.signs(keys[max(ages)])


def test_file_times_never_choose_the_signing_key(tmp_path: Path) -> None:
    """Kubelet, git, a copy or a restore write all files again, with arbitrary times."""
    for name, key in (("2026-01.pem", A), ("2026-06.pem", B)):
        put(tmp_path, name, private_pem(key), age=OLD)
    process = Process(tmp_path)
    for ages in ((OLD, OLD), (0, OLD), (OLD, 0), (-OLD, 0)):
        for name, key, age in zip(("2026-01.pem", "2026-06.pem"), (A, B), ages, strict=True):
            put(tmp_path, "draft", private_pem(key), age=age).rename(tmp_path / name)
        process.reload()
        assert process.signs(B)
        # Another process that starts now may wait, and then signs with the same key.
        other = Process(tmp_path)
        other.reload(after=DELAY)
        assert other.signs(B)


def test_start_requires_usable_files(folder: Path) -> None:
    put(folder, "b.pem", b"")
    with pytest.raises(ValueError, match=r"b\.pem: not one PEM key"):
        Process(folder)


# -- unknown keys -----------------------------------------------------------------------------------------


def test_token_of_an_unknown_key_is_refused_without_reading_files(folder: Path, process: Process) -> None:
    """Verification runs on the event loop and must not wait for a disk."""
    put(folder, "b.pem", private_pem(B))
    process.ticks += 3600
    strangers = [Ed25519PrivateKey.generate() for _ in range(1000)]
    assert not any(map(process.verifies, [*strangers, B]))
    assert (process.verifies(A), process.shown()) == (True, [kid(A)])
    process.reload()
    assert not any(map(process.verifies, strangers))
    assert (process.verifies(B), process.verifies(A), process.shown()) == (True, True, [kid(B), kid(A)])


# -- errors -----------------------------------------------------------------------------------------------


def swap_for_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_bytes(b"not a folder")


HALF = private_pem(B)[:60]
TROUBLES: dict[str, Callable[[Path], object]] = {
    "a broken new file": lambda folder: put(folder, "b.pem", HALF),
    "an empty new file": lambda folder: put(folder, "b.pem", b""),
    "a file that cannot be read": lambda folder: (folder / "b.pem").mkdir(),
    "a key half overwritten": lambda folder: put(folder, "a.pem", HALF),
    "a key overwritten with nothing": lambda folder: put(folder, "a.pem", b""),
    "an empty folder": lambda folder: (folder / "a.pem").unlink(),
    "a public half alone": lambda folder: put(folder, "a.pem", public_pem(A)),
    "no folder": shutil.rmtree,
    "a file for a folder": swap_for_file,
    "a ring of links": lambda folder: (folder / "b.pem").symlink_to(folder / "b.pem"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_unreadable_keys_change_nothing_and_are_logged_once(
    tmp_path: Path, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    put(folder, "a.pem", private_pem(A), age=OLD)
    process = Process(folder)
    TROUBLES[trouble](folder)
    for _ in range(3):
        process.reload()
        assert (process.verifies(A), process.signs(A), process.shown()) == (True, True, [kid(A)])
    [record] = caplog.records
    assert (record.levelname, str(folder) in record.getMessage()) == ("ERROR", True)
    assert not any(line in caplog.text for line in (private_pem(A) + HALF).decode().splitlines()[1:-1])
    # A repaired file is loaded.
    folder.unlink() if folder.is_file() else shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    put(folder, "b.pem", private_pem(B))
    process.reload()
    assert (process.verifies(B), process.signs(B), process.verifies(A)) == (True, True, False)
    assert [record.levelname for record in caplog.records[1:]] == ["WARNING", "WARNING"]


def test_unreadable_folder_is_not_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    folder = Path("keys")
    folder.mkdir()
    put(folder, "a.pem", private_pem(A))
    process = Process(folder)
    folder.chmod(0o111)
    with unprivileged():
        process.reload()
    assert process.verifies(A)
    assert "keys: cannot be read (Permission denied)" in caplog.text


@contextmanager
def unprivileged() -> Iterator[None]:
    """Root can read every file."""
    me = os.geteuid()
    os.seteuid(65534 if me == 0 else me)
    try:
        yield
    finally:
        os.seteuid(me)


def test_unreadable_file_does_not_keep_a_leaked_key_valid(folder: Path) -> None:
    put(folder, "B.pem", private_pem(B), age=OLD)
    process = Process(folder)
    put(folder, "a.pem", HALF)
    process.reload()
    assert (process.signs(A), process.verifies(B)) == (True, True)
    (folder / "B.pem").unlink()
    process.reload()
    assert (process.signs(A), process.verifies(B)) == (True, False)
    # A later problem with the same file is logged again.
    put(folder, "a.pem", HALF + b"more")
    put(folder, "c.pem", private_pem(C), age=OLD)
    process.reload()
    process.reload(after=DELAY)
    assert (process.signs(C), process.shown()) == (True, [kid(C), kid(A)])


def test_another_problem_is_logged_again(folder: Path, process: Process, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("b.pem", "c.pem"):
        put(folder, name, b"")
        process.reload()
        process.reload()
    assert [name in caplog.records[-1].getMessage() for name in ("b.pem", "c.pem")] == [True, True]
    assert len(caplog.records) == 2


@pytest.mark.parametrize("odd", ["a ring of links", "a pipe"])
def test_odd_file_does_not_keep_a_leaked_key_valid(folder: Path, odd: str) -> None:
    put(folder, "b.pem", private_pem(B), age=OLD + 1)
    process = Process(folder)
    {"a ring of links": lambda file: file.symlink_to(file), "a pipe": os.mkfifo}[odd](folder / "z.pem")
    (folder / "b.pem").unlink()
    process.reload()
    assert (process.signs(A), process.verifies(B)) == (True, False)


def test_hanging_mount_does_not_block_the_event_loop(folder: Path, process: Process) -> None:
    put(folder, "b.pem", private_pem(B))
    process.mount.clear()
    process.asked.clear()
    looking = threading.Thread(target=process.reload)
    looking.start()
    try:
        process.asked.wait()
        process.reload()
        assert (process.verifies(A), process.verifies(B), process.signs(A)) == (True, False, True)
        assert looking.is_alive()
    finally:
        process.mount.set()
        looking.join()
    assert process.verifies(B)

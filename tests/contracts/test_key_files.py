"""Which keys are loaded from PEM files, in what order, and how a new one is made."""

import os
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from adapters.key_files import held_keys, load_keys, make_key, read_keys
from adapters.pem_keys import SigningKey
from tests.contracts.key_files import AT, private_pem, public_pem, put

ED, P256 = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())


def test_a_file_is_one_key(tmp_path: Path) -> None:
    for name, key, form, alg in (
        ("ed.pem", ED, PrivateFormat.PKCS8, "EdDSA"),
        ("ec.pem", P256, PrivateFormat.PKCS8, "ES256"),
        ("sec1.pem", P256, PrivateFormat.TraditionalOpenSSL, "ES256"),
    ):
        [loaded] = load_keys(put(tmp_path, name, private_pem(key, form)))
        assert (loaded.alg, loaded.kid, loaded.public) == (alg, SigningKey.of(key).kid, key.public_key())
        assert loaded.private is not None


def test_a_folder_is_read_from_newest_to_oldest(tmp_path: Path) -> None:
    news = [ed25519.Ed25519PrivateKey.generate() for _ in range(2)]
    put(tmp_path, "a.pem", private_pem(P256), age=10)
    put(tmp_path, "m.pem", public_pem(ED), age=20)
    put(tmp_path, "y.pem", private_pem(news[0]))
    put(tmp_path, "z.pem", private_pem(news[1]))
    put(tmp_path, "notes.txt", b"not a key")
    keys = load_keys(tmp_path)
    assert [key.kid for key in keys] == [SigningKey.of(key).kid for key in (news[1], news[0], P256, ED)]
    assert [key.private is not None for key in keys] == [True, True, True, False]


def test_the_half_that_signs_counts(tmp_path: Path) -> None:
    put(tmp_path, "new.pub.pem", public_pem(ED))
    put(tmp_path, "old.pem", private_pem(ED), age=10)
    [key] = load_keys(tmp_path)
    assert key.private is not None


def test_nothing_secret_is_in_a_repr() -> None:
    assert "key" not in repr(SigningKey.of(ED)).replace("SigningKey", "").lower()


UNUSABLE = {
    "empty": b"",
    "hmac": b"a shared secret of more than thirty-two bytes",
    "broken": private_pem(ED).replace(b"MC4C", b"MC4D"),
    "cut": private_pem(P256)[:60],
    "rsa": private_pem(rsa.generate_private_key(65537, 2048)),
    "public rsa": public_pem(rsa.generate_private_key(65537, 2048)),
    "dsa": private_pem(dsa.generate_private_key(2048)),
    "p384": private_pem(ec.generate_private_key(ec.SECP384R1())),
    "k256": private_pem(ec.generate_private_key(ec.SECP256K1())),
    "ed448": private_pem(ed448.Ed448PrivateKey.generate()),
    "x25519": private_pem(x25519.X25519PrivateKey.generate()),
    "encrypted": ED.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")),
    "two": private_pem(ED) + private_pem(P256),
    "certificate": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
}


@pytest.mark.parametrize("pem", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_an_unusable_file_is_named_and_not_quoted(tmp_path: Path, pem: bytes) -> None:
    put(tmp_path, "good.pem", private_pem(ED))
    file = put(tmp_path, "bad.pem", pem)
    for path in (file, tmp_path):
        with pytest.raises(ValueError, match=r"bad\.pem: ") as error:
            load_keys(path)
        assert not any(line and line in str(error.value) for line in pem.decode().splitlines())


def test_somebody_has_to_sign(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no private key"):
        load_keys(tmp_path)
    with pytest.raises(ValueError, match=r"gone\.pem: cannot be read"):
        load_keys(tmp_path / "gone.pem")
    with pytest.raises(ValueError, match=r"ed\.pem: no private key"):
        load_keys(put(tmp_path, "ed.pem", public_pem(ED)))


def test_a_new_key_is_private_whole_and_first(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "keys"
    made = [make_key(folder) for _ in range(5)]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in made} == {0o600}
    assert sorted(folder.iterdir()) == sorted(made) == made
    keys = load_keys(folder)
    assert keys[0].kid in made[-1].name
    assert {key.kid for key in keys} == {file.stem.partition("Z-")[2] for file in made}
    assert {key.alg for key in keys} == {"EdDSA"}


def test_a_new_key_is_the_first_whatever_the_clock_says(tmp_path: Path) -> None:
    put(tmp_path, "future.pem", private_pem(P256))
    for _ in range(3):
        made = make_key(tmp_path)
        assert load_keys(tmp_path)[0].kid in made.name


def test_a_new_key_belongs_to_whom_the_last_belonged(tmp_path: Path) -> None:
    owner = (4711, 4712) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(put(tmp_path, "old.pem", private_pem(P256)), *owner)
    made = make_key(tmp_path).stat()
    assert (made.st_uid, made.st_gid, stat.S_IMODE(made.st_mode)) == (*owner, 0o600)


def test_what_is_unchanged_is_not_read_again(tmp_path: Path) -> None:
    put(tmp_path, "a.pem", private_pem(ED))
    put(tmp_path, "b.pem", b"")
    (tmp_path / "c.pem").mkdir()
    (tmp_path / "d.pem").symlink_to(tmp_path / "gone")
    (tmp_path / "e.pem").symlink_to("e.pem")
    first = read_keys(tmp_path)
    again = read_keys(tmp_path, first)
    names = {file.name: it is first[file] for file, it in again.items()}
    assert names == {"a.pem": True, "b.pem": True, "c.pem": True, "e.pem": False}
    assert [it.problem for it in again.values()] == [it.problem for it in first.values()]
    # The same size and the same time of writing: still another file.
    put(tmp_path, "new", private_pem(ed25519.Ed25519PrivateKey.generate())).rename(tmp_path / "a.pem")
    [key] = held_keys(read_keys(tmp_path, first).values())
    assert key.key.kid != SigningKey.of(ED).kid


def linked_pipe(file: Path) -> None:
    os.mkfifo(file.with_name("pipe"))
    file.symlink_to("pipe")


ODD: dict[str, Callable[[Path], object]] = {
    "a ring of links": lambda file: file.symlink_to(file.name),
    "a link through a file": lambda file: file.symlink_to(file.with_name("good.pem") / "x.pem"),
    "a link to a name that is too long": lambda file: file.symlink_to("x" * 300),
    "a pipe": os.mkfifo,
    "a link to a pipe": linked_pipe,
    "a device": lambda file: file.symlink_to("/dev/zero"),
    "a folder": Path.mkdir,
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_file_is_its_own_problem_and_is_never_opened(tmp_path: Path, odd: str) -> None:
    put(tmp_path, "good.pem", private_pem(P256))
    file = tmp_path / "odd.pem"
    ODD[odd](file)
    files = read_keys(tmp_path)
    assert [it.key.kid for it in held_keys(files.values())] == [SigningKey.of(P256).kid]
    assert [it.problem.partition(": ")[0] for it in files.values() if it.problem] == [str(file)]
    assert make_key(tmp_path) in read_keys(tmp_path)
    for path in (file, tmp_path):
        with pytest.raises(ValueError, match=r"odd\.pem: "):
            load_keys(path)


@pytest.mark.parametrize("seconds", [-(2**43), -1, 2**38, 2**43])
def test_a_time_that_no_calendar_has_is_a_time(tmp_path: Path, seconds: int) -> None:
    """Not every file system keeps such a one, so the test says it itself."""
    [it] = read_keys(put(tmp_path, "a.pem", private_pem(ED))).values()
    [key] = held_keys([replace(it, written=seconds * 10**9, changed=seconds * 10**9)])
    assert key.key.kid == SigningKey.of(ED).kid
    assert (key.since > datetime.now(UTC)) is (seconds > 0)
    assert key.since + timedelta(days=300) > key.since


def test_since_when_a_key_lies_there(tmp_path: Path) -> None:
    made_long_ago = put(tmp_path, "a.pem", private_pem(ED), age=AT - 1)
    [key] = held_keys(read_keys(tmp_path).values())
    assert key.since.timestamp() == pytest.approx(made_long_ago.stat().st_ctime)
    put(tmp_path, "b.pem", public_pem(ED), age=5)
    [key] = held_keys(read_keys(tmp_path).values())
    assert (key.since.timestamp(), len(key.files)) == (AT - 5, 2)

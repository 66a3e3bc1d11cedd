"""Which keys are loaded from PEM files, in what order, and how a new key is created."""

import os
import stat
import subprocess
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

from adapters.tokens.key_files import key_entries, make_key, read_keys
from adapters.tokens.pem_keys import Algorithm, SigningKey
from tests.support.forging import codec, forged, signing
from tests.support.key_files import AT, load_keys, private_pem, public_pem, put
from tests.support.programs import program

ED, P256 = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)


def test_key_file_holds_one_key(tmp_path: Path) -> None:
    for name, key, form, alg in (
        ("ed.pem", ED, PrivateFormat.PKCS8, "EdDSA"),
        ("ec.pem", P256, PrivateFormat.PKCS8, "ES256"),
        ("sec1.pem", P256, PrivateFormat.TraditionalOpenSSL, "ES256"),
        ("rsa.pem", RSA, PrivateFormat.PKCS8, "RS256"),
        ("pkcs1.pem", RSA, PrivateFormat.TraditionalOpenSSL, "RS256"),
    ):
        [loaded] = load_keys(put(tmp_path, name, private_pem(key, form)))
        assert (loaded.alg, loaded.kid, loaded.public) == (alg, SigningKey.of(key).kid, key.public_key())
        assert loaded.private is not None


def test_a_folder_is_read_from_newest_to_oldest(tmp_path: Path) -> None:
    news = [ed25519.Ed25519PrivateKey.generate() for _ in range(2)]
    put(tmp_path, "key-2.pem", public_pem(ED), age=5)
    put(tmp_path, "key-10.pem", private_pem(P256), age=20)
    put(tmp_path, "2026-06.pem", private_pem(news[1]), age=20)
    put(tmp_path, "2026-01.pem", private_pem(news[0]))
    put(tmp_path, "notes.txt", b"not a key")
    keys = load_keys(tmp_path)
    assert [key.kid for key in keys] == [SigningKey.of(key).kid for key in (news[1], news[0], P256, ED)]
    assert [key.private is not None for key in keys] == [True, True, True, False]


@pytest.mark.parametrize(
    "names",
    [
        ["a.pem", "b.pem", "z.pem"],
        ["1.pem", "2.pem", "10.pem", "1764504024.pem", "1764504024123.pem"],
        ["key.pem", "v9.pem", "v10.pem", "20260101T000000.000000Z-abc.pem"],
        ["key-2025-12.pem", "signing_202601.pem", "2026-01-15.pem", "key.2026.02.pem", "x-2026_03_01-0.pem"],
        ["2026-01.pem", "20260101T010203Z.pem", "2026-01-01T01-02-03.5.pem", "20260101T010203.600000Z-4.pem"],
        ["2026-13.pem", "20269999.pem", "99999999.pem", "2026-01.pem", "2026-02-31.pem", "2026-03-01.pem"],
        ["\u0663.pem", "2026-01.pem", "2999-12.pem"],
    ],
)
def test_file_names_order_keys_of_the_same_time(tmp_path: Path, names: list[str]) -> None:
    for name in reversed(names):
        (tmp_path / name).write_bytes(private_pem(ed25519.Ed25519PrivateKey.generate()))
    held = key_entries(read_keys(tmp_path).values())
    assert [file.name for it in reversed(held) for file in it.files] == names
    assert make_key(tmp_path) == key_entries(read_keys(tmp_path).values())[0].files[0]


def test_a_public_file_never_replaces_an_older_private_key(tmp_path: Path) -> None:
    put(tmp_path, "new.pub.pem", public_pem(ED))
    put(tmp_path, "old.pem", private_pem(ED), age=10)
    [key] = load_keys(tmp_path)
    assert key.private is not None


def test_repr_shows_no_secret() -> None:
    assert "key" not in repr(SigningKey.of(ED)).replace("SigningKey", "").lower()


PARAMETERS = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
"""What `openssl ecparam -name prime256v1 -genkey` writes before the key."""
SHORT = rsa.generate_private_key(65537, 1024)


@pytest.mark.parametrize(
    "changed",
    [
        lambda pem: PARAMETERS + pem,
        lambda pem: pem + PARAMETERS,
        lambda pem: pem.replace(b"\n", b"\r\n"),
        lambda pem: b"\xef\xbb\xbf" + pem,
        lambda pem: b"\n\n" + pem + b"\n \n\t\n",
        lambda pem: b"Bag Attributes\n    friendlyName: signing\nKey Attributes: <No Attributes>\n" + pem,
        lambda pem: pem + b"made by hand, 2026-11-30, \xe9\n",
        lambda pem: pem.rstrip(),
        lambda pem: b"".join(b"    " + line + b" \n" for line in pem.splitlines()),
    ],
)
def test_text_around_a_key_is_ignored(tmp_path: Path, changed: Callable[[bytes], bytes]) -> None:
    for key in (P256, ED, RSA):
        for pem in (private_pem(key), public_pem(key)):
            [it] = read_keys(put(tmp_path, "key.pem", changed(pem))).values()
            assert it.key is not None, it.problem
            assert it.key.kid == SigningKey.of(key).kid
    [sec1] = load_keys(put(tmp_path, "sec1.pem", changed(private_pem(P256, PrivateFormat.TraditionalOpenSSL))))
    assert (sec1.alg, sec1.kid) == ("ES256", SigningKey.of(P256).kid)


@pytest.mark.parametrize(
    ("command", "alg"),
    [
        ("ecparam -name prime256v1 -genkey", "ES256"),
        ("ecparam -name prime256v1 -genkey -noout", "ES256"),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", "ES256"),
        ("genpkey -algorithm ed25519", "EdDSA"),
        ("genrsa 2048", "RS256"),
        ("genrsa -traditional 3072", "RS256"),
        ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:4096", "RS256"),
    ],
)
def test_openssl_keys_can_sign(tmp_path: Path, command: str, alg: str) -> None:
    made = subprocess.run([program("openssl"), *command.split()], capture_output=True, check=True).stdout
    [key] = load_keys(put(tmp_path, "key.pem", made))
    assert key.alg == alg
    own_codec = codec(keys=[key])
    token = own_codec.decode(forged(header={"alg": alg, "kid": key.kid, "typ": "at+jwt"}, sign=signing(key.private)))
    assert own_codec.decode(own_codec.encode(token)) == token
    assert len(own_codec.encode(token)) < 1500


UNUSABLE = {
    "empty": b"",
    "hmac": b"a shared secret of more than thirty-two bytes",
    "broken": private_pem(ED).replace(b"MC4C", b"MC4D"),
    "cut": private_pem(P256)[:60],
    "short rsa": private_pem(SHORT),
    "public short rsa": public_pem(SHORT),
    "parameters alone": PARAMETERS,
    "two after parameters": PARAMETERS + private_pem(P256) + private_pem(ED),
    "a key with its certificate": private_pem(P256)
    + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "another end": private_pem(ED).replace(b"END PRIVATE", b"END PUBLIC"),
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


def test_a_private_key_is_required(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no private key"):
        load_keys(tmp_path)
    with pytest.raises(ValueError, match=r"gone\.pem: cannot be read"):
        load_keys(tmp_path / "gone.pem")
    with pytest.raises(ValueError, match=r"ed\.pem: no private key"):
        load_keys(put(tmp_path, "ed.pem", public_pem(ED)))


def test_a_new_key_is_readable_by_the_owner_only_and_loaded_first(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "keys"
    made = [make_key(folder) for _ in range(5)]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in made} == {0o600}
    assert sorted(folder.iterdir()) == sorted(made) == made
    keys = load_keys(folder)
    assert keys[0].kid in made[-1].name
    assert {key.kid for key in keys} == {file.stem.partition("Z-")[2] for file in made}
    assert {key.alg for key in keys} == {"ES256"}


@pytest.mark.parametrize("alg", Algorithm)
def test_new_key_keeps_the_algorithm_unless_another_is_chosen(tmp_path: Path, alg: Algorithm) -> None:
    def algorithms() -> list[Algorithm]:
        return [key.alg for key in load_keys(tmp_path)]

    make_key(tmp_path, alg)
    make_key(tmp_path)
    assert algorithms() == [alg, alg]
    for other in Algorithm:
        make_key(tmp_path, other)
        # Neither a public key of any kind nor a broken file can sign.
        put(tmp_path, "2998-01.pem", public_pem(ED))
        put(tmp_path, "2998-02.pem", b"")
        make_key(tmp_path)
        assert [key.alg for key in held_private(tmp_path)][:2] == [other, other]
        for name in ("2998-01.pem", "2998-02.pem"):
            (tmp_path / name).unlink()


def test_new_rsa_key_has_the_previous_size(tmp_path: Path) -> None:
    put(tmp_path, "2026-01.pem", private_pem(rsa.generate_private_key(65537, 3072)))
    for algorithm in (None, Algorithm.RS256):
        make_key(tmp_path, algorithm)
        public = load_keys(tmp_path)[0].public
        assert isinstance(public, rsa.RSAPublicKey)
        assert public.key_size == 3072


def held_private(folder: Path) -> list[SigningKey]:
    return [it.key for it in key_entries(read_keys(folder).values()) if it.key.private]


def test_new_key_is_newest_whatever_the_clock_says(tmp_path: Path) -> None:
    put(tmp_path, "2990-06.pem", private_pem(P256))
    for _ in range(3):
        made = make_key(tmp_path)
        assert load_keys(tmp_path)[0].kid in made.name


def test_a_new_key_has_the_owner_of_the_previous_key(tmp_path: Path) -> None:
    owner = (4711, 4712) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(put(tmp_path, "old.pem", private_pem(P256)), *owner)
    made = make_key(tmp_path).stat()
    assert (made.st_uid, made.st_gid, stat.S_IMODE(made.st_mode)) == (*owner, 0o600)


def test_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
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
    # The same size and modification time, but another file.
    put(tmp_path, "new", private_pem(ed25519.Ed25519PrivateKey.generate())).rename(tmp_path / "a.pem")
    [key] = key_entries(read_keys(tmp_path, first).values())
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
def test_odd_file_is_reported_and_never_opened(tmp_path: Path, odd: str) -> None:
    put(tmp_path, "good.pem", private_pem(P256))
    file = tmp_path / "odd.pem"
    ODD[odd](file)
    files = read_keys(tmp_path)
    assert [it.key.kid for it in key_entries(files.values())] == [SigningKey.of(P256).kid]
    assert [it.problem.partition(": ")[0] for it in files.values() if it.problem] == [str(file)]
    assert make_key(tmp_path) in read_keys(tmp_path)
    for path in (file, tmp_path):
        with pytest.raises(ValueError, match=r"odd\.pem: "):
            load_keys(path)


@pytest.mark.parametrize("seconds", [-(2**43), -1, 2**38, 2**43])
def test_a_file_time_out_of_range_is_accepted(tmp_path: Path, seconds: int) -> None:
    """Not every file system stores such a time, so the test sets it in the value."""
    [it] = read_keys(put(tmp_path, "a.pem", private_pem(ED))).values()
    [key] = key_entries([replace(it, changed=seconds * 10**9)])
    assert key.key.kid == SigningKey.of(ED).kid
    assert (key.since > datetime.now(UTC)) is (seconds > 0)
    assert key.since + timedelta(days=300) > key.since


def test_a_key_has_the_time_of_its_newest_use(tmp_path: Path) -> None:
    made_long_ago = put(tmp_path, "a.pem", private_pem(ED), age=AT - 1)
    [key] = key_entries(read_keys(tmp_path).values())
    assert key.since.timestamp() == pytest.approx(made_long_ago.stat().st_ctime)
    put(tmp_path, "b.pem", public_pem(ED), age=5)
    [key] = key_entries(read_keys(tmp_path).values())
    assert (key.since.timestamp(), len(key.files)) == (AT - 5, 2)

"""Imported password hashes: each format against published vectors, and only the right password matches."""

import hashlib
import threading
from base64 import b64encode
from collections.abc import AsyncIterator
from unicodedata import normalize

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as some

from adapters.passwords.argon2_hasher import Argon2Hasher
from adapters.passwords.stored_hash import StoredHash
from application.ports import PasswordMatch
from tests.support.foreign_hashes import STRONG, WEAK, Vector, base64

pytestmark = pytest.mark.anyio

FITS, OUTDATED, WRONG = PasswordMatch(True), PasswordMatch(True, needs_rehash=True), PasswordMatch(False)
NFC, NFD = "l\u00e8tmein", "le\u0300tmein"
OWN_HASHER = PasswordHasher(memory_cost=64, time_cost=1, parallelism=1)
SALT64 = b64encode(b"some salt of it").decode().rstrip("=")
TAG64 = base64("00" * 64)


@pytest.fixture
async def hasher() -> AsyncIterator[Argon2Hasher]:
    hasher = Argon2Hasher(threads=2, deadline=60, memory=64, passes=1)
    yield hasher
    hasher.close()


@pytest.fixture
def verified_hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every Argon2 hash that is verified, in order."""
    found: list[str] = []
    real = PasswordHasher.verify

    def verify(self: PasswordHasher, kept: str, secret: bytes) -> bool:
        found.append(kept)
        return real(self, kept, secret)

    monkeypatch.setattr(PasswordHasher, "verify", verify)
    return found


def with_another_tag(row: str) -> str:
    """The same parameters with another tag."""
    signs = row.rstrip("=")
    return signs[:-8] + ("a" * 8 if signs[-8:] != "a" * 8 else "b" * 8) + row[len(signs) :]


def pbkdf2(password: str, *, rounds: int = 1000) -> str:
    tag = hashlib.pbkdf2_hmac("sha256", password.encode(), b"salt", rounds)
    return f"pbkdf2_sha256${rounds}$salt${b64encode(tag).decode()}"


# -- formats ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", STRONG, ids=str)
async def test_a_published_hash_matches_only_its_password(hasher: Argon2Hasher, vector: Vector) -> None:
    assert hasher.can_verify(vector.row)
    assert await hasher.import_hashes([vector.row]) == [vector.row]
    assert await hasher.verify(vector.password, vector.row) == OUTDATED
    # bcrypt reads 72 bytes, so the difference is at the start.
    assert await hasher.verify("x" + vector.password, vector.row) == WRONG
    assert await hasher.verify(vector.password, with_another_tag(vector.row)) == WRONG


@pytest.mark.parametrize("vector", WEAK, ids=str)
async def test_weak_hash_verifies_only_when_wrapped(hasher: Argon2Hasher, vector: Vector) -> None:
    assert not hasher.can_verify(vector.row)
    assert await hasher.verify(vector.password, vector.row) == WRONG
    [wrapped] = await hasher.import_hashes([vector.row])
    assert wrapped is not None
    assert wrapped.startswith("$wrapped$")
    assert vector.row.rpartition("$")[2].lower() not in wrapped.lower()
    assert hasher.can_verify(wrapped)
    assert await hasher.verify(vector.password, wrapped) == OUTDATED
    assert await hasher.verify("x" + vector.password, wrapped) == WRONG
    assert await hasher.import_hashes([wrapped]) == [wrapped]


async def test_django_argon2_prefix_is_removed(hasher: Argon2Hasher) -> None:
    own_hash = OWN_HASHER.hash("x")
    assert await hasher.verify("x", own_hash) == FITS
    assert await hasher.verify("x", f"argon2{own_hash}") == OUTDATED


async def test_wrapped_hash_names_its_parts(hasher: Argon2Hasher) -> None:
    [bare, salted] = await hasher.import_hashes(
        ["5f4dcc3b5aa765d61d8327deb882cf99", "$1$ssssssss$YgmLTApYTv12qgTwBoj8i/"]
    )
    assert str(bare).startswith("$wrapped$md5$$argon2id$v=19$m=64,t=1,p=1$")
    assert str(salted).startswith("$wrapped$$1$ssssssss$argon2id$v=19$m=64,t=1,p=1$")


async def test_imported_hashes_keep_their_order(hasher: Argon2Hasher) -> None:
    weak, strong, own_hash = "5f4dcc3b5aa765d61d8327deb882cf99", pbkdf2("x"), OWN_HASHER.hash("x")
    adopted = await hasher.import_hashes([weak, strong, "", "plain text", weak, "!", "!AbCd", own_hash, weak])
    assert [text is not None and text.startswith("$wrapped$") for text in adopted] == [
        place in {0, 4, 8} for place in range(9)
    ]
    assert adopted[1:4] + adopted[5:8] == [strong, "", None, "", "", own_hash]
    assert len(set(adopted)) == 7  # each wrapping has a salt of its own
    assert await hasher.import_hashes([]) == []


async def test_wrapping_runs_on_the_hashing_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = set()
    real = PasswordHasher.hash

    def make(self: PasswordHasher, secret: bytes) -> str:
        threads.add(threading.current_thread())
        return real(self, secret)

    monkeypatch.setattr(PasswordHasher, "hash", make)
    narrow = Argon2Hasher(threads=2, queue=0, deadline=0, memory=64, passes=1)
    adopted = await narrow.import_hashes(["5f4dcc3b5aa765d61d8327deb882cf99"] * 20)
    assert all(text is not None for text in adopted)
    assert threading.current_thread() not in threads
    narrow.close()


# -- Unicode normalization --------------------------------------------------------------------------------


async def test_foreign_hash_verifies_the_typed_password_and_ours_nfc(hasher: Argon2Hasher) -> None:
    assert normalize("NFC", NFD) == NFC
    for make in (pbkdf2, lambda text: f"argon2{OWN_HASHER.hash(text)}"):  # the second as Django writes it
        assert (await hasher.verify(NFC, make(NFC))).matches
        assert await hasher.verify(NFD, make(NFD)) == OUTDATED
        assert await hasher.verify(NFC, make(NFD)) == WRONG
    for typed in (NFC, NFD):
        assert await hasher.verify(typed, OWN_HASHER.hash(NFC)) == FITS
        assert await hasher.verify(typed, OWN_HASHER.hash(NFD)) == WRONG
    [wrapped] = await hasher.import_hashes([hashlib.md5(NFD.encode()).hexdigest()])
    assert await hasher.verify(NFD, wrapped) == OUTDATED


async def test_hashes_of_better_auth_use_nfkc(hasher: Argon2Hasher) -> None:
    [ligature] = [vector.row for vector in STRONG if vector.password == "\ufb01"]
    assert await hasher.verify("fi", ligature) == OUTDATED
    assert await hasher.verify("f\u0131", ligature) == WRONG


@pytest.mark.parametrize("password", [NFC, NFD, "e\u0301" * 64, "a\u0301\u0323", "\u212b" * 20])
async def test_password_of_any_form_costs_one_hash(
    hasher: Argon2Hasher, verified_hashes: list[str], password: str
) -> None:
    own_hash = OWN_HASHER.hash("x")
    for stored_hash in (None, "", "nonsense", own_hash, "5f4dcc3b5aa765d61d8327deb882cf99"):
        verified_hashes.clear()
        assert await hasher.verify(password, stored_hash) == WRONG
        assert verified_hashes == [own_hash if stored_hash == own_hash else hasher.decoy]
    [wrapped] = await hasher.import_hashes(["5f4dcc3b5aa765d61d8327deb882cf99"])
    verified_hashes.clear()
    assert await hasher.verify(password, wrapped) == WRONG
    assert len(verified_hashes) == 1


@pytest.mark.parametrize("row", [pbkdf2("secret"), *(vector.row for vector in STRONG if vector.password == "test")])
async def test_wrong_password_costs_one_of_our_hashes(
    hasher: Argon2Hasher, verified_hashes: list[str], row: str
) -> None:
    """HMAC treats a secret with trailing NULs as the secret."""
    for password in ("secret\0", "test\0", "\0", "x" * 2049):
        verified_hashes.clear()
        assert await hasher.verify(password, row) == WRONG
        assert verified_hashes == [row if row.startswith("$argon2") else hasher.decoy]


async def test_an_empty_hash_matches_no_password(hasher: Argon2Hasher, verified_hashes: list[str]) -> None:
    for password in ("", "!", "x"):
        for kept in ("", "!", "!AbCdEf", " "):
            verified_hashes.clear()
            assert await hasher.verify(password, kept) == WRONG
            assert verified_hashes == [hasher.decoy]


# -- refused hashes ---------------------------------------------------------------------------------------

DEAR = [
    f"pbkdf2_sha256$2097153$salt${base64('00' * 32)}",
    f"pbkdf2_sha1$16777216$salt${base64('eefe3d61cd4da4e4e9945b3d6ba2158c2634e984')}",  # RFC 6070
    f"$pbkdf2-sha512$99999999${SALT64}${TAG64.rstrip('=')}",
    "scrypt$1048576$SodiumChloride$8$1$"  # RFC 7914 section 12: a GiB
    + base64(
        "2101cb9b6a511aaeaddbbe09cf70f881ec568d574a2ffd4dabe5ee9820adaa47"
        "8e56fd8f4ba5d09ffa1c6d927c40f4c337304049e8a952fbcbf45c6fa77a41a4"
    ),
    f"scrypt$131072$salt$8$3${TAG64}",
    f"scrypt$2$salt$1$2097152${TAG64}",
    f"$scrypt$ln=17,r=9,p=1${SALT64}${TAG64[:43]}",
    f"$scrypt$ln=99,r=8,p=1${SALT64}${TAG64[:43]}",
    f"$scrypt$ln=10,r=1048576,p=1${SALT64}${TAG64[:43]}",
    f"$fbscrypt$v=1,n=18,r=8,p=1,ss=Bw==,sk={TAG64}$C0sHCg9ek77hsg==${TAG64}",
    f"$2b$15${'.' * 53}",
    "argon2$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43,
    "$argon2id$v=19$m=131073,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43,
    "$argon2id$v=19$m=131072,t=9,p=1$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43,
    "$argon2id$v=19$m=1024,t=1025,p=1$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43,
]
BEARABLE = [
    f"pbkdf2_sha256$2097152$salt${base64('00' * 32)}",
    f"scrypt$65536$salt$15$2${TAG64}",
    f"$scrypt$ln=16,r=8,p=2${SALT64}${TAG64[:43]}",
    f"bcrypt$$2b$14${'.' * 53}",
    "$argon2id$v=19$m=131072,t=8,p=16$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43,
    f"pbkdf2_sha1$1000${'s' * 18}${base64('00' * 20)}",  # 64 signs, like SHA-256 in hexadecimal
]
MALFORMED = [
    f"scrypt$16383$salt$8$1${TAG64}",
    f"scrypt$1$salt$8$1${TAG64}",
    f"scrypt$65536$salt$1$1${TAG64}",
    f"scrypt$0$salt$8$1${TAG64}",
    f"scrypt$16384$$8$1${TAG64}",
    f"scrypt$16384$salt$8$1${TAG64[:-4]}",
    "pbkdf2_sha256$1000$salt$",
    "pbkdf2_sha256$0$salt$" + base64("00" * 32),
    "pbkdf2_sha256$01000$salt$" + base64("00" * 32),
    "pbkdf2_sha256$1000$sa\u00e9lt$" + base64("00" * 32),
    "pbkdf2_sha256$1000$sa$lt$" + base64("00" * 32),
    "pbkdf2_sha256$1\u0661\u0661\u0661$salt$" + base64("00" * 32),
    "pbkdf2_sha256$1000$salt$" + base64("00" * 31),
    "pbkdf2_sha512$1000$salt$" + base64("00" * 64),
    "pbkdf2_sha256$1000$salt$" + base64("00" * 32) + "\n",
    "pbkdf2_sha256$1000$salt$" + "A" * 21 + "=" + "A" * 21 + "=",
    "$pbkdf2-sha256$1212$A$" + base64("00" * 32)[:-1],
    "$pbkdf2-sha256$1212$A=A$" + base64("00" * 32)[:-1],
    "$pbkdf2-md5$1212$4vjV83LKPjQzk31VI4E0Vw$" + base64("00" * 16)[:-2],
    f"$scrypt$ln=10,r=8${SALT64}${TAG64[:43]}",
    f"$scrypt$ln=0,r=8,p=1${SALT64}${TAG64[:43]}",
    f"$fbscrypt$v=2,n=14,r=8,p=1,ss=Bw==,sk={TAG64}$C0sHCg9ek77hsg==${TAG64}",
    f"$fbscrypt$v=1,n=14,r=8,p=1,ss=!!!,sk={TAG64}$C0sHCg9ek77hsg==${TAG64}",
    f"$fbscrypt$v=1,n=14,r=8,p=1,ss=A,sk={TAG64}$C0sHCg9ek77hsg==${TAG64}",
    f"$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=AAAA$C0sHCg9ek77hsg==${TAG64}",
    f"$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==$C0sHCg9ek77hsg==${TAG64}",
    f"$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk={TAG64}$!!!${TAG64}",
    "A" * 32 + ":" + "0" * 128,
    "0" * 32 + ":" + "0" * 126,
    "bcrypt$" + "$2b$04$" + "." * 52,
    "bcrypt_sha256$$$2b$04$" + "." * 53,
    "bcrypt_sha1$$2b$04$" + "." * 53,
    # Unused bits of the salt or the tag are set: libraries refuse the one and never produce the other.
    "$2b$04$" + "." * 21 + "/" + "." * 31,
    "$2b$04$" + "." * 52 + "/",
    "$1$ssssssss$" + "." * 21 + "2",
    "$argon2id$v=19$m=127,t=1,p=16$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43,
    "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdB$" + "A" * 43,
    "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$" + "A" * 42 + "B",
    "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$" + "A" * 41,
    "argon2$argon2id$",
    "argon2$$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43,
    "0" * 31,
    "0" * 32 + "g",
    "sha256$salt$" + "0" * 64,
    "md5$sa$lt$" + "0" * 32,
    "$1$toolongasalt$YgmLTApYTv12qgTwBoj8i/",
    "$wrapped$",
    "$wrapped$md5$$",
    "$wrapped$md5$$argon2id$",
    "$wrapped$nonsense" + OWN_HASHER.hash("x"),
    "$wrapped$" + OWN_HASHER.hash("x"),
    "$wrapped$md5$" + OWN_HASHER.hash("x").replace("m=64", "m=9999999"),
    "$wrapped$$2b$04$" + "." * 22 + OWN_HASHER.hash("x"),
    "$wrapped$pbkdf2_sha256$1000$salt" + OWN_HASHER.hash("x"),
]


@pytest.mark.parametrize("row", [*DEAR, *MALFORMED])
async def test_expensive_or_malformed_hash_never_matches_and_costs_one_hash(
    hasher: Argon2Hasher, verified_hashes: list[str], row: str
) -> None:
    assert not hasher.can_verify(row)
    assert await hasher.import_hashes([row]) == [None]
    for password in ("", "password", "\ud800", "\0"):
        verified_hashes.clear()
        assert await hasher.verify(password, row) == WRONG
        assert verified_hashes == [hasher.decoy]


async def test_cost_limits_are_exact(hasher: Argon2Hasher, verified_hashes: list[str]) -> None:
    assert all(map(hasher.can_verify, BEARABLE))
    assert await hasher.verify("x", f"$scrypt$ln=16,r=8,p=1${SALT64}${TAG64[:43]}") == WRONG
    assert verified_hashes == []  # it was affordable at 64 MiB
    assert hasher.can_verify(pbkdf2("x"))
    assert not hasher.can_verify(pbkdf2("x", rounds=999))


@given(
    vector=some.sampled_from([*STRONG, *WEAK]), at=some.integers(0, 200), much=some.integers(0, 3), new=some.text()
)
def test_arbitrary_hash_is_at_most_unknown(vector: Vector, at: int, much: int, new: str) -> None:
    stored_hash = StoredHash.parse(vector.row[:at] + new + vector.row[at + much :])
    assert stored_hash is None or stored_hash.argon2 is not None or stored_hash.tag

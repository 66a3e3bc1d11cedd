"""The password hasher: which hashes match, which are outdated, and that nothing else matches."""

from collections.abc import AsyncIterator
from typing import Any

import bcrypt
import pytest
from argon2 import PasswordHasher, low_level
from argon2.low_level import Type

from adapters.passwords.argon2_hasher import Argon2Hasher
from application.ports import PasswordMatch

pytestmark = pytest.mark.anyio

FITS, OUTDATED, WRONG = PasswordMatch(True), PasswordMatch(True, needs_rehash=True), PasswordMatch(False)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def hasher() -> AsyncIterator[Argon2Hasher]:
    hasher = Argon2Hasher(threads=2, deadline=60, memory=64, passes=1)
    yield hasher
    hasher.close()


async def test_a_password_matches_its_own_hash_only(hasher: Argon2Hasher) -> None:
    kept = await hasher.hash(" pass word\u00e9 ")
    assert kept != await hasher.hash(" pass word\u00e9 ")
    assert await hasher.verify(" pass word\u00e9 ", kept) == FITS
    assert await hasher.verify(" pass worde\u0301 ", kept) == FITS
    for wrong in (
        "pass word\u00e9",
        " Pass Word\u00e9 ",
        " pass word\u00e9",
        " pass worde ",
        "",
        " pass word\u00e9 \0",
    ):
        assert await hasher.verify(wrong, kept) == WRONG


async def test_hashes_with_one_salt_are_compared_with_one_computation(hasher: Argon2Hasher) -> None:
    first = await hasher.hash("the first password")
    others = [await hasher.hash(f"password {number}", like=first) for number in range(20)]
    alone = await hasher.hash("on its own")
    assert {text.rpartition("$")[0] for text in others} == {first.rpartition("$")[0]}
    assert len({first, *others}) == 21
    hashes = [*others[:10], alone, "", *others[10:]]
    assert await hasher.verify("the first password", first, *hashes) == FITS
    assert await hasher.verify("password 0", first, *hashes) == PasswordMatch(True, index=1)
    assert await hasher.verify("password 19", first, *hashes) == PasswordMatch(True, index=22)
    assert await hasher.verify("password 20", first, *hashes) == WRONG
    # It has another salt, so it would cost another hash.
    assert await hasher.verify("on its own", first, *hashes) == WRONG
    assert await hasher.verify("on its own", alone, first) == FITS
    assert await hasher.verify("password 3", others[3]) == FITS


async def test_one_hash_is_computed_for_any_number_of_candidates(
    hasher: Argon2Hasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[str] = []
    together, apart = low_level.hash_secret_raw, PasswordHasher.verify

    def hash_together(*args: Any) -> bytes:
        computed.append("together")
        return together(*args)

    def verify_apart(self: PasswordHasher, text: str, secret: bytes) -> bool:
        computed.append("apart")
        return apart(self, text, secret)

    monkeypatch.setattr(low_level, "hash_secret_raw", hash_together)
    monkeypatch.setattr(PasswordHasher, "verify", verify_apart)
    first = await hasher.hash("the first password")
    others = [await hasher.hash(f"password {number}", like=first) for number in range(5)]
    bare = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    for hashes in ([None], [first], [first, *others], ["", first, *others], ["", ""], [first, "x", bare]):
        for password in ("the first password", "password 4", "wrong"):
            computed.clear()
            await hasher.verify(password, *hashes)
            assert len(computed) == 1, hashes


async def test_only_own_current_hashes_share_their_salt(hasher: Argon2Hasher) -> None:
    old = PasswordHasher(memory_cost=32, time_cost=1, parallelism=1).hash("secret")
    for other in ("", "x", old, "$argon2id$", "$2b$04$" + "a" * 53):
        made = await hasher.hash("secret", like=other)
        assert await hasher.verify("secret", made) == FITS
        assert not made.startswith(old.rpartition("$")[0])


async def test_every_character_counts(hasher: Argon2Hasher) -> None:
    stored_hash = await hasher.hash("\U0001f511" * 127 + "a")
    assert await hasher.verify("\U0001f511" * 127 + "b", stored_hash) == WRONG
    assert await hasher.verify("\U0001f511" * 127, stored_hash) == WRONG


async def test_default_cost_is_what_owasp_recommends() -> None:
    hasher = Argon2Hasher(threads=1)
    try:
        assert (await hasher.hash("x")).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert [len(part) for part in (await hasher.hash("x")).split("$")[4:]] == [22, 43]
        assert hasher.decoy.split("$")[:4] == (await hasher.hash("x")).split("$")[:4]
    finally:
        hasher.close()


async def test_outdated_hashes_match_and_are_replaced(hasher: Argon2Hasher) -> None:
    others = [PasswordHasher(memory_cost=32, time_cost=1, parallelism=1), PasswordHasher(1, 128, 1, type=Type.I)]
    for other in others:
        assert await hasher.verify("secret", other.hash("secret")) == OUTDATED
        assert await hasher.verify("Secret", other.hash("secret")) == WRONG
    crypted = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    for variant in "aby":
        assert await hasher.verify("secret", f"$2{variant}{crypted[3:]}") == OUTDATED
        assert await hasher.verify("Secret", f"$2{variant}{crypted[3:]}") == WRONG
    assert await hasher.verify("secret\0secret", crypted) == WRONG
    long = bcrypt.hashpw("\u00e9".encode() * 36, bcrypt.gensalt(4)).decode()
    assert await hasher.verify("\u00e9" * 40, long) == OUTDATED
    assert await hasher.verify("\u00e9" * 35, long) == WRONG


@pytest.mark.parametrize("password", ["secret", "", "\ud800", "a\udfffb", "\0", "e\u0301" * 50_000, "x" * 1_000_000])
async def test_invalid_hash_matches_no_password(hasher: Argon2Hasher, password: str) -> None:
    good = await hasher.hash("another one")
    crypted = bcrypt.hashpw(b"another one", bcrypt.gensalt(4)).decode()
    broken = [
        "",
        "x",
        "\0",
        "$",
        "$$$$$",
        "$argon2id$",
        "$2b$",
        "\u00e9",
        "pbkdf2_sha256$1$a$b",
        "$2b$04$" + "." * 53,
    ]
    broken += [good[:-1], good + "$", good + "\n", good.split("$m")[0], hasher.decoy, crypted[:-1], crypted + "\n"]
    for old, new in (
        ("id", "xd"),
        ("m=64", "m=1"),
        ("t=1", "t=0"),
        ("m=64", "m=9999999"),
        ("p=1", "p=99"),
        ("v=19", "v=99"),
    ):
        broken.append(good.replace(old, new))
    broken += [
        crypted.replace("$04$", "$31$"),
        crypted.replace("$2b$", "$2x$"),
        good.rpartition("$")[0] + "$" + "A" * 43,
    ]
    for stored_hash in [None, good, crypted, *broken]:
        assert await hasher.verify(password, stored_hash) == WRONG


async def test_a_password_with_a_lone_surrogate_is_hashed_exactly(hasher: Argon2Hasher) -> None:
    kept = await hasher.hash("\ud800 lone surrogate")
    assert await hasher.verify("\ud800 lone surrogate", kept) == FITS
    assert (
        await hasher.verify("\ud801 lone surrogate", kept) == await hasher.verify("? lone surrogate", kept) == WRONG
    )


async def test_unverifiable_hash_costs_a_full_hash(hasher: Argon2Hasher, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []
    real = PasswordHasher.verify

    def verify(self: PasswordHasher, stored_hash: str, secret: bytes) -> bool:
        judged.append(stored_hash)
        return real(self, stored_hash, secret)

    monkeypatch.setattr(PasswordHasher, "verify", verify)
    crypted = bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode()
    for invalid_hash in (None, "", "$argon2id$v=19$m=1,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAA", crypted):
        judged.clear()
        await hasher.verify("\0", invalid_hash)
        assert judged[-1] == hasher.decoy


def test_hasher_reports_what_it_can_verify_at_an_affordable_cost() -> None:
    hasher = Argon2Hasher(threads=1, memory=64, passes=1)
    salted = "$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43
    known = [hasher.decoy, bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode(), "$argon2i$m=65536,t=3,p=4" + salted]
    costly = ["$argon2id$v=19$m=4194304,t=2,p=1" + salted, "$argon2id$v=19$m=64,t=99999,p=1" + salted]
    assert all(map(hasher.can_verify, known))
    assert not any(
        map(
            hasher.can_verify,
            ["", "plain", known[1].replace("$04$", "$15$"), known[0] + "\n", known[1] + "\n", *costly],
        )
    )
    hasher.close()

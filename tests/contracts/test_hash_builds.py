"""The installed build of Argon2 computes the same hashes as others, because a database outlives each build."""

import base64

import pytest
from argon2.low_level import Type, core, ffi, hash_secret
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from adapters.passwords.argon2_hasher import Argon2Hasher
from application.ports import PasswordMatch

FITS, OUTDATED, WRONG = PasswordMatch(True), PasswordMatch(True, needs_rehash=True), PasswordMatch(False)
PASSWORD, SALT = "a perfectly fine passphrase", b"sixteen bytes ok"

# Made by the wheel of argon2-cffi-bindings 26.2 and, to the letter, by OpenSSL through `cryptography` 50.
STORED_HASHES = {
    "$argon2id$v=19$m=19456,t=2,p=1$c2l4dGVlbiBieXRlcyBvaw$PoMGrz8wf2jJZnr4CU2X1Yb3YP4hw+BrBw65M756WjY": PASSWORD,
    "$argon2id$v=19$m=64,t=1,p=1$c2l4dGVlbiBieXRlcyBvaw$0WxGyjm2USblNXOkrsSecPq2wYm6ziDdFgY8WGoDxsI": PASSWORD,
    "$argon2id$v=19$m=64,t=3,p=1$c2l4dGVlbiBieXRlcyBvaw$mkKPb+hsAPrqjUi6ZaTZJzR95MgoOGtrVyVSRuwNkas": "",
    "$argon2id$v=19$m=1024,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$B10eWls6QOnPkyvKIVkB6exY4a/oe45J4RqKYiPStUE": "pässwörd 🔑",
}


def test_argon2_matches_the_test_vector_of_rfc_9106() -> None:
    """RFC 9106 section 5.3, the only one with a secret and associated data: four lanes, 32 KiB, three passes."""
    out, password, salt = ffi.new("uint8_t[]", 32), ffi.new("uint8_t[]", b"\1" * 32), ffi.new("uint8_t[]", b"\2" * 16)
    secret, also = ffi.new("uint8_t[]", b"\3" * 8), ffi.new("uint8_t[]", b"\4" * 12)
    given = {
        **{"out": out, "outlen": 32, "pwd": password, "pwdlen": 32, "salt": salt, "saltlen": 16, "version": 0x13},
        **{"secret": secret, "secretlen": 8, "ad": also, "adlen": 12, "t_cost": 3, "m_cost": 32},
        **{"lanes": 4, "threads": 4, "allocate_cbk": ffi.NULL, "free_cbk": ffi.NULL, "flags": 0},
    }
    assert core(ffi.new("argon2_context *", given), Type.ID.value) == 0
    assert bytes(out).hex() == "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_hashes_of_other_builds_verify() -> None:
    hasher = Argon2Hasher(threads=2, deadline=60)
    try:
        for number, (kept, password) in enumerate(STORED_HASHES.items()):
            assert await hasher.verify(password, kept) == (FITS if number == 0 else OUTDATED)
            assert await hasher.verify(f"{password}.", kept) == WRONG
    finally:
        hasher.close()


@pytest.mark.parametrize("memory", [8, 64, 1024, 19_456])
@pytest.mark.parametrize("passes", [1, 2, 3])
def test_hashes_equal_those_of_other_builds(memory: int, passes: int) -> None:
    for password in (PASSWORD.encode(), b"", b"\0\xff" * 64):
        theirs = Argon2id(salt=SALT, length=32, iterations=passes, lanes=1, memory_cost=memory).derive(password)
        ours = hash_secret(password, SALT, passes, memory, 1, 32, Type.ID).decode()
        assert ours.rpartition("$")[2] == base64.b64encode(theirs).decode().rstrip("=")

"""md5-crypt, by Poul-Henning Kamp for FreeBSD 2.0 (libcrypt/crypt.c), and Apache's variant of it."""

import hashlib

_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TRIPLES = ((0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5))


def md5_crypt(secret: bytes, salt: bytes, magic: bytes) -> bytes:
    """The 22 characters after the salt; `magic` is `$1$` or `$apr1$`."""
    inner = _md5(secret + salt + secret)
    mixed = secret + magic + salt + (inner * (len(secret) // 16 + 1))[: len(secret)]
    bits = len(secret)
    while bits:
        mixed += b"\0" if bits & 1 else secret[:1]
        bits >>= 1
    state = _md5(mixed)
    for turn in range(1000):
        odd = turn & 1
        state = _md5(
            (secret if odd else state)
            + (salt if turn % 3 else b"")
            + (secret if turn % 7 else b"")
            + (state if odd else secret)
        )
    numbers = [state[a] << 16 | state[b] << 8 | state[c] for a, b, c in _TRIPLES]
    return "".join([*(_characters(number, 4) for number in numbers), _characters(state[11], 2)]).encode()


def _md5(text: bytes) -> bytes:
    return hashlib.md5(text, usedforsecurity=False).digest()


def _characters(number: int, count: int) -> str:
    return "".join(_ALPHABET[number >> 6 * position & 63] for position in range(count))

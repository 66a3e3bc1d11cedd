"""Encrypted secrets: the right key and context decrypt them, and nothing else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.factors.aes_gcm_box import HEADER_LENGTH, AesGcmBox, header
from domain.refusals import ErrorCode, Refusal

NEW, OLD, FOREIGN = b"n" * 64, b"o" * 64, b"f" * 64
SECRET, CONTEXT = b"20 bytes of a secret", b"a user and a factor"


def box(*keys: bytes) -> AesGcmBox:
    return AesGcmBox(lambda: keys)


@given(secret=st.binary(max_size=100), context=st.binary(max_size=100))
def test_secret_is_decrypted_in_its_context(secret: bytes, context: bytes) -> None:
    encrypted = box(NEW).encrypt(secret, context=context)
    assert box(NEW).decrypt(encrypted, context=context) == secret
    assert box(NEW).decrypt(encrypted, context=context + b"x") is None
    assert len(encrypted) == HEADER_LENGTH + 12 + len(secret) + 16


def test_secret_is_encrypted_differently_each_time() -> None:
    encrypted = {box(NEW).encrypt(SECRET, context=CONTEXT) for _ in range(100)}
    assert len({one[HEADER_LENGTH : HEADER_LENGTH + 12] for one in encrypted}) == 100
    assert not any(SECRET in one or NEW in one for one in encrypted)


def test_changed_ciphertext_is_not_decrypted() -> None:
    encrypted = box(NEW).encrypt(SECRET, context=CONTEXT)
    for at in range(len(encrypted)):
        for bit in range(8):
            changed = bytearray(encrypted)
            changed[at] ^= 1 << bit
            assert box(NEW, OLD).decrypt(bytes(changed), context=CONTEXT) is None
    for length in range(len(encrypted)):
        assert box(NEW, OLD).decrypt(encrypted[:length], context=CONTEXT) is None
    assert box(NEW).decrypt(encrypted + b"\0", context=CONTEXT) is None


@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_not_decrypted(encrypted: bytes) -> None:
    for one in (encrypted, header(NEW) + encrypted):
        assert box(NEW).decrypt(one, context=CONTEXT) is None


def test_all_keys_decrypt_and_the_newest_encrypts() -> None:
    old, both, new = box(OLD), box(NEW, OLD), box(NEW)
    encrypted = old.encrypt(SECRET, context=CONTEXT)
    assert [one.decrypt(encrypted, context=CONTEXT) for one in (old, both, new)] == [SECRET, SECRET, None]
    assert [one.is_current(encrypted) for one in (old, both, new)] == [True, False, False]
    encrypted = both.encrypt(SECRET, context=CONTEXT)
    assert [one.decrypt(encrypted, context=CONTEXT) for one in (old, both, new)] == [None, SECRET, SECRET]
    assert encrypted.startswith(header(NEW))
    assert header(NEW) != header(OLD)


def test_context_is_not_shared_between_keys() -> None:
    encrypted = box(OLD).encrypt(SECRET, context=CONTEXT)
    assert box(NEW).decrypt(header(NEW) + encrypted[HEADER_LENGTH:], context=CONTEXT) is None


@pytest.mark.parametrize(("found", "expected"), [(OLD, SECRET), (FOREIGN, None)])
def test_unknown_key_makes_the_box_read_its_keys_again(found: bytes, expected: bytes | None) -> None:
    keys = [NEW]
    reloads: list[None] = []

    def reload() -> None:
        reloads.append(None)
        keys.append(found)

    opened = AesGcmBox(lambda: keys, reload=reload)
    own = opened.encrypt(SECRET, context=CONTEXT)
    assert opened.decrypt(own, context=CONTEXT) == SECRET
    assert reloads == []
    assert opened.decrypt(box(OLD).encrypt(SECRET, context=CONTEXT), context=CONTEXT) == expected
    assert len(reloads) == 1


def test_a_box_without_keys_encrypts_nothing() -> None:
    empty = box()
    with pytest.raises(Refusal, check=lambda refusal: refusal.code is ErrorCode.UNAVAILABLE):
        empty.encrypt(SECRET, context=CONTEXT)
    encrypted = box(NEW).encrypt(SECRET, context=CONTEXT)
    assert empty.decrypt(encrypted, context=CONTEXT) is None
    assert not empty.is_current(encrypted)

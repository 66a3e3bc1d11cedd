"""TOTP factors in a database, whose secrets a given key has encrypted."""

from uuid import UUID, uuid4

import asyncpg

from adapters.factors.aes_gcm_box import AesGcmBox
from application.factors.ports import totp_context

SECRET = b"20 bytes of a secret"


async def store_secret(url: str, key: str) -> UUID:
    """The id of a new factor of a new user."""
    user_id, factor_id = uuid4(), uuid4()
    encrypted = AesGcmBox(lambda: [key.encode()]).encrypt(SECRET, context=totp_context(user_id, factor_id))
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "INSERT INTO users (id, email, password_hash, created_at) VALUES ($1, $2, '', now())",
            *(user_id, f"{user_id}@example.org"),
        )
        await connection.execute(
            "INSERT INTO factors (id, user_id, kind, name, created_at, added_in, encrypted_secret, last_step)"
            " VALUES ($1, $2, 'totp', 'App', now(), 1, $3, 0)",
            *(factor_id, user_id, encrypted),
        )
    finally:
        await connection.close()
    return factor_id


async def secret_under(url: str, factor_id: UUID, key: str) -> bytes | None:
    """The secret, if this key decrypts it."""
    connection = await asyncpg.connect(url)
    try:
        row = await connection.fetchrow("SELECT user_id, encrypted_secret FROM factors WHERE id = $1", factor_id)
    finally:
        await connection.close()
    context = totp_context(row["user_id"], factor_id)
    return AesGcmBox(lambda: [key.encode()]).decrypt(row["encrypted_secret"], context=context)

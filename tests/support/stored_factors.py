"""Factors, recovery codes and undo points for tests of stores."""

import hashlib
from datetime import datetime
from uuid import UUID

from domain.factor import ChangeKind, Factor, Passkey, RecoveryCode, Totp, UndoPoint
from domain.user import User
from tests.support.store_harness import NOW, StoreHarness, new_id


def passkey(
    user: User, name: str = "Passkey", *, credential_id: bytes | None = None, version: int | None = None
) -> Factor:
    """A passkey that is added in the user's next version."""
    id = new_id()
    credential = Passkey(
        credential_id=credential_id or id.bytes,
        public_key=b"a COSE key",
        sign_count=0,
        backup_eligible=True,
        backed_up=False,
    )
    return _factor(id, user, name, credential, version)


def totp(user: User, name: str = "Authenticator app", *, last_step: int = 0, version: int | None = None) -> Factor:
    """A TOTP factor that is added in the user's next version."""
    return _factor(new_id(), user, name, Totp(encrypted_secret=b"encrypted", last_step=last_step), version)


def _factor(id: UUID, user: User, name: str, credential: Passkey | Totp, version: int | None) -> Factor:
    return Factor(
        id=id,
        user_id=user.id,
        name=name,
        created_at=NOW,
        added_in=user.factor_version + 1 if version is None else version,
        credential=credential,
    )


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def recovery_code(user: User, text: str, *, at: datetime = NOW) -> RecoveryCode:
    """A recovery code that is added in the user's next version."""
    return RecoveryCode(
        id=new_id(), user_id=user.id, digest=digest(text), created_at=at, added_in=user.factor_version + 1
    )


def undo_point(user: User, *, at: datetime = NOW, kind: ChangeKind = ChangeKind.TOTP_ADDED) -> UndoPoint:
    """The user's present state."""
    return UndoPoint(
        id=new_id(),
        user_id=user.id,
        kind=kind,
        email=user.email,
        factor_version=user.factor_version,
        changed_at=at,
    )


async def current(harness: StoreHarness, user: User) -> User:
    stored = await harness.load_user(user.id)
    assert stored is not None
    return stored


async def add(harness: StoreHarness, *factors: Factor) -> User:
    """Add factors, each in its own unit of work. Return their user."""
    for factor in factors:
        async with harness.begin() as work:
            await work.users.lock(factor.user_id)
            assert await work.factors.add(factor)
            user = await work.users.by_id(factor.user_id)
    assert user is not None
    return user


async def replace_codes(harness: StoreHarness, user: User, *texts: str, at: datetime = NOW) -> User:
    """Replace the user's recovery codes. Return the changed user."""
    before = await current(harness, user)
    async with harness.begin() as work:
        await work.users.lock(user.id)
        codes = [recovery_code(before, text, at=at) for text in texts]
        await work.factors.replace_recovery_codes(user.id, codes, now=at)
    return await current(harness, user)


async def factors_of(harness: StoreHarness, user: User) -> list[Factor]:
    async with harness.begin() as work:
        return list(await work.factors.by_user(user.id))

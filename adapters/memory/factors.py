"""Factors in dictionaries."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from anyio.lowlevel import checkpoint

from adapters.memory.rows import Rows
from application.repositories import Factors
from domain.factor import Factor, FactorKind, RecoveryCode, RecoveryCodeCount, UndoPoint
from domain.user import User

_Versioned = TypeVar("_Versioned", Factor, RecoveryCode)


class MemoryFactors(Factors):
    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def by_user(self, user_id: UUID, *, removed: bool = False) -> Sequence[Factor]:
        await checkpoint()
        return [one for one in self._of(user_id) if removed or one.removed_in is None]

    async def by_credential_id(self, credential_id: bytes) -> tuple[Factor, User] | None:
        await checkpoint()
        for factor in self._rows.factors.values():
            user = self._rows.users.get(factor.user_id)
            passkey = factor.passkey
            if user and passkey and passkey.credential_id == credential_id and factor.removed_in is None:
                return factor, user
        return None

    async def add(self, factor: Factor, *, replacing: Sequence[UUID] = ()) -> bool:
        await checkpoint()
        new = factor.passkey
        stored = (one.passkey for one in self._rows.factors.values())
        if new and any(passkey and passkey.credential_id == new.credential_id for passkey in stored):
            return False
        for replaced in [one for one in self._in_use(factor.user_id) if one.id in replacing]:
            self._keep(replaced.removed(factor.added_in, factor.created_at))
        self._rows.factors[factor.id] = factor
        self._changed(factor.user_id)
        return True

    async def remove(self, user_id: UUID, factor_ids: Sequence[UUID], *, now: datetime) -> User | None:
        await checkpoint()
        in_use = {factor.id: factor for factor in self._in_use(user_id)}
        if user_id not in self._rows.users or not set(factor_ids) <= in_use.keys():
            return None
        version = self._rows.users[user_id].factor_version + 1
        for factor_id in factor_ids:
            self._rows.factors[factor_id] = in_use[factor_id].removed(version, now)
        if len(in_use) == len(set(factor_ids)):
            self._remove_codes(user_id, version, now)
        return self._changed(user_id)

    async def rename(self, user_id: UUID, factor_id: UUID, name: str) -> Factor | None:
        await checkpoint()
        factor = next((one for one in self._in_use(user_id) if one.id == factor_id), None)
        return None if factor is None else self._keep(replace(factor, name=name))

    async def use_totp(self, factor_id: UUID, *, step: int, now: datetime) -> bool:
        await checkpoint()
        factor = self._usable(factor_id)
        if factor is None or factor.totp is None or factor.totp.last_step >= step:
            return False
        self._keep(replace(factor, credential=replace(factor.totp, last_step=step), last_used_at=now))
        return True

    async def use_passkey(self, factor_id: UUID, *, sign_count: int, backed_up: bool, now: datetime) -> bool:
        await checkpoint()
        factor = self._usable(factor_id)
        if factor is None or factor.passkey is None:
            return False
        # Never lower, so that a regress stays visible.
        count = max(sign_count, factor.passkey.sign_count)
        passkey = replace(factor.passkey, sign_count=count, backed_up=backed_up)
        self._keep(replace(factor, credential=passkey, last_used_at=now))
        return True

    async def replace_recovery_codes(self, user_id: UUID, codes: Sequence[RecoveryCode], *, now: datetime) -> None:
        await checkpoint()
        self._remove_codes(user_id, self._rows.users[user_id].factor_version + 1, now)
        self._rows.recovery_codes.update({code.id: code for code in codes})
        self._changed(user_id)

    async def recovery_codes(self, user_id: UUID) -> RecoveryCodeCount | None:
        await checkpoint()
        codes = self._codes(user_id)
        if not codes:
            return None
        return RecoveryCodeCount(
            left=sum(code.used_at is None for code in codes),
            created_at=max(code.created_at for code in codes),
            added_in=max(code.added_in for code in codes),
        )

    async def use_recovery_code(self, user_id: UUID, digest: bytes, *, now: datetime) -> bool:
        await checkpoint()
        code = next((one for one in self._codes(user_id) if one.digest == digest and one.used_at is None), None)
        if code is None:
            return False
        self._rows.recovery_codes[code.id] = replace(code, used_at=now)
        return True

    async def use_challenge(self, digest: bytes, *, expires_at: datetime) -> bool:
        await checkpoint()
        if digest in self._rows.spent:
            return False
        self._rows.spent[digest] = expires_at
        return True

    async def add_undo_point(self, point: UndoPoint) -> None:
        await checkpoint()
        self._rows.undo_points[point.id] = point

    async def undo_point(self, point_id: UUID) -> UndoPoint | None:
        await checkpoint()
        return self._rows.undo_points.get(point_id)

    async def undo_points(self, user_id: UUID) -> Sequence[UndoPoint]:
        await checkpoint()
        points = [one for one in self._rows.undo_points.values() if one.user_id == user_id]
        return sorted(points, key=lambda one: one.id, reverse=True) if user_id in self._rows.users else []

    async def restore(self, user_id: UUID, version: int, *, now: datetime) -> User | None:
        await checkpoint()
        user = self._rows.users.get(user_id)
        if user is None:
            return None
        new = user.factor_version + 1
        _restore(self._rows.factors, user_id, version, new=new, now=now)
        _restore(self._rows.recovery_codes, user_id, version, new=new, now=now)
        for point in [one for one in self._rows.undo_points.values() if one.user_id == user_id]:
            earliest = min(point.factor_version, version)
            self._rows.undo_points[point.id] = replace(point, factor_version=earliest)
        for change in [one for one in self._rows.email_changes.values() if one.user_id == user_id]:
            if change.factor_version is not None:
                earliest = min(change.factor_version, version)
                self._rows.email_changes[change.id] = replace(change, factor_version=earliest)
        return self._changed(user_id)

    async def close_undo_point(self, point_id: UUID, *, now: datetime) -> None:
        await checkpoint()
        self._rows.undo_points[point_id] = replace(self._rows.undo_points[point_id], closed_at=now)

    async def with_secrets(self, *, after: UUID | None, limit: int) -> Sequence[Factor]:
        await checkpoint()
        factors = [one for one in self._rows.factors.values() if one.totp and (after is None or one.id > after)]
        return sorted(factors, key=lambda one: one.id)[:limit]

    async def replace_secret(self, factor_id: UUID, *, old: bytes, new: bytes) -> bool:
        await checkpoint()
        factor = self._rows.factors.get(factor_id)
        if factor is None or factor.totp is None or factor.totp.encrypted_secret != old:
            return False
        self._keep(replace(factor, credential=replace(factor.totp, encrypted_secret=new)))
        return True

    async def enrolment_open(self) -> bool:
        await checkpoint()
        return self._rows.enrolment_open

    async def open_enrolment(self) -> bool:
        await checkpoint()
        was_open, self._rows.enrolment_open = self._rows.enrolment_open, True
        return not was_open

    def _of(self, user_id: UUID) -> list[Factor]:
        if user_id not in self._rows.users:
            return []
        return sorted((one for one in self._rows.factors.values() if one.user_id == user_id), key=lambda one: one.id)

    def _in_use(self, user_id: UUID) -> list[Factor]:
        return [one for one in self._of(user_id) if one.removed_in is None]

    def _usable(self, factor_id: UUID) -> Factor | None:
        factor = self._rows.factors.get(factor_id)
        return None if factor is None or factor not in self._in_use(factor.user_id) else factor

    def _codes(self, user_id: UUID) -> list[RecoveryCode]:
        codes = self._rows.recovery_codes.values() if user_id in self._rows.users else ()
        return [code for code in codes if code.user_id == user_id and code.removed_in is None]

    def _remove_codes(self, user_id: UUID, version: int, now: datetime) -> None:
        for code in self._codes(user_id):
            self._rows.recovery_codes[code.id] = replace(code, removed_in=version, removed_at=now)

    def _changed(self, user_id: UUID) -> User:
        """Raise the factor version, and list the kinds of factors in the user."""
        user, kinds = self._rows.users[user_id], {factor.kind for factor in self._in_use(user_id)}
        ordered = tuple(kind for kind in FactorKind if kind in kinds)
        changed = replace(user, factors=ordered, factor_version=user.factor_version + 1)
        self._rows.users[user_id] = changed
        return changed

    def _keep(self, factor: Factor) -> Factor:
        self._rows.factors[factor.id] = factor
        return factor


def _restore(rows: dict[UUID, _Versioned], user_id: UUID, version: int, *, new: int, now: datetime) -> None:
    for one in [one for one in rows.values() if one.user_id == user_id]:
        if one.existed_in(version):
            rows[one.id] = replace(one, removed_in=None, removed_at=None)
        elif one.removed_in is None:
            rows[one.id] = replace(one, removed_in=new, removed_at=now)

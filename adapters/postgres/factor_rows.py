"""Converts rows of factors, recovery codes and undo points to entities and back."""

from typing import Any

from adapters.postgres.connection import Row
from domain.factor import ChangeKind, Factor, FactorKind, Passkey, RecoveryCode, Totp, UndoPoint


def factor_of(row: Row) -> Factor:
    return Factor(
        id=row["id"],
        user_id=row["user_id"],
        name=row["name"],
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
        added_in=row["added_in"],
        removed_in=row["removed_in"],
        removed_at=row["removed_at"],
        credential=_passkey_of(row) if row["kind"] == FactorKind.PASSKEY else _totp_of(row),
    )


def _passkey_of(row: Row) -> Passkey:
    return Passkey(
        credential_id=row["credential_id"],
        public_key=row["public_key"],
        sign_count=row["sign_count"],
        backup_eligible=row["backup_eligible"],
        backed_up=row["backed_up"],
    )


def _totp_of(row: Row) -> Totp:
    return Totp(encrypted_secret=row["encrypted_secret"], last_step=row["last_step"])


def row_of_factor(factor: Factor) -> dict[str, Any]:
    passkey, totp = factor.passkey, factor.totp
    return {
        "id": factor.id,
        "user_id": factor.user_id,
        "kind": factor.kind.value,
        "name": factor.name,
        "created_at": factor.created_at,
        "added_in": factor.added_in,
        "credential_id": passkey and passkey.credential_id,
        "public_key": passkey and passkey.public_key,
        "sign_count": passkey and passkey.sign_count,
        "backup_eligible": passkey and passkey.backup_eligible,
        "backed_up": passkey and passkey.backed_up,
        "encrypted_secret": totp and totp.encrypted_secret,
        "last_step": totp and totp.last_step,
    }


def row_of_recovery_code(code: RecoveryCode) -> dict[str, Any]:
    return {
        "id": code.id,
        "user_id": code.user_id,
        "digest": code.digest,
        "created_at": code.created_at,
        "added_in": code.added_in,
    }


def undo_point_of(row: Row) -> UndoPoint:
    return UndoPoint(
        id=row["id"],
        user_id=row["user_id"],
        kind=ChangeKind(row["kind"]),
        email=row["email"],
        factor_version=row["factor_version"],
        changed_at=row["changed_at"],
        closed_at=row["closed_at"],
    )


def row_of_undo_point(point: UndoPoint) -> dict[str, Any]:
    return {
        "id": point.id,
        "user_id": point.user_id,
        "kind": point.kind.value,
        "email": point.email,
        "factor_version": point.factor_version,
        "changed_at": point.changed_at,
        "closed_at": point.closed_at,
    }

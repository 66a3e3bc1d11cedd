"""List, rename and remove factors, replace the recovery codes, and reset the factors of another user."""

from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Struct

from application.factors.change_factor import RemoveFactor, RenameFactor, ReplaceRecoveryCodes
from application.factors.list_factors import ListFactors
from application.factors.reset_factors import ResetFactors
from domain.rate_limits import Limit
from domain.role import Role
from entrypoints.http.endpoint import delete, get, patch, post
from entrypoints.http.factor_schemas import (
    FactorIdInPath,
    FactorName,
    FactorResponse,
    RecoveryCodeCountResponse,
    RecoveryCodes,
)
from entrypoints.http.fields import UserIdInPath
from entrypoints.http.guard import Fresh, authenticated, requires_role
from entrypoints.http.request import AnyRequest, caller_of, client_info_of


class FactorList(Struct, frozen=True):
    items: list[FactorResponse]
    recovery_codes: RecoveryCodeCountResponse | None


class RenameFactorBody(Struct, frozen=True, forbid_unknown_fields=True):
    name: FactorName


class NewRecoveryCodes(Struct, frozen=True):
    codes: RecoveryCodes


@get(
    "/factors",
    operation_id="listFactors",
    summary="List your factors",
    tag="Second factors",
    policy=authenticated(enrolling=True),
)
async def my_factors(request: AnyRequest, list_factors: NamedDependency[ListFactors]) -> FactorList:
    """The passkeys and the authenticator app of the caller, oldest first, and how many recovery codes are left."""
    factors, codes = await list_factors(caller_of(request))
    count = None if codes is None else RecoveryCodeCountResponse(codes.left, codes.created_at)
    return FactorList([FactorResponse.of(factor) for factor in factors], count)


@patch(
    "/factors/{factor_id:uuid}",
    operation_id="renameFactor",
    summary="Rename a factor",
    tag="Second factors",
    policy=authenticated(budget=Limit.FACTOR_CHANGE, fresh=Fresh.NOT_NEEDED, enrolling=True),
    errors=["not_found"],
)
async def rename(
    factor_id: FactorIdInPath,
    data: JSONBody[RenameFactorBody],
    request: AnyRequest,
    rename_factor: NamedDependency[RenameFactor],
) -> FactorResponse:
    """Change the name of a passkey or an authenticator app."""
    return FactorResponse.of(await rename_factor(caller_of(request), factor_id, name=data.name))


@delete(
    "/factors/{factor_id:uuid}",
    operation_id="removeFactor",
    summary="Remove a factor",
    tag="Second factors",
    policy=authenticated(budget=Limit.FACTOR_CHANGE, fresh=Fresh.ALWAYS, enrolling=True),
    errors=["not_found", "account_disabled", "factor_required"],
)
async def remove(
    factor_id: FactorIdInPath, request: AnyRequest, remove_factor: NamedDependency[RemoveFactor]
) -> None:
    """Remove a passkey or the authenticator app. All other sessions of the caller end. The owner of the mailbox can
    undo it for seven days by a link in the notice."""
    await remove_factor(caller_of(request), factor_id, client_info=client_info_of(request))


@post(
    "/factors/recovery-codes",
    operation_id="replaceRecoveryCodes",
    summary="Replace your recovery codes",
    tag="Second factors",
    policy=authenticated(budget=Limit.FACTOR_CHANGE, fresh=Fresh.ALWAYS, enrolling=True),
    status_code=201,
    errors=["not_found", "account_disabled"],
)
async def replace(
    request: AnyRequest, replace_recovery_codes: NamedDependency[ReplaceRecoveryCodes]
) -> NewRecoveryCodes:
    """Create ten new recovery codes. Earlier ones stop working. Requires a passkey or an authenticator app."""
    codes = await replace_recovery_codes(caller_of(request), client_info=client_info_of(request))
    return NewRecoveryCodes(list(codes))


@delete(
    "/users/{user_id:uuid}/factors",
    operation_id="resetFactors",
    summary="Remove all factors of a user",
    tag="Second factors",
    policy=requires_role(Role.ADMIN, budget=Limit.ADMINISTER, fresh=Fresh.ALWAYS),
    errors=["forbidden", "not_found"],
)
async def reset(user_id: UserIdInPath, request: AnyRequest, reset_factors: NamedDependency[ResetFactors]) -> None:
    """Remove all factors and recovery codes of a user with a lower role, who has lost them. All sessions of the user
    end, and the user is notified by mail."""
    await reset_factors(caller_of(request), user_id, client_info=client_info_of(request))


handlers = [my_factors, rename, remove, replace, reset]

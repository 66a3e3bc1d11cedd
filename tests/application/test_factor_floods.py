"""A thief with a session cannot flood the mailbox with mails about factors, nor keep the owner from removing them."""

import pytest

from domain.factor import FactorKind
from domain.outbox import LinkPurpose, MailKind
from domain.refusals import ErrorCode
from tests.support.authenticator import SoftwareAuthenticator
from tests.support.factor_owner import FactorOwner, factor_owner
from tests.support.passkeys import ORIGIN
from tests.support.use_cases import link, queued_mails, refused
from tests.support.world import PASSWORD, World

pytestmark = pytest.mark.anyio

PASSKEY, TOTP = FactorKind.PASSKEY, FactorKind.TOTP
DAY = 20


async def flood(owner: FactorOwner, *, before: int) -> None:
    """Replace the recovery codes until that is refused."""
    for _ in range(DAY - before):
        await owner.world.replace_recovery_codes(owner.caller)


async def test_mails_about_additions_are_bounded_for_a_user_and_day(world: World) -> None:
    owner = await factor_owner(world, PASSKEY)
    other = FactorOwner(world=world, user=owner.user, caller=owner.caller, authenticator=owner.authenticator)
    other.caller = await world.authenticate((await other.log_in_by_passkey()).access_token)
    await flood(owner, before=1)
    version, mails = owner.stored.factor_version, len(queued_mails(world, MailKind.FACTOR_ADDED))
    assert mails == DAY
    for one in (owner, other):  # another session shares the limit
        with refused(ErrorCode.RATE_LIMITED):
            await world.replace_recovery_codes(one.caller)
    for kind in (PASSKEY, TOTP):
        with refused(ErrorCode.RATE_LIMITED):
            await owner.enrol(kind)
    assert owner.stored.factor_version == version
    assert len(queued_mails(world, MailKind.FACTOR_ADDED)) == mails
    owner.authenticator.passkeys.pop()  # the refused one
    world.clock.advance(days=1)
    owner.caller = await world.authenticate((await owner.log_in_by_passkey()).access_token)
    await owner.enrol(TOTP)


async def test_refused_addition_is_not_counted(world: World) -> None:
    owner = await factor_owner(world, PASSKEY)
    for _ in range(DAY):
        challenge, options = await world.passkey_options(owner.caller)
        creation = SoftwareAuthenticator(origin=ORIGIN).creation(options)
        creation.data.credential_id = owner.authenticator.passkeys[0].id
        with refused(ErrorCode.FACTOR_EXISTS):
            await world.add_passkey(owner.caller, challenge=challenge, credential=creation.json())
    await owner.enrol(PASSKEY)


async def test_factor_can_be_removed_after_a_flood(world: World) -> None:
    owner = await factor_owner(world, PASSKEY, TOTP)
    await flood(owner, before=2)
    for factor in await owner.factors():
        await world.remove_factor(owner.caller, factor.id)
    assert owner.stored.factors == ()


async def test_owner_who_resets_the_password_can_add_factors_at_once(world: World) -> None:
    owner = await factor_owner(world, PASSKEY)
    await flood(owner, before=1)
    token = link(world, owner.user, LinkPurpose.RESET)
    await world.reset_password(token=token, new_password=PASSWORD, confirm_password=PASSWORD)
    owner.caller = await world.authenticate((await owner.log_in_by_passkey()).access_token)
    await owner.enrol(TOTP)

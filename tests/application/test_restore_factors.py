"""The link "This was not me" takes an account back to before a change of its factors or password."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import permutations
from uuid import UUID

import pytest

from application.factors.undo_points import MAILS
from domain.audit import EventType
from domain.client_info import ClientInfo
from domain.factor import ChangeKind, FactorKind
from domain.outbox import EmailLink, LinkPurpose, MailKind
from domain.refusals import ErrorCode, Refusal
from domain.tokens import AccessToken
from domain.user import NO_PASSWORD, User
from tests.support.devices import Devices
from tests.support.use_cases import (
    ALICE,
    actions_of,
    error_code_of,
    queued_mails,
    refused,
    reset_by_mail,
    run_concurrently,
)
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio

THIEF = "thief@example.net"
THIEFS = "the password of a thief"
WEEK = timedelta(days=7)


def test_each_change_has_a_mail_that_names_its_undo_point() -> None:
    assert MAILS.keys() == set(ChangeKind)
    assert set(MAILS.values()) == {kind for kind in MailKind if kind.has_undo_point}


@dataclass(kw_only=True)
class Owner:
    """`caller` is fresh. `factors` are those at the beginning."""

    world: World
    user: User
    devices: Devices
    caller: AccessToken
    factors: set[UUID]

    @property
    def now(self) -> User:
        return self.world.store.rows.users[self.user.id]

    async def in_use(self) -> set[UUID]:
        async with self.world.begin() as work:
            return {factor.id for factor in await work.factors.by_user(self.user.id)}

    def link(self, kind: ChangeKind) -> str:
        """The link in the newest mail about such a change."""
        point = [one for one in self.world.store.rows.undo_points.values() if one.kind is kind][-1]
        mail = next(one for one in self.world.store.rows.mails.values() if one.change_id == point.id)
        link = EmailLink(purpose=LinkPurpose.RESTORE, subject=point.id, version=0, issued_at=mail.created_at)
        return self.world.links.sign(link)

    async def undo(self, kind: ChangeKind) -> None:
        await self.world.follow_email_link(token=self.link(kind))

    async def is_back(self) -> None:
        """Reset the password by mail, and log in with the factors of the beginning."""
        assert await self.in_use() == self.factors
        assert (self.now.email, self.now.password_hash) == (ALICE, NO_PASSWORD)
        await reset_by_mail(self.world, ALICE, OTHER_PASSWORD)
        pair = await self.devices.log_in(ALICE, OTHER_PASSWORD)
        assert (await self.world.authenticate(pair.access_token)).user_id == self.user.id


async def owner_of(world: World, *kinds: FactorKind) -> Owner:
    user = await world.user(ALICE)
    owner = Owner(world=world, user=user, devices=Devices(world=world), caller=await world.caller(), factors=set())
    for kind in kinds:
        await owner.devices.enrol(owner.caller, kind)
        owner.caller = await owner.devices.step_up(owner.caller, PASSWORD)
    owner.factors = await owner.in_use()
    await world.deliver_mail(limit=100)
    world.clock.advance(days=8)
    owner.caller = await world.authenticate((await owner.devices.log_in(ALICE, PASSWORD)).access_token)
    return owner


# -- every kind of change ---------------------------------------------------------------------------------


async def add(owner: Owner, kind: FactorKind) -> None:
    await Devices(world=owner.world).enrol(owner.caller, kind)


async def remove(owner: Owner, kind: FactorKind) -> None:
    factors, _ = await owner.world.list_factors(owner.caller)
    for factor in factors:
        if factor.kind is kind:
            await owner.world.remove_factor(owner.caller, factor.id)


async def replace_codes(owner: Owner) -> None:
    await owner.world.replace_recovery_codes(owner.caller)


async def use_code(owner: Owner) -> None:
    code = Devices(world=owner.world, codes=[owner.devices.codes.pop()])
    await code.log_in(ALICE, PASSWORD)


async def reset_by_an_operator(owner: Owner) -> None:
    await owner.world.operator_reset_factors(who=ALICE)


async def change_password(owner: Owner) -> None:
    await owner.world.change_password(owner.caller, current_password=PASSWORD, new_password=THIEFS)


async def reuse_a_refresh_token(owner: Owner) -> None:
    pair = await owner.devices.log_in(ALICE, PASSWORD)
    for _ in range(2):
        last = await owner.world.refresh(refresh_token=pair.refresh_token)
        await owner.world.refresh(refresh_token=last.refresh_token)
        owner.world.clock.advance(minutes=1)
        if await error_code_of(owner.world.refresh(refresh_token=pair.refresh_token)) is not None:
            return


async def log_in_elsewhere(owner: Owner) -> None:
    for place in ("192.0.2.7", "198.51.100.7"):
        challenge, options = await owner.world.passkey_login_options()
        credential = owner.devices.authenticator.get(options)
        here = ClientInfo(ip=place)
        await owner.world.login_with_passkey(challenge=challenge, credential=credential, client_info=here)


async def copy_the_passkey(owner: Owner) -> None:
    for _ in range(2):
        owner.devices.authenticator.passkeys[0].sign_count = 0
        await owner.devices.log_in_by_passkey()
    owner.devices.authenticator.passkeys[0].sign_count = 10


CHANGES: dict[ChangeKind, Callable[[Owner], Awaitable[None]]] = {
    ChangeKind.PASSKEY_ADDED: partial(add, kind=FactorKind.PASSKEY),
    ChangeKind.PASSKEY_REMOVED: partial(remove, kind=FactorKind.PASSKEY),
    ChangeKind.TOTP_ADDED: partial(add, kind=FactorKind.TOTP),
    ChangeKind.TOTP_REMOVED: partial(remove, kind=FactorKind.TOTP),
    ChangeKind.RECOVERY_CODES_REPLACED: replace_codes,
    ChangeKind.RECOVERY_CODE_USED: use_code,
    ChangeKind.FACTORS_RESET: reset_by_an_operator,
    ChangeKind.PASSWORD_CHANGED: change_password,
    ChangeKind.SESSION_STOLEN: reuse_a_refresh_token,
    ChangeKind.NEW_DEVICE: log_in_elsewhere,
    ChangeKind.PASSKEY_CLONED: copy_the_passkey,
}
OF_FACTORS = {
    *(ChangeKind.PASSKEY_ADDED, ChangeKind.PASSKEY_REMOVED, ChangeKind.TOTP_ADDED, ChangeKind.TOTP_REMOVED),
    *(ChangeKind.RECOVERY_CODES_REPLACED, ChangeKind.FACTORS_RESET),
}


@pytest.mark.parametrize("kind", ChangeKind)
async def test_undo_of_each_kind_of_change_restores_the_account(world: World, kind: ChangeKind) -> None:
    owner = await owner_of(world, FactorKind.PASSKEY, FactorKind.TOTP)
    codes = set(owner.devices.codes)
    await CHANGES[kind](owner)
    world.clock.advance(minutes=5)

    await owner.undo(kind)

    assert all(session.ended_at for session in world.store.rows.sessions.values())
    assert (EventType.FACTORS_RESTORED in actions_of(world, owner.user)) == (kind in OF_FACTORS)
    with refused(ErrorCode.LINK_INVALID):
        await owner.undo(kind)
    for password in (PASSWORD, THIEFS):
        assert await error_code_of(world.log_in(ALICE, password)) is ErrorCode.INVALID_CREDENTIALS
    await owner.is_back()
    # The recovery codes of that time work again, unless they were used.
    code = Devices(world=world, codes=[(codes & set(owner.devices.codes)).pop()])
    assert await code.log_in(ALICE, OTHER_PASSWORD)


# -- a thief ----------------------------------------------------------------------------------------------


async def move(owner: Owner) -> None:
    await owner.world.change_email(owner.caller, new_email=THIEF, password=PASSWORD)
    await owner.world.follow_email_link(token=await owner.world.mailed_token(THIEF))


async def delete(owner: Owner) -> None:
    await owner.world.delete_me(owner.caller, password=PASSWORD)


async def remove_the_owners(owner: Owner) -> None:
    for factor_id in owner.factors:
        await owner.world.remove_factor(owner.caller, factor_id)


ACTS: dict[str, Callable[[Owner], Awaitable[None]]] = {
    "add": partial(add, kind=FactorKind.TOTP),
    "codes": replace_codes,
    "remove": remove_the_owners,
    "move": move,
}
LAST: dict[str, Callable[[Owner], Awaitable[None]]] = {"password": change_password, "delete": delete}


# Without factors, there are no recovery codes to replace.
ORDERS = [
    order for order in permutations(ACTS) if not order.index("remove") < order.index("codes") < order.index("add")
]


@pytest.mark.parametrize(("order", "last"), [*zip(ORDERS, [*LAST] * len(ORDERS), strict=False)], ids=str)
async def test_oldest_link_undoes_all_that_a_thief_has_done(world: World, order: tuple[str, ...], last: str) -> None:
    owner = await owner_of(world, FactorKind.PASSKEY)
    started = world.clock()
    for name in order:
        await ACTS[name](owner)
        world.clock.advance(seconds=20)
    await LAST[last](owner)
    world.clock.advance(days=6, hours=23)

    links = [mail for mail in world.store.rows.mails.values() if mail.created_at >= started and mail.change_id]
    oldest = min((mail for mail in links if mail.recipient == ALICE), key=lambda mail: mail.created_at)
    assert oldest.change_id is not None
    link = EmailLink(purpose=LinkPurpose.RESTORE, subject=oldest.change_id, version=0, issued_at=oldest.created_at)
    await world.follow_email_link(token=world.links.sign(link))

    await owner.is_back()
    thiefs = [mail for mail in links if mail.recipient == THIEF and mail.purpose is LinkPurpose.RESTORE]
    for mail in thiefs:
        assert mail.change_id is not None
        link = EmailLink(purpose=LinkPurpose.RESTORE, subject=mail.change_id, version=0, issued_at=mail.created_at)
        with refused(ErrorCode.LINK_INVALID):
            await world.follow_email_link(token=world.links.sign(link))
    assert await owner.in_use() == owner.factors


async def test_later_links_after_an_undo_do_not_bring_a_thiefs_factor_back(world: World) -> None:
    owner = await owner_of(world, FactorKind.PASSKEY)
    await add(owner, FactorKind.TOTP)  # the thief's
    await change_password(owner)
    assert await owner.in_use() > owner.factors
    await owner.undo(ChangeKind.TOTP_ADDED)
    await owner.undo(ChangeKind.PASSWORD_CHANGED)
    await owner.is_back()


async def test_earlier_link_still_works_after_a_later_one(world: World) -> None:
    owner = await owner_of(world, FactorKind.PASSKEY)
    await add(owner, FactorKind.TOTP)
    await remove_the_owners(owner)
    await owner.undo(ChangeKind.PASSKEY_REMOVED)
    assert await owner.in_use() > owner.factors
    await owner.undo(ChangeKind.TOTP_ADDED)
    await owner.is_back()


async def test_link_expires_after_seven_days(world: World) -> None:
    owner = await owner_of(world, FactorKind.PASSKEY)
    await add(owner, FactorKind.TOTP)
    token = owner.link(ChangeKind.TOTP_ADDED)
    world.clock.now = queued_mails(world, MailKind.FACTOR_ADDED)[-1].created_at + WEEK
    with refused(ErrorCode.LINK_EXPIRED):
        await world.follow_email_link(token=token)
    world.clock.advance(seconds=-1)
    await world.follow_email_link(token=token)
    await owner.is_back()


async def test_link_of_a_disabled_user_does_nothing(world: World) -> None:
    owner = await owner_of(world, FactorKind.PASSKEY)
    await add(owner, FactorKind.TOTP)
    before = await owner.in_use()
    async with world.begin() as work:
        await work.users.set_disabled(owner.user.id, True, now=world.clock())
    with refused(ErrorCode.LINK_INVALID):
        await owner.undo(ChangeKind.TOTP_ADDED)
    assert await owner.in_use() == before


async def test_undo_of_a_purged_point_is_refused(world: World) -> None:
    owner = await owner_of(world, FactorKind.PASSKEY)
    await add(owner, FactorKind.TOTP)
    token = owner.link(ChangeKind.TOTP_ADDED)
    world.store.rows.undo_points.clear()
    with refused(ErrorCode.LINK_INVALID):
        await world.follow_email_link(token=token)


# -- at once ----------------------------------------------------------------------------------------------


async def test_of_forty_concurrent_undos_by_one_link_one_succeeds(world: World) -> None:
    owner = await owner_of(world, FactorKind.PASSKEY)
    await add(owner, FactorKind.TOTP)
    token = owner.link(ChangeKind.TOTP_ADDED)
    outcomes = await run_concurrently([partial(world.restore_email, token=token)] * 40)
    assert [one for one in outcomes if not isinstance(one, Refusal)] == [owner.now]
    assert len(queued_mails(world, MailKind.EMAIL_RESTORED)) == 1
    await owner.is_back()


async def test_two_concurrent_undos_lead_to_the_earlier_state(world: World) -> None:
    owner = await owner_of(world, FactorKind.PASSKEY)
    await add(owner, FactorKind.TOTP)
    await remove_the_owners(owner)
    tokens = [owner.link(ChangeKind.TOTP_ADDED), owner.link(ChangeKind.PASSKEY_REMOVED)] * 3
    await run_concurrently([partial(world.restore_email, token=token) for token in tokens])
    await owner.is_back()


async def test_no_factor_is_enrolled_during_an_undo(world: World) -> None:
    owner = await owner_of(world, FactorKind.PASSKEY)
    await change_password(owner)
    token = owner.link(ChangeKind.PASSWORD_CHANGED)
    thief = Devices(world=world)
    owner.caller = await world.authenticate((await owner.devices.log_in(ALICE, THIEFS)).access_token)
    enrolments = [partial(thief.enrol, owner.caller, kind) for kind in FactorKind] * 3
    undo: Callable[[], Awaitable[object]] = partial(world.restore_email, token=token)
    attempts: list[Callable[[], Awaitable[object]]] = [*enrolments, undo, *enrolments]
    await run_concurrently(attempts)
    assert await thief.log_in_by_passkey() == []
    await owner.is_back()

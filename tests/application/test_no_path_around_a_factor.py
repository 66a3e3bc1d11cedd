"""A password and a mailbox, without a factor or recovery code, give no session of an account with a factor, and lower
no factor that is older than an undo reaches. An honest owner always comes back.

Every path is taken in every state of the account.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import pytest

from application.administration.import_users import ImportRow
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.email_change import EmailChange
from domain.factor import FactorKind
from domain.outbox import LinkPurpose
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from domain.tokens import AccessToken, TokenPair
from domain.user import User
from tests.support.devices import Devices
from tests.support.recovery import TOKEN
from tests.support.use_cases import ALICE, purge
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio

NEW, ELSEWHERE, ADMIN = "new@example.org", "elsewhere@example.org", "admin@example.org"
MAILBOXES = {ALICE, NEW, ELSEWHERE}
INTRUDERS = "what the intruder has chosen"
PASSWORDS = [PASSWORD, OTHER_PASSWORD, INTRUDERS]


@pytest.fixture
def anyio_backend() -> str:
    """One event loop: the use cases have tests of their own on both."""
    return "asyncio"


@pytest.fixture
def world() -> World:
    return World(limited=False)


@dataclass(kw_only=True)
class Account:
    world: World
    user_id: UUID
    devices: Devices
    factors: frozenset[UUID] = frozenset()

    @property
    def stored(self) -> User | None:
        return self.world.store.rows.users.get(self.user_id)

    async def log_in(self, client_info: ClientInfo = UNKNOWN_CLIENT) -> AccessToken:
        """With the factors of the owner, wherever the account is now."""
        stored = self.stored
        assert stored is not None
        pair = await self.devices.log_in(stored.email, PASSWORD, client_info=client_info)
        return await self.world.authenticate(pair.access_token)

    async def tokens(self) -> list[str]:
        """All that the mailboxes hold, newest first."""
        await self.world.deliver_mail(limit=1000)
        letters = [one for one in self.world.mailer.letters if one.recipient in MAILBOXES]
        return [token for one in reversed(letters) for token in TOKEN.findall(one.text)]

    async def ids_in_use(self) -> frozenset[UUID]:
        return frozenset(
            one.id
            for one in self.world.store.rows.factors.values()
            if one.user_id == self.user_id and not one.removed_in
        )

    def opened_by(self, pairs: Sequence[TokenPair]) -> int:
        """How many of these are sessions of the account."""
        sessions = [
            self.world.store.rows.sessions[self.world.access_codec.decode(one.access_token).session_id]
            for one in pairs
        ]
        return sum(one.user_id == self.user_id for one in sessions)


async def succeeds(act: Awaitable[object]) -> bool:
    try:
        await act
    except Refusal:
        return False
    return True


# -- the states of the account ----------------------------------------------------------------------------


async def account_with(world: World, *kinds: FactorKind) -> Account:
    """The factors are eight days old, and so are the mails about them."""
    account = Account(world=world, user_id=(await world.user(ALICE)).id, devices=Devices(world=world))
    caller = await world.caller()
    for kind in kinds:
        await account.devices.enrol(caller, kind)
        caller = await account.devices.step_up(caller, PASSWORD)
    account.factors = await account.ids_in_use()
    world.clock.advance(days=8)
    return account


async def with_codes_only(world: World) -> Account:
    account = await account_with(world, FactorKind.TOTP)
    account.devices.secrets.clear()
    return account


async def unverified(world: World) -> Account:
    """As another user leaves it who has taken the address over by an undo."""
    account = await account_with(world, FactorKind.TOTP)
    async with world.begin() as work:
        evicted = await work.users.evict_from_email(account.user_id, to=ELSEWHERE)
        assert evicted is not None
        await work.email_changes.add(
            EmailChange(
                id=world.new_id(),
                user_id=account.user_id,
                old_email=ALICE,
                new_email=ELSEWHERE,
                credential_version=evicted.credential_version,
                asked_at=world.clock(),
            )
        )
    return account


async def disabled(world: World) -> Account:
    account = await account_with(world, FactorKind.TOTP)
    async with world.begin() as work:
        await work.users.set_disabled(account.user_id, True, now=world.clock())
    return account


async def moved(world: World) -> Account:
    account = await account_with(world, FactorKind.TOTP)
    await world.change_email(await account.log_in(), new_email=NEW, password=PASSWORD)
    await world.follow_email_link(token=await world.mailed_token(NEW))
    return account


async def deleted(world: World) -> Account:
    account = await account_with(world, FactorKind.TOTP)
    await world.delete_me(await account.log_in(), password=PASSWORD)
    return account


STATES: dict[str, Callable[[World], Awaitable[Account]]] = {
    "none": lambda world: account_with(world),
    "totp": lambda world: account_with(world, FactorKind.TOTP),
    "passkey": lambda world: account_with(world, FactorKind.PASSKEY),
    "both": lambda world: account_with(world, FactorKind.TOTP, FactorKind.PASSKEY),
    "codes only": with_codes_only,
    "unverified": unverified,
    "disabled": disabled,
    "moved": moved,
    "deleted": deleted,
}


# -- the paths of the intruder ----------------------------------------------------------------------------


async def nothing(account: Account) -> None:
    """The password alone."""


async def reset(account: Account) -> None:
    for email in MAILBOXES:
        await account.world.request_reset(email=email)
    await use_links(account)


async def verify(account: Account) -> None:
    for email in MAILBOXES:
        await account.world.request_verification(email=email)
    await use_links(account)


async def undo_recent_notices(account: Account) -> None:
    """The owner logs in from a new device and changes the password; the intruder follows the links in the mails."""
    if account.stored is not None and not account.stored.disabled:
        for place in ("192.0.2.7", "192.0.2.8"):
            caller = await account.log_in(ClientInfo(ip=place))
        caller = await account.devices.step_up(caller, PASSWORD)
        await account.world.change_password(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)
    await use_links(account)
    await reset(account)


async def confirm_a_change_of_address(account: Account) -> None:
    if account.stored is not None and not account.stored.disabled:
        caller = await account.devices.step_up(await account.log_in(), PASSWORD)
        target = NEW if account.stored.email != NEW else ELSEWHERE
        await account.world.change_email(caller, new_email=target, password=PASSWORD)
    await use_links(account)
    await reset(account)


async def register_again(account: Account) -> None:
    for email in MAILBOXES:
        await succeeds(account.world.register(email=email, password=INTRUDERS, username=None))
    await use_links(account)
    await reset(account)


async def import_the_address(account: Account) -> None:
    password_hash = await account.world.hasher.hash(INTRUDERS)
    rows = [
        ImportRow(line=line, email=email, password_hash=password_hash, verified=True)
        for line, email in enumerate(sorted(MAILBOXES))
    ]
    await account.world.import_users(rows, since=account.world.clock())
    await reset(account)


async def create_by_command_line(account: Account) -> None:
    for email in MAILBOXES:
        create = account.world.create_user(email=email, role=Role.MEMBER, verified=True, password=INTRUDERS)
        await succeeds(create)
    await reset(account)


async def grant_by_command_line(account: Account) -> None:
    for email in MAILBOXES:
        await succeeds(account.world.grant_role(email=email, role=Role.MODERATOR))
    await reset(account)


async def disable_and_enable(account: Account) -> None:
    admin = await admin_of(account.world)
    for state in (True, False):
        await succeeds(account.world.change_user(admin, account.user_id, disabled=state))
    await reset(account)


async def revoke_sessions_by_an_admin(account: Account) -> None:
    await succeeds(account.world.admin_revoke_sessions(await admin_of(account.world), account.user_id))
    await reset(account)


async def wait_and_purge(account: Account) -> None:
    account.world.clock.advance(days=6)
    await purge(account.world)
    await use_links(account)
    await reset(account)


PATHS: dict[str, Callable[[Account], Awaitable[None]]] = {
    path.__name__: path
    for path in (
        *(nothing, reset, verify, undo_recent_notices, confirm_a_change_of_address, register_again),
        *(import_the_address, create_by_command_line, grant_by_command_line, disable_and_enable),
        *(revoke_sessions_by_an_admin, wait_and_purge),
    )
}


async def admin_of(world: World) -> AccessToken:
    if not any(user.email == ADMIN for user in world.store.rows.users.values()):
        await world.user(ADMIN, role=Role.ADMIN)
    return await world.caller(ADMIN)


async def use_links(account: Account) -> None:
    """Use all links in the mailboxes, for any purpose, and those that come of them; choose a password at last."""
    for _ in range(2):
        for token in await account.tokens():
            await succeeds(account.world.verify(token=token))
            await succeeds(account.world.follow_email_link(token=token))
        await choose_password(account, INTRUDERS)


async def choose_password(account: Account, password: str) -> None:
    """By any reset link in the mailboxes."""
    for token in await account.tokens():
        reset = account.world.reset_password(token=token, new_password=password, confirm_password=password)
        await succeeds(reset)


async def sessions_without_a_factor(account: Account) -> list[TokenPair]:
    """Every password, and the intruder's own authenticator, app and made-up code."""
    world, pairs = account.world, []
    intruder = Devices(
        world=world, secrets=["JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"], codes=["ABCD-EFGH-IJKL-MNOP-QRST-UVWX"]
    )
    await world.user("intruder@example.net")
    await intruder.enrol(await world.caller("intruder@example.net"), FactorKind.PASSKEY)
    for login in (*sorted(MAILBOXES), "queen"):
        for password in (*PASSWORDS, ""):
            try:
                pairs.append(await intruder.log_in(login, password))
            except Refusal:
                continue
    return [*pairs, *await intruder.log_in_by_passkey()]


# -- and the owner ----------------------------------------------------------------------------------------


async def owner_comes_back(account: Account) -> bool:
    """By what the owner has: the password of then, the mailboxes, the factors, and time."""
    for _ in range(2):
        if await owner_is_in(account, PASSWORDS):
            return True
        for token in await account.tokens():
            if account.world.follow_email_link.purpose(token) is LinkPurpose.RESTORE:
                await succeeds(account.world.follow_email_link(token=token))
        for email in MAILBOXES:
            await account.world.request_reset(email=email)
        await choose_password(account, OTHER_PASSWORD)
        if await owner_is_in(account, PASSWORDS):
            return True
        account.world.clock.advance(days=7)
    return False


async def owner_is_in(account: Account, passwords: Sequence[str]) -> bool:
    stored = account.stored
    if stored is None:
        return False
    for password in passwords:
        try:
            pair = await account.devices.log_in(stored.email, password)
        except Refusal:
            continue
        if account.opened_by([pair]):
            return True
    return False


ANOTHER_ACCOUNT = {
    *(
        (state, path)
        for state in ("unverified", "deleted")
        for path in ("import_the_address", "create_by_command_line")
    ),
    ("unverified", "register_again"),
}
"""An operator gave the free or unverified address to another account, or the reader of the mailbox has verified
another one. The owner of the mailbox has that account instead."""


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("state", STATES)
async def test_no_path_leads_around_a_factor(world: World, state: str, path: str) -> None:
    account = await STATES[state](world)
    await PATHS[path](account)
    pairs = await sessions_without_a_factor(account)
    assert await account.ids_in_use() == account.factors
    if account.factors:
        assert account.opened_by(pairs) == 0
        if account.stored is not None:
            assert account.stored.factors
    if account.stored is not None and account.stored.disabled:
        await world.change_user(await admin_of(world), account.user_id, disabled=False)
    assert await owner_comes_back(account) or (state, path) in ANOTHER_ACCOUNT
    assert await account.ids_in_use() == account.factors


@pytest.mark.parametrize("state", ["totp", "passkey", "both", "codes only"])
async def test_only_an_operator_removes_lost_factors(world: World, state: str) -> None:
    account = await STATES[state](world)
    account.devices = replace(account.devices, secrets=[], codes=[])
    account.devices.authenticator.passkeys.clear()
    assert not await owner_comes_back(account)
    await world.operator_reset_factors(who=ALICE)
    assert await owner_comes_back(account)
    await account.tokens()
    assert [letter.subject for letter in world.mailer.letters].count(
        "Your second factors for Latchkey were removed"
    ) == 1
    with pytest.raises(Refusal) as refused:
        await world.operator_reset_factors(who="unknown@example.org")
    assert refused.value.code is ErrorCode.NOT_FOUND

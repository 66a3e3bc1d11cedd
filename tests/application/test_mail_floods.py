"""Strangers request mails to a mailbox for a week, from any number of networks, for any spelling of its address. The
owner of the mailbox always gets in."""

import random
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from itertools import count

import pytest

from domain.client_info import ClientInfo
from domain.outbox import DeliveryOutcome, LinkPurpose, MailKind, OutboxMail
from domain.refusals import ErrorCode
from tests.support.use_cases import ALICE, error_code_of, link
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio

SHOP = "alice+shop@example.org"
DAY, WEEK = timedelta(days=1), timedelta(days=7)
LINK_KINDS = {MailKind.VERIFY: LinkPurpose.VERIFY, MailKind.RESET: LinkPurpose.RESET}


class Flood:
    """Every request comes from a new network, so the limits of networks stop none of them."""

    def __init__(self, world: World, *, seed: int, addresses: tuple[str, ...]) -> None:
        self.world, self.addresses = world, addresses
        self.random, self.numbers = random.Random(seed), count()
        self.sent: list[OutboxMail] = []
        self.sent_at: list[datetime] = []

    def network(self) -> ClientInfo:
        number = next(self.numbers)
        return ClientInfo(ip=f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1")

    async def go_on(self) -> None:
        """Ten minutes of requests."""
        world = self.world
        register = partial(world.register, password=PASSWORD)
        requests: list[Callable[..., Awaitable[object]]] = [world.request_reset, world.request_verification, register]
        for _ in range(self.random.randrange(12)):
            sub_address = self.random.choice(["alice+{}@example.org", "ALICE+{}+x@Example.org"])
            address = self.random.choice([*self.addresses, sub_address.format(next(self.numbers))])
            await error_code_of(self.random.choice(requests)(email=address, client_info=self.network()))
        await self.deliver()
        world.clock.advance(minutes=10)

    async def deliver(self) -> None:
        await self.world.deliver_mail(limit=1000)
        mails = self.world.store.rows.mails
        sent = [mail for mail in mails.values() if mail.outcome is DeliveryOutcome.SENT]
        self.sent_at += [mail.created_at for mail in sent]
        day_ago = self.world.clock() - DAY
        self.sent = [it for it in self.sent + sent if it.kind.purpose is not None and it.created_at > day_ago]
        mails.clear()

    def mails_to(self, address: str) -> list[OutboxMail]:
        return [mail for mail in self.sent if mail.recipient == address]

    def most_in_a_day(self) -> int:
        return max(bisect_left(self.sent_at, begin + DAY) - place for place, begin in enumerate(self.sent_at))


@pytest.fixture
def anyio_backend() -> str:
    """One is enough for so long a simulation."""
    return "asyncio"


SPELLINGS = [(), (ALICE, ALICE.upper()), (ALICE, SHOP)]


@pytest.mark.parametrize("spellings", SPELLINGS, ids=["sub-addresses", "address", "both"])
async def test_the_owner_has_a_valid_link_throughout_a_flood(world: World, spellings: tuple[str, ...]) -> None:
    flood = Flood(world, seed=0, addresses=spellings)
    accounts = [await world.user(address) for address in (ALICE, SHOP)]
    began = world.clock()
    while world.clock() < began + WEEK:
        await flood.go_on()
        for account in accounts:
            refusal = await error_code_of(world.request_reset(email=account.email, client_info=flood.network()))
            await flood.deliver()
            newest = next(mail for mail in reversed(flood.mails_to(account.email)) if mail.kind is MailKind.RESET)
            age = world.clock() - newest.created_at
            assert age <= timedelta(minutes=20) if refusal else age == timedelta(0)
            kept = world.store.rows.users[account.id]
            token = link(world, kept, LinkPurpose.RESET, at=newest.created_at)
            assert kept.can_reset_by(world.links.verify(token, LinkPurpose.RESET))
    assert flood.most_in_a_day() <= 20 + 2 * 72 + 12


@pytest.mark.parametrize("spellings", SPELLINGS[:2], ids=["sub-addresses", "address"])
@pytest.mark.parametrize("seed", range(2))
async def test_a_newcomer_gets_in_throughout_a_flood_and_no_stranger_does(
    world: World, seed: int, spellings: tuple[str, ...]
) -> None:
    """The newcomer registers, which may be refused, and follows any mail received so far, or requests a link."""
    flood = Flood(world, seed=seed, addresses=spellings)
    began = world.clock()
    while world.clock() < began + WEEK:
        for _ in range(flood.random.randrange(12, 24)):
            await flood.go_on()
        await error_code_of(world.register(email=ALICE, password=OTHER_PASSWORD, client_info=flood.network()))
        await flood.deliver()
        since = world.clock() - LinkPurpose.RESET.lifetime
        mails = [mail for mail in flood.mails_to(ALICE) if mail.kind is MailKind.VERIFY]
        mails += [it for it in flood.mails_to(ALICE) if it.kind is MailKind.RESET and it.created_at > since][-1:]
        if flood.random.random() < 0.5:
            await error_code_of(world.request_reset(email=ALICE, client_info=flood.network()))
            await flood.deliver()
            mails = flood.mails_to(ALICE)[-1:]
        await get_in(flood, flood.random.choice(mails))
        for account in [user for user in world.store.rows.users.values() if user.email == ALICE]:
            async with world.begin() as work:
                await work.users.remove(account.id, now=world.clock())
        flood.sent = [mail for mail in flood.sent if mail.recipient != ALICE]


async def get_in(flood: Flood, mail: OutboxMail) -> None:
    world, network = flood.world, flood.network()
    purpose = LINK_KINDS[mail.kind]
    subject = mail.user_id
    if subject is None:
        async with world.begin() as work:
            holder = await work.users.by_email(ALICE)
            assert holder is not None
            subject = holder.id
    token = link(world, world.store.rows.users[subject], purpose, at=mail.created_at)
    if purpose is LinkPurpose.VERIFY:
        await world.verify(token=token, client_info=network)
        await flood.deliver()
        needed = flood.mails_to(ALICE)[-1]
        token = link(world, world.store.rows.users[subject], LinkPurpose.RESET, at=needed.created_at)
        if needed.kind is not MailKind.PASSWORD_NEEDED:
            token = ""
    if token:
        await world.reset_password(
            token=token, new_password=OTHER_PASSWORD, confirm_password=OTHER_PASSWORD, client_info=network
        )
    await world.login(login=ALICE, password=OTHER_PASSWORD, client_info=network)
    stranger = world.login(login=ALICE, password=PASSWORD, client_info=network)
    assert await error_code_of(stranger) is ErrorCode.INVALID_CREDENTIALS

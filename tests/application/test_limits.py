"""Rate limits of use cases: guessing is limited, and the owner can still log in."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from functools import partial

import pytest

from adapters.memory.hasher import MemoryHasher
from adapters.memory_rate_limiter import MemoryRateLimiter
from application.ports import PasswordMatch
from application.repositories import UnitOfWork
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.outbox import DeliveryOutcome, LinkPurpose, MailKind
from domain.refusals import ErrorCode, Refusal
from domain.tokens import TokenPair
from tests.support.use_cases import (
    ALICE,
    BOB,
    change_link,
    claim,
    error_code_of,
    link,
    queued_mails,
    refused,
    request_email_change,
    run_concurrently,
)
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio

HERE = ClientInfo(ip="203.0.113.7", user_agent="Lynx")
THERE = ClientInfo(ip="198.51.100.20")
WRONG = "not the passphrase at all"
UNKNOWN_EMAIL = "nobody@example.org"


def network(number: int) -> ClientInfo:
    return ClientInfo(ip=f"2001:db8:0:{number:x}::1")


async def enter(
    world: World, login: str = ALICE, password: str = PASSWORD, client_info: ClientInfo = HERE
) -> TokenPair:
    return await world.login(login=login, password=password, client_info=client_info)


async def guess(world: World, times: int, login: str = ALICE, client_info: ClientInfo = HERE) -> None:
    for _ in range(times):
        with refused(ErrorCode.INVALID_CREDENTIALS):
            await enter(world, login, WRONG, client_info)


async def guess_everywhere(world: World, login: str = ALICE, times: int = 30) -> None:
    """From so many networks that only the account limit applies."""
    for number in range(times // 5):
        await guess(world, 5, login, network(number))


async def wait_of(attempt: Awaitable[object]) -> int | None:
    """The time that the caller has to wait."""
    with pytest.raises(Refusal) as caught:
        await attempt
    assert caught.value.code is ErrorCode.RATE_LIMITED
    return caught.value.retry_after


# -- passwords --------------------------------------------------------------------------------------------


async def test_after_ten_wrong_passwords_the_right_one_is_refused_unchecked(world: World) -> None:
    await world.user(ALICE)
    await guess(world, 10)
    paid = world.hasher.calls
    world.clock.advance(seconds=10)
    assert await wait_of(enter(world)) == 290
    assert world.hasher.calls == paid
    world.clock.advance(seconds=289)
    assert await wait_of(enter(world)) == 1
    world.clock.advance(seconds=1)
    assert await enter(world)


async def test_white_space_around_the_name_does_not_evade_the_limit(world: World) -> None:
    await world.user(ALICE)
    for name in (ALICE, f"{ALICE} ", f" {ALICE}", f"{ALICE}\n", f"\t{ALICE.upper()}\u00a0"):
        await guess(world, 2, name)
    for name in (ALICE, f"   {ALICE}   "):
        assert await error_code_of(enter(world, name)) is ErrorCode.RATE_LIMITED


async def test_the_owner_can_log_in_from_another_network(world: World) -> None:
    await world.user(ALICE)
    await guess(world, 10)
    assert await error_code_of(enter(world)) is ErrorCode.RATE_LIMITED
    assert await enter(world, client_info=THERE)
    assert await enter(world, client_info=UNKNOWN_CLIENT)


async def test_unknown_users_are_limited_like_known_ones(world: World) -> None:
    """The same text, with the same number of queries of store and limits."""
    await world.user(ALICE, username="Alice")
    await claim(world, BOB, PASSWORD)
    admin = await world.user("admin@example.org")
    await world.user("banned@example.org")
    async with world.begin() as work:
        banned = await work.users.by_email("banned@example.org")
        assert banned is not None
        await work.users.set_disabled(banned.id, True, now=world.clock())
    begun = Counted(world)
    stories = []
    for number, login in enumerate(
        (ALICE, "Alice", BOB, admin.email, banned.email, UNKNOWN_EMAIL, "nobody", "no name")
    ):
        begun.clear()
        story = []
        for attempt in range(13):
            try:
                await enter(begun.world, login, WRONG, replace(HERE, ip=f"198.51.100.{number}"))
            except Refusal as refusal:
                story.append((*refusal.args, refusal.code, refusal.field, refusal.retry_after, begun.calls))
            assert len(story) == attempt + 1
        stories.append(story)
    proper, nonsense = stories[:-1], stories[-1]
    assert all(story == proper[0] for story in proper)
    assert [steps[:-1] for steps in nonsense] == [steps[:-1] for steps in proper[0]]
    assert [steps[2] for steps in proper[0]] == [ErrorCode.INVALID_CREDENTIALS] * 10 + [ErrorCode.RATE_LIMITED] * 3
    assert proper[0][-1][-1] == proper[0][9][-1], "a refusal looks nobody up"


class Counted:
    """A world that counts units of work during a login."""

    def __init__(self, world: World) -> None:
        self.world, self.calls, begin = world, 0, world.begin

        def counted() -> AbstractAsyncContextManager[UnitOfWork]:
            self.calls += 1
            return begin()

        world.check = replace(world.check, begin=counted)
        world.login = replace(world.login, check=world.check)

    def clear(self) -> None:
        self.calls = 0


async def test_the_account_limit_does_the_same_queries_for_unknown_users(world: World) -> None:
    await world.user(ALICE)
    begun, looks = Counted(world), set()
    for login in (ALICE, UNKNOWN_EMAIL):
        await guess_everywhere(world, login)
        begun.clear()
        assert await error_code_of(enter(world, login)) is ErrorCode.RATE_LIMITED
        looks.add(begun.calls)
    assert looks == {1}


async def test_names_are_counted_in_any_case_and_do_not_reveal_the_other_name(world: World) -> None:
    """With a shared count, filling one name would reveal the other name of the same user."""
    await world.user(ALICE, username="Queen.B")
    await guess(world, 5, "queen.b")
    await guess(world, 5, "QUEEN.B")
    assert await error_code_of(enter(world, "Queen.B")) is ErrorCode.RATE_LIMITED
    await guess(world, 5, ALICE)
    await guess(world, 5, ALICE.upper())
    assert await error_code_of(enter(world, ALICE)) is ErrorCode.RATE_LIMITED


async def test_names_that_are_too_long_are_counted_and_stored_shortened(world: World) -> None:
    await guess(world, 5, "x" * 30_000)
    await guess(world, 5, "x" * 20_000)
    assert await error_code_of(enter(world, "x" * 10_000)) is ErrorCode.RATE_LIMITED
    assert isinstance(world.rate_limiter, MemoryRateLimiter)
    assert max(len(part) for bucket in world.rate_limiter._logs for part in bucket.key) <= 254


async def test_a_network_has_fifty_wrong_passwords_over_all_accounts(world: World) -> None:
    await world.user(ALICE)
    for number in range(50):
        await guess(world, 1, f"user{number}@example.org")
    assert await error_code_of(enter(world)) is ErrorCode.RATE_LIMITED
    assert await enter(world, client_info=THERE)


async def test_right_passwords_are_not_counted_and_do_not_reset_failures(world: World) -> None:
    await world.user(ALICE)
    await world.user(BOB)
    for number in range(12):
        await guess(world, 4, f"user{number}@example.org")
        await enter(world, BOB)
    assert await error_code_of(enter(world, UNKNOWN_EMAIL, WRONG)) is ErrorCode.INVALID_CREDENTIALS
    assert await error_code_of(enter(world, UNKNOWN_EMAIL, WRONG)) is ErrorCode.INVALID_CREDENTIALS
    assert await error_code_of(enter(world, BOB)) is ErrorCode.RATE_LIMITED
    for _ in range(60):
        await enter(world, ALICE, client_info=THERE)


async def test_a_successful_login_does_not_reset_the_failures_of_others(world: World) -> None:
    await world.user(ALICE)
    await guess(world, 9)
    for _ in range(3):
        await enter(world)
    await guess(world, 1)
    assert await error_code_of(enter(world)) is ErrorCode.RATE_LIMITED


async def test_of_two_hundred_concurrent_guesses_ten_are_checked(world: World) -> None:
    await world.user(ALICE)
    paid = world.hasher.calls
    outcomes = await run_concurrently([partial(enter, world, ALICE, f"{WRONG} {n}") for n in range(200)])
    codes = [outcome.code for outcome in outcomes if isinstance(outcome, Refusal)]
    assert world.hasher.calls == paid + 10
    assert (codes.count(ErrorCode.INVALID_CREDENTIALS), codes.count(ErrorCode.RATE_LIMITED)) == (10, 190)


class Overloaded(MemoryHasher):
    async def hash(self, password: str, *, like: str | None = None) -> str:
        raise Refusal(ErrorCode.OVERLOADED, retry_after=2)

    async def verify(self, password: str, password_hash: str | None, *others: str) -> PasswordMatch:
        raise Refusal(ErrorCode.OVERLOADED, retry_after=2)


async def test_an_attempt_that_was_not_checked_is_refunded(world: World) -> None:
    await world.user(ALICE)
    busy = replace(world.login, check=replace(world.check, hasher=Overloaded()))
    for _ in range(30):
        with refused(ErrorCode.OVERLOADED):
            await busy(login=ALICE, password=PASSWORD, client_info=HERE)
    await guess(world, 10)


async def test_a_disabled_user_with_the_right_password_always_learns_it(world: World) -> None:
    user = await world.user(ALICE)
    async with world.begin() as work:
        await work.users.set_disabled(user.id, True, now=world.clock())
    for _ in range(20):
        with refused(ErrorCode.ACCOUNT_DISABLED):
            await enter(world)


async def test_all_ipv6_addresses_of_one_customer_are_one_network(world: World) -> None:
    await world.user(ALICE)
    for number in range(10):
        await guess(world, 1, client_info=ClientInfo(ip=f"2001:db8:1:2:{number:x}::{number:x}"))
    assert (
        await error_code_of(enter(world, client_info=ClientInfo(ip="2001:db8:1:2:ffff::"))) is ErrorCode.RATE_LIMITED
    )
    assert await enter(world, client_info=ClientInfo(ip="2001:db8:1:3::"))


# -- the last stop ----------------------------------------------------------------------------------------


async def test_after_thirty_wrong_passwords_new_networks_wait_for_a_day(world: World) -> None:
    await world.user(ALICE)
    await guess_everywhere(world)
    assert await wait_of(enter(world)) == 24 * 3600
    assert await wait_of(enter(world, client_info=UNKNOWN_CLIENT)) == 24 * 3600
    world.clock.advance(hours=24)
    assert await enter(world)


async def test_networks_with_a_session_have_twenty_reserved_attempts_a_day(world: World) -> None:
    await world.user(ALICE)
    await enter(world, client_info=ClientInfo(ip="2001:db8:1:2::1"))
    await guess_everywhere(world)
    at_home = ClientInfo(ip="2001:db8:1:2:3::4")
    assert await enter(world, client_info=at_home)
    assert await error_code_of(enter(world, client_info=ClientInfo(ip="2001:db8:1:3::1"))) is ErrorCode.RATE_LIMITED
    await guess(world, 10, client_info=at_home)
    assert await wait_of(enter(world, client_info=at_home)) == 300
    world.clock.advance(minutes=5)
    await guess(world, 10, client_info=at_home)
    world.clock.advance(minutes=5)
    assert await wait_of(enter(world, client_info=at_home)) == 24 * 3600 - 600  # the age of a stranger's guess
    world.clock.advance(hours=23, minutes=50)
    assert await enter(world, client_info=at_home)


@pytest.mark.parametrize("logged_in", [True, False])
async def test_an_account_has_a_hundred_wrong_passwords_a_day_over_both_names(world: World, logged_in: bool) -> None:
    """The attacker guesses all day, from the owner's network and others, with any spelling of the name."""
    await world.user(ALICE, username="Queen.B")
    if logged_in:
        await enter(world)
    paid = world.hasher.calls
    for hour in range(24):
        for login in (ALICE, ALICE.upper(), "queen.b", "QUEEN.B"):
            for client_info in (HERE, network(hour)):
                for _ in range(11):
                    with pytest.raises(Refusal):
                        await enter(world, login, WRONG, client_info)
        world.clock.advance(minutes=59)
    assert world.hasher.calls - paid == (100 if logged_in else 60)

    await world.request_reset(email=ALICE, client_info=THERE)
    await reset(world, await world.mailed_token(ALICE))
    assert await enter(world, ALICE, OTHER_PASSWORD)
    assert await enter(world, "queen.b", OTHER_PASSWORD, THERE)


async def test_wrong_passwords_cannot_use_up_the_budget_of_right_ones(world: World) -> None:
    await world.user(ALICE)
    await world.user(BOB)
    await enter(world)
    for _ in range(4):
        await guess(world, 10)
        world.clock.advance(minutes=5)
    for _ in range(79):
        await enter(world)
    paid = world.hasher.calls
    assert await wait_of(enter(world)) == 40 * 60
    assert world.hasher.calls == paid
    assert await enter(world, BOB)
    assert await enter(world, BOB, client_info=THERE)


async def test_an_ended_session_does_not_make_a_network_known(world: World) -> None:
    await world.user(ALICE)
    pair = await enter(world)
    await enter(world, client_info=THERE)
    await world.logout(await world.authenticate(pair.access_token))
    await guess_everywhere(world)
    assert await error_code_of(enter(world)) is ErrorCode.RATE_LIMITED
    assert await enter(world, client_info=THERE)
    world.clock.advance(days=7, hours=-1)
    await guess_everywhere(world)
    world.clock.advance(hours=2)
    assert await error_code_of(enter(world, client_info=THERE)) is ErrorCode.RATE_LIMITED


async def test_sessions_of_others_do_not_make_a_network_known(world: World) -> None:
    await world.user(ALICE)
    await world.user(BOB)
    await enter(world, BOB)
    await enter(world, ALICE, client_info=UNKNOWN_CLIENT)
    await guess_everywhere(world)
    for client_info in (HERE, UNKNOWN_CLIENT):
        assert await error_code_of(enter(world, client_info=client_info)) is ErrorCode.RATE_LIMITED


async def test_guessing_does_not_affect_sessions(world: World) -> None:
    await world.user(ALICE)
    pair = await enter(world)
    await guess_everywhere(world)
    await guess(world, 10)
    for _ in range(100):
        world.clock.advance(seconds=1)
        pair = await world.refresh(refresh_token=pair.refresh_token, client_info=HERE)
    assert await world.authenticate(pair.access_token)


@pytest.mark.parametrize("login", [ALICE, "queen.b"])
async def test_after_a_reset_the_owner_can_log_in_at_once(world: World, login: str) -> None:
    user = await world.user(ALICE, username="Queen.B")
    await guess(world, 10, login)
    await guess_everywhere(world, login, times=20)
    for client_info in (HERE, THERE):
        assert await error_code_of(enter(world, login, client_info=client_info)) is ErrorCode.RATE_LIMITED

    await world.request_reset(email=ALICE, client_info=HERE)
    token = link(world, user, LinkPurpose.RESET)
    await world.reset_password(
        token=token, new_password=OTHER_PASSWORD, confirm_password=OTHER_PASSWORD, client_info=HERE
    )
    assert await enter(world, login, OTHER_PASSWORD)
    assert await enter(world, login, OTHER_PASSWORD, THERE)


async def test_a_failed_reset_does_not_reset_the_limits(world: World) -> None:
    await world.user(ALICE)
    await guess(world, 10)
    for token in ("nonsense", link(world, await world.user(BOB), LinkPurpose.VERIFY)):
        with refused(ErrorCode.LINK_INVALID):
            await world.reset_password(
                token=token, new_password=OTHER_PASSWORD, confirm_password=OTHER_PASSWORD, client_info=HERE
            )
    assert await error_code_of(enter(world)) is ErrorCode.RATE_LIMITED


# -- a current password, wherever it is asked for ---------------------------------------------------------


@dataclass
class Inside:
    """An attacker with a session of Alice and without the password."""

    world: World
    pair: TokenPair

    async def change(self, password: str) -> object:
        caller = await self.world.authenticate(self.pair.access_token)
        return await self.world.change_password(
            caller, current_password=password, new_password=OTHER_PASSWORD, client_info=HERE
        )

    async def move(self, password: str) -> None:
        caller = await self.world.authenticate(self.pair.access_token)
        await self.world.change_email(caller, new_email=BOB, password=password, client_info=HERE)

    async def leave(self, password: str) -> None:
        caller = await self.world.authenticate(self.pair.access_token)
        await self.world.delete_me(caller, password=password, client_info=HERE)

    async def log_in(self, password: str) -> object:
        return await enter(self.world, ALICE, password)


@pytest.fixture
async def inside(world: World) -> Inside:
    await world.user(ALICE)
    return Inside(world, await enter(world, client_info=THERE))


VERBS = [Inside.change, Inside.move, Inside.leave, Inside.log_in]


@pytest.mark.parametrize("first", VERBS)
@pytest.mark.parametrize("then", VERBS)
async def test_every_use_case_with_a_password_shares_the_limit(
    inside: Inside,
    first: Callable[[Inside, str], Awaitable[object]],
    then: Callable[[Inside, str], Awaitable[object]],
) -> None:
    for _ in range(10):
        assert await error_code_of(first(inside, WRONG)) is ErrorCode.INVALID_CREDENTIALS
    paid = inside.world.hasher.calls
    assert await wait_of(then(inside, PASSWORD)) == 300
    assert inside.world.hasher.calls == paid


async def test_a_right_current_password_is_not_counted(inside: Inside) -> None:
    caller = await inside.world.authenticate(inside.pair.access_token)
    for _ in range(30):
        with refused(ErrorCode.PASSWORD_WEAK, field="new_password"):
            await inside.world.change_password(caller, current_password=PASSWORD, new_password="x", client_info=HERE)
    await inside.change(PASSWORD)


# -- registering ------------------------------------------------------------------------------------------


async def register(world: World, email: str, *, client_info: ClientInfo = HERE, **more: str) -> None:
    await world.register(**{"email": email, "password": PASSWORD, **more}, client_info=client_info)


async def test_a_network_registers_two_hundred_an_hour(world: World) -> None:
    for number in range(200):
        await register(world, f"user{number}@example.org")
    paid = world.hasher.calls
    assert await wait_of(register(world, ALICE)) == 3600
    assert world.hasher.calls == paid
    await register(world, ALICE, client_info=THERE)


async def test_address_is_registered_three_times_an_hour_known_or_not(world: World) -> None:
    await world.user(ALICE)
    for email in (ALICE, BOB):
        for _ in range(3):
            await register(world, email)
        assert await wait_of(register(world, email)) == 3600
        for number in range(3):
            await register(world, email, client_info=network(number))
        assert await wait_of(register(world, email, client_info=THERE)) == 20 * 60


async def test_invalid_input_is_not_counted(world: World) -> None:
    for _ in range(10):
        with refused(ErrorCode.PASSWORD_WEAK, field="password"):
            await register(world, ALICE, password="short")
        with refused(ErrorCode.USERNAME_INVALID, field="username"):
            await register(world, ALICE, username="!")
    for _ in range(3):
        await register(world, ALICE)


async def test_a_taken_username_is_counted_although_no_mail_is_sent(world: World) -> None:
    await world.user(BOB, username="bob")
    for _ in range(200):
        with refused(ErrorCode.USERNAME_TAKEN, field="username"):
            await register(world, ALICE, username="bob")
    assert await wait_of(register(world, ALICE, username="bob")) == 3600
    for _ in range(3):
        await register(world, ALICE, client_info=THERE)
    assert await error_code_of(register(world, ALICE, client_info=THERE)) is ErrorCode.RATE_LIMITED


async def test_a_registration_that_was_not_hashed_is_not_counted(world: World) -> None:
    busy = replace(world.register, hasher=Overloaded())
    for _ in range(250):
        with refused(ErrorCode.OVERLOADED):
            await busy(email=ALICE, password=PASSWORD, client_info=HERE)
    for number in range(200):
        await register(world, f"user{number}@example.org")


# -- changing a password ----------------------------------------------------------------------------------


async def test_a_password_is_changed_three_times_an_hour_and_five_times_a_day(world: World) -> None:
    await world.user(ALICE)
    passwords = [f"{PASSWORD} of {number}" for number in range(9)]
    current = PASSWORD

    async def change(times: int) -> None:
        nonlocal current
        for _ in range(times):
            new = passwords.pop()
            caller = await world.authenticate((await enter(world, password=current)).access_token)
            await world.change_password(caller, current_password=current, new_password=new, client_info=THERE)
            current = new

    await change(3)
    for client_info in (HERE, THERE):
        caller = await world.authenticate((await enter(world, password=current)).access_token)
        again = world.change_password(
            caller, current_password=current, new_password=PASSWORD, client_info=client_info
        )
        assert await wait_of(again) == 3600
    world.clock.advance(hours=1)
    await change(2)
    world.clock.advance(hours=1)
    await world.request_reset(email=ALICE, client_info=HERE)
    await reset(world, await world.mailed_token(ALICE))  # no refund
    current = OTHER_PASSWORD
    with refused(ErrorCode.RATE_LIMITED):
        await change(1)
    assert len(queued_mails(world, MailKind.PASSWORD_CHANGED)) == 5 + 1


async def test_a_failed_password_change_is_not_counted(world: World) -> None:
    await world.user(ALICE)
    caller = await world.authenticate((await enter(world)).access_token)

    busy = replace(world.change_password, hasher=Overloaded())
    for _ in range(5):
        with refused(ErrorCode.OVERLOADED):
            await busy(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)
        with refused(ErrorCode.PASSWORD_WEAK, field="new_password"):
            await world.change_password(caller, current_password=PASSWORD, new_password="short")
    assert await world.change_password(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)


@pytest.mark.parametrize(("current", "new"), [(PASSWORD, PASSWORD), ("caf\u00e9 " * 4, "cafe\u0301 " * 4)])
async def test_the_current_password_is_refused_as_the_new_one(world: World, current: str, new: str) -> None:
    user = await world.user(ALICE)
    async with world.begin() as work:
        await work.users.replace_password(user.id, await world.hasher.hash(current), credential_version=1)
    pair = await enter(world, password=current)
    caller = await world.authenticate(pair.access_token)
    for _ in range(5):
        with refused(ErrorCode.PASSWORD_WEAK, field="new_password") as caught:
            await world.change_password(caller, current_password=current, new_password=new)
        assert caught.value.reason == "unchanged"
    with refused(ErrorCode.INVALID_CREDENTIALS, field="current_password"):
        await world.change_password(caller, current_password=WRONG, new_password=WRONG)
    assert await world.authenticate(pair.access_token)


# -- asking for mails -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [MailKind.RESET, MailKind.VERIFY])
async def test_network_can_request_three_links_an_hour_and_five_a_day(world: World, kind: MailKind) -> None:
    """For known and unknown, verified and unverified addresses."""
    await world.user(ALICE)
    await claim(world, BOB, PASSWORD)
    ask = world.request_reset if kind is MailKind.RESET else world.request_verification
    before = len(queued_mails(world, kind))
    people = (ALICE, BOB, UNKNOWN_EMAIL)
    for passing, wait in ((3, 3600), (2, 23 * 3600)):
        for email in people:
            for _ in range(passing):
                await ask(email=email.upper(), client_info=HERE)
            assert await wait_of(ask(email=email, client_info=HERE)) == wait
            assert await wait_of(ask(email=email.title(), client_info=HERE)) == wait
        world.clock.advance(hours=1)
    assert len(queued_mails(world, kind)) == before + 5 * len(people)
    await ask(email=ALICE, client_info=THERE)


async def test_links_of_different_kinds_are_counted_apart(world: World) -> None:
    for ask in (world.request_reset, world.request_verification, partial(register, world)):
        for _ in range(3):
            await ask(email=ALICE, client_info=HERE)
    assert await error_code_of(world.request_reset(email=ALICE, client_info=HERE)) is ErrorCode.RATE_LIMITED


async def test_an_invalid_address_is_not_counted(world: World) -> None:
    for _ in range(10):
        with refused(ErrorCode.EMAIL_INVALID, field="email"):
            await world.request_reset(email="nobody", client_info=HERE)


async def test_however_many_requests_strangers_make_the_owner_has_a_valid_link(world: World) -> None:
    """Strangers from many networks send as many requests as allowed. The owner tries at the worst moment."""
    await world.user(ALICE)
    for number in range(6):
        await world.request_reset(email=ALICE, client_info=network(number))
    world.clock.advance(minutes=19, seconds=59)
    assert await wait_of(world.request_reset(email=ALICE, client_info=HERE)) == 1
    token = await world.mailed_token(ALICE)
    world.clock.advance(minutes=10)
    await world.reset_password(
        token=token, new_password=OTHER_PASSWORD, confirm_password=OTHER_PASSWORD, client_info=HERE
    )
    assert await enter(world, ALICE, OTHER_PASSWORD)


async def test_sub_addresses_share_the_limit_of_their_mailbox(world: World) -> None:
    await world.user(ALICE)
    for kind, ask in (("reset", world.request_reset), ("resend", world.request_verification)):
        for number in range(3):
            await ask(email=f"alice+{number}@example.org", client_info=HERE)
        for email in ("alice+x@example.org", "ALICE+x+y@example.org", ALICE):
            assert await wait_of(ask(email=email, client_info=HERE)) == 3600, kind
    for number in range(3):
        await register(world, f"alice+{number}@example.org")
    assert await wait_of(register(world, "alice+3@example.org")) == 3600
    await world.request_reset(email="alic@example.org", client_info=HERE)
    await world.request_reset(email="alice@sub.example.org", client_info=HERE)


async def test_strangers_can_cause_twenty_mails_a_day_to_a_mailbox(world: World) -> None:
    """Of any kind, from any number of networks. The rest is reserved for links of the owner."""
    await world.user(ALICE)
    number = 0
    for _ in range(23 * 6):
        for ask in (world.request_verification, partial(register, world), world.request_reset):
            for _ in range(3):
                number += 1
                await error_code_of(ask(email=f"alice+{number}@example.org", client_info=network(number)))
        await world.deliver_mail(limit=100)
        world.clock.advance(minutes=10)
    mails = [mail for mail in world.store.rows.mails.values() if mail.outcome is DeliveryOutcome.SENT]
    assert len(mails) <= 20 + 24 * 3 + 12
    assert len([mail for mail in mails if mail.kind is not MailKind.RESET]) <= 20 + 12
    assert await error_code_of(world.request_verification(email=ALICE, client_info=THERE)) is ErrorCode.RATE_LIMITED


async def test_when_the_daily_limit_is_used_up_the_owner_has_a_valid_link(world: World) -> None:
    await world.user(ALICE)
    for number in range(20):
        await world.request_reset(email=ALICE, client_info=network(number))
        world.clock.advance(minutes=4)
    await world.request_reset(email=ALICE, client_info=network(20))
    world.clock.advance(minutes=19, seconds=59)
    assert await wait_of(world.request_reset(email=ALICE, client_info=THERE)) == 1
    await reset(world, await world.mailed_token(ALICE))


async def test_strangers_cannot_prevent_a_registration_by_using_up_its_mails(world: World) -> None:
    """Links for unknown addresses cause no mail, but are counted."""
    for number in range(10):
        await world.request_reset(email=ALICE, client_info=network(number))
        await world.request_verification(email=ALICE, client_info=network(number))
        world.clock.advance(minutes=5)
    await register(world, ALICE, client_info=THERE)
    assert await wait_of(register(world, ALICE, client_info=THERE)) == 2 * 3600
    # Whoever was second has what the first has caused: a user to whom a reset link leads.
    await world.request_reset(email=ALICE, client_info=HERE)
    await reset(world, await world.mailed_token(ALICE))
    assert await enter(world, ALICE, OTHER_PASSWORD)


async def test_registrations_of_sub_addresses_do_not_use_up_those_of_the_mailbox(world: World) -> None:
    for number in range(20):
        await register(world, f"alice+{number}@example.org", client_info=network(number))
        world.clock.advance(minutes=5)
    assert await error_code_of(register(world, "alice+x@example.org", client_info=HERE)) is ErrorCode.RATE_LIMITED
    await register(world, ALICE, client_info=THERE)


@pytest.mark.parametrize("kind", [MailKind.RESET, MailKind.VERIFY])
async def test_strangers_cannot_use_up_links_of_a_network_with_a_session(world: World, kind: MailKind) -> None:
    await world.user(ALICE)
    await enter(world, client_info=HERE)
    ask = world.request_reset if kind is MailKind.RESET else world.request_verification
    for number in range(6):
        await ask(email=ALICE, client_info=network(number))
    assert await wait_of(ask(email=ALICE, client_info=THERE)) == 20 * 60
    for _ in range(3):
        await ask(email=ALICE, client_info=HERE)
    assert await error_code_of(ask(email=ALICE, client_info=HERE)) is ErrorCode.RATE_LIMITED
    assert await error_code_of(ask(email=UNKNOWN_EMAIL, client_info=HERE)) is None


async def test_using_a_reset_link_resets_the_limits_of_link_mails(world: World) -> None:
    await world.user(ALICE)
    for number in range(6):
        await world.request_reset(email=ALICE, client_info=network(number))
    assert await error_code_of(world.request_reset(email=ALICE, client_info=HERE)) is ErrorCode.RATE_LIMITED
    await reset(world, await world.mailed_token(ALICE))
    for _ in range(3):
        await world.request_reset(email=ALICE, client_info=HERE)
    await reset(world, await world.mailed_token(ALICE), THERE)
    await world.request_reset(email=ALICE, client_info=THERE)


async def test_a_restored_address_can_request_links_at_once(world: World) -> None:
    user = await world.user(ALICE)
    change = await request_email_change(world, user, BOB)
    for number in range(6):
        await world.request_reset(email=ALICE, client_info=network(number))
    await follow(world, change_link(world, change, LinkPurpose.RESTORE))
    await world.request_reset(email=ALICE, client_info=HERE)


async def test_a_network_may_request_300_mails_an_hour_to_any_mailboxes(world: World) -> None:
    for number in range(100):
        await world.request_reset(email=f"a{number}@example.org", client_info=HERE)
        await world.request_verification(email=f"b{number}@example.org", client_info=HERE)
        await register(world, f"c{number}@example.org")
    for attempt in (
        world.request_reset(email=ALICE, client_info=HERE),
        world.request_verification(email=BOB, client_info=HERE),
        register(world, UNKNOWN_EMAIL),
    ):
        assert await wait_of(attempt) == 3600
    await world.request_reset(email=ALICE, client_info=THERE)


async def test_address_changes_have_mail_limits_for_old_and_new_address(world: World) -> None:
    users = [await world.user(email) for email in (ALICE, BOB)]
    alice, bob = [await world.authenticate((await enter(world, user.email)).access_token) for user in users]
    for number in range(3):
        await world.change_email(alice, new_email=f"new{number}@example.org", password=PASSWORD, client_info=HERE)
    with refused(ErrorCode.RATE_LIMITED):
        await world.change_email(alice, new_email=UNKNOWN_EMAIL, password=PASSWORD, client_info=HERE)
    await world.change_email(alice, new_email=UNKNOWN_EMAIL, password=PASSWORD, client_info=THERE)
    for _ in range(2):
        await world.change_email(bob, new_email=UNKNOWN_EMAIL, password=PASSWORD, client_info=THERE)
    assert (
        await wait_of(world.change_email(bob, new_email=UNKNOWN_EMAIL, password=PASSWORD, client_info=THERE)) == 3600
    )
    assert (
        len(queued_mails(world, MailKind.CONFIRM_EMAIL)) == len(queued_mails(world, MailKind.EMAIL_CHANGE_ASKED)) == 6
    )


async def test_a_wrong_password_uses_up_no_mails(world: World) -> None:
    await world.user(ALICE)
    alice = await world.authenticate((await enter(world)).access_token)
    for _ in range(9):
        with refused(ErrorCode.INVALID_CREDENTIALS, field="password"):
            await world.change_email(alice, new_email=BOB, password=WRONG, client_info=HERE)
    await world.change_email(alice, new_email=BOB, password=PASSWORD, client_info=HERE)


# -- links ------------------------------------------------------------------------------------------------


async def verify(world: World, token: str, client_info: ClientInfo = HERE) -> object:
    return await world.verify(token=token, client_info=client_info)


async def reset(world: World, token: str, client_info: ClientInfo = HERE) -> None:
    await world.reset_password(
        token=token, new_password=OTHER_PASSWORD, confirm_password=OTHER_PASSWORD, client_info=client_info
    )


async def follow(world: World, token: str, client_info: ClientInfo = HERE) -> object:
    return await world.follow_email_link(token=token, client_info=client_info)


def token_for(world: World, purpose: LinkPurpose) -> Callable[[str], Awaitable[str]]:
    """A valid link of a user, by their address."""

    async def make(email: str) -> str:
        if purpose is LinkPurpose.EMAIL:
            change = await request_email_change(world, await world.user(email), f"new.{email}")
            return change_link(world, change, purpose)
        return link(world, await claim(world, email, PASSWORD), purpose)

    return make


LINKS = [(verify, LinkPurpose.VERIFY), (reset, LinkPurpose.RESET), (follow, LinkPurpose.EMAIL)]


@pytest.mark.parametrize(("use", "purpose"), LINKS)
async def test_after_twenty_invalid_links_a_network_has_to_wait_but_no_other(
    world: World, use: Callable[..., Awaitable[object]], purpose: LinkPurpose
) -> None:
    token = token_for(world, purpose)
    expired = await token(BOB)
    world.clock.advance(days=1)
    good = await token(ALICE)
    for number in range(20):
        assert await error_code_of(use(world, expired if number % 2 else "nonsense")) in {
            ErrorCode.LINK_INVALID,
            ErrorCode.LINK_EXPIRED,
        }
    assert await wait_of(use(world, "nonsense")) == 600
    for other, _ in LINKS:
        if other is not use:
            assert await error_code_of(other(world, "nonsense")) is ErrorCode.LINK_INVALID
    assert await error_code_of(use(world, "nonsense", THERE)) in {ErrorCode.LINK_INVALID, ErrorCode.LINK_EXPIRED}
    assert await error_code_of(use(world, good)) is None, "whatever a neighbour has sent"


@pytest.mark.parametrize(("use", "purpose"), LINKS)
async def test_link_may_be_used_60_times_an_hour_from_all_networks(
    world: World, use: Callable[..., Awaitable[object]], purpose: LinkPurpose
) -> None:
    """Using a link has a cost, even if it works only once."""
    good, other = [await token_for(world, purpose)(email) for email in (ALICE, BOB)]
    for number in range(60):
        assert await error_code_of(use(world, good, network(number))) in {None, ErrorCode.LINK_INVALID}
    assert await wait_of(use(world, good)) == 3600
    assert await error_code_of(use(world, other)) is None


async def test_refreshes_are_limited_per_session(world: World) -> None:
    await world.user(ALICE)
    pair, other = await enter(world), await enter(world)
    for _ in range(60):
        pair = await world.refresh(refresh_token=pair.refresh_token)
    assert await wait_of(world.refresh(refresh_token=pair.refresh_token)) == 60
    for _ in range(100):
        with refused(ErrorCode.TOKEN_INVALID):
            await world.refresh(refresh_token="nonsense")
    assert await world.refresh(refresh_token=other.refresh_token)
    world.clock.advance(minutes=1)
    assert await world.refresh(refresh_token=pair.refresh_token)


async def test_notices_of_stolen_sessions_are_limited(world: World) -> None:
    """With the password, an attacker can cause any number of reuse notices."""
    await world.user(ALICE)
    for hours in range(4):
        for _ in range(6):
            old = await enter(world)
            await world.refresh(refresh_token=old.refresh_token)
            world.clock.advance(seconds=11)
            with refused(ErrorCode.REFRESH_REUSED):
                await world.refresh(refresh_token=old.refresh_token)
        assert len(queued_mails(world, MailKind.SESSION_STOLEN)) == min(5 * (hours + 1), 10)
        world.clock.advance(hours=1)


@pytest.mark.parametrize(("use", "purpose"), LINKS)
async def test_valid_links_are_not_counted_and_do_not_reset_failures(
    world: World, use: Callable[..., Awaitable[object]], purpose: LinkPurpose
) -> None:
    token = token_for(world, purpose)
    for number in range(30):
        await use(world, await token(f"user{number}@example.org"))
    for number in range(20):
        assert await error_code_of(use(world, "nonsense")) is ErrorCode.LINK_INVALID
        if number < 19:
            await use(world, await token(f"more{number}@example.org"))
    assert await error_code_of(use(world, "nonsense")) is ErrorCode.RATE_LIMITED


async def test_a_weak_password_with_a_valid_link_is_not_counted(world: World) -> None:
    token = link(world, await world.user(ALICE), LinkPurpose.RESET)
    for _ in range(15):
        with refused(ErrorCode.PASSWORD_WEAK, field="new_password"):
            await world.reset_password(token=token, new_password="x", confirm_password="x", client_info=HERE)
        with refused(ErrorCode.PASSWORD_MISMATCH, field="confirm_password"):
            await world.reset_password(token=token, new_password="x", confirm_password="y", client_info=HERE)
    await reset(world, token)


async def test_of_a_hundred_concurrent_invalid_links_twenty_are_checked(world: World) -> None:
    outcomes = await run_concurrently([partial(verify, world, "nonsense")] * 100)
    codes = [outcome.code for outcome in outcomes if isinstance(outcome, Refusal)]
    assert (codes.count(ErrorCode.LINK_INVALID), codes.count(ErrorCode.RATE_LIMITED)) == (20, 80)


# -- clients ----------------------------------------------------------------------------------------------


async def test_wrong_client_secrets_limit_the_network_but_no_client(world: World) -> None:
    client, secret = await world.add_client(name="billing")
    for number in range(20):
        with refused(ErrorCode.INVALID_CREDENTIALS):
            await world.authenticate_client(str(client.id) if number % 2 else "nobody", WRONG, client_info=HERE)
        assert await world.authenticate_client(str(client.id), secret, client_info=HERE)
    for client_id in (str(client.id), "nobody"):
        assert await wait_of(world.authenticate_client(client_id, WRONG, client_info=HERE)) == 600
    assert await world.authenticate_client(str(client.id), secret, client_info=HERE)
    with refused(ErrorCode.INVALID_CREDENTIALS):
        await world.authenticate_client(str(client.id), WRONG, client_info=THERE)

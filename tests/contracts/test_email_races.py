"""Races of e-mail changes with each other and with other changes of an account, on every store: some succeed,
the others are refused, and there is no deadlock."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest

from adapters.no_rate_limiter import NoRateLimiter
from adapters.tokens.link_signer import ItsDangerousLinkSigner
from application.administration.change_user import ChangeUser
from application.administration.manage_user import ManageUser
from application.audit import Audit
from application.factors.require_fresh import LockCaller
from application.mail.mail_queue import MailQueue
from application.profile.confirm_email import ConfirmEmail
from application.profile.restore_email import RestoreEmail
from application.registration.verify import Verify
from domain.email_change import EmailChange
from domain.outbox import EmailLink, LinkPurpose
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from domain.session import Session
from domain.tokens import AccessToken
from domain.user import NO_PASSWORD, User
from tests.support.store_harness import (
    LIFETIMES,
    NOW,
    StoreHarness,
    claim,
    login_event,
    new_id,
    new_session,
    run_concurrently,
)

pytestmark = pytest.mark.anyio

AUDIT = Audit(clock=lambda: NOW, new_id=new_id)
MAIL = MailQueue(clock=lambda: NOW, new_id=new_id)

Call = Callable[[], Awaitable[object]]


@dataclass
class EmailChangeCalls:
    """The use cases of e-mail changes on one store."""

    harness: StoreHarness
    links: ItsDangerousLinkSigner

    async def request(self, user: User, new_email: str) -> EmailChange:
        change = EmailChange(
            id=new_id(),
            user_id=user.id,
            old_email=user.email,
            new_email=new_email,
            credential_version=user.credential_version,
            asked_at=NOW,
        )
        async with self.harness.begin() as work:
            await work.email_changes.add(change)
        return change

    def confirming(self, change: EmailChange) -> Call:
        confirm = ConfirmEmail(begin=self.harness.begin, links=self.links, clock=lambda: NOW, audit=AUDIT, mail=MAIL)
        return partial(confirm, token=self._signed(LinkPurpose.EMAIL, change))

    def restoring(self, change: EmailChange) -> Call:
        restore = RestoreEmail(
            begin=self.harness.begin, links=self.links, clock=lambda: NOW, audit=AUDIT, mail=MAIL, new_id=uuid4
        )
        return partial(restore, token=self._signed(LinkPurpose.RESTORE, change))

    def verifying(self, user: User) -> Call:
        verify = Verify(
            begin=self.harness.begin,
            rate_limiter=NoRateLimiter(),
            links=self.links,
            clock=lambda: NOW,
            audit=AUDIT,
            mail=MAIL,
        )
        link = EmailLink(purpose=LinkPurpose.VERIFY, subject=user.id, version=1, issued_at=NOW)
        return partial(verify, token=self.links.sign(link))

    def _signed(self, purpose: LinkPurpose, change: EmailChange) -> str:
        link = EmailLink(purpose=purpose, subject=change.id, version=0, issued_at=NOW)
        return self.links.sign(link)

    async def reloaded(self, *users: User) -> list[User]:
        found = [await self.harness.load_user(user.id) for user in users]
        assert None not in found
        return [user for user in found if user is not None]

    async def counted(self, user: User) -> Counter[str]:
        """The user's events and pending mails, by kind."""
        async with self.harness.begin() as work:
            events = await work.events.page(user.id, limit=100, after=None)
            mails = await work.outbox.lease(now=NOW, hold=timedelta(), limit=1000)
        owed = [f"mail {mail.kind}" for mail in mails if mail.user_id == user.id]
        return Counter([*(str(event.action) for event in events), *owed])


@pytest.fixture
def calls(harness: StoreHarness) -> EmailChangeCalls:
    return EmailChangeCalls(harness, ItsDangerousLinkSigner(secrets=[b"0123456789abcdef0123456789abcdef"]))


async def outcomes(*actions: Call) -> list[object]:
    """The results of concurrent calls; the error code of a refused one."""

    def attempt(doing: Call) -> Call:
        async def run() -> object:
            try:
                return await doing()
            except Refusal as refusal:
                return refusal.code

        return run

    return await run_concurrently(attempt(doing) for doing in actions)


def succeeded(outcome: object) -> bool:
    """True unless refused; other errors would be a 500 or a deadlock."""
    assert isinstance(outcome, User | Session | tuple) or outcome in {ErrorCode.LINK_INVALID, None}, outcome
    return outcome not in {ErrorCode.LINK_INVALID, None}


# -- swaps ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("roles", "rounds"),
    [((Role.MEMBER, Role.MEMBER), 60), ((Role.ADMIN, Role.MEMBER), 15), ((Role.ADMIN, Role.ADMIN), 15)],
)
async def test_concurrent_swap_succeeds_for_both(
    calls: EmailChangeCalls, roles: tuple[Role, Role], rounds: int
) -> None:
    await calls.harness.user("root@example.org", role=Role.ADMIN)
    for number in range(rounds):
        emails = [f"left{number}@example.org", f"right{number}@example.org"]
        # The two are created in alternating order.
        left, right = [
            await calls.harness.user(email, role=role)
            for email, role in list(zip(emails, roles, strict=True))[:: 1 if number % 2 else -1]
        ][:: 1 if number % 2 else -1]
        changes = [await calls.request(left, right.email), await calls.request(right, left.email)]
        answers = await outcomes(*(calls.confirming(change) for change in changes))
        assert all(map(succeeded, answers)), answers
        emails_now = await calls.reloaded(left, right)
        assert [(user.email, user.verified) for user in emails_now] == [(right.email, True), (left.email, True)]
        lost = [(await calls.counted(user))["email_lost"] for user in (left, right)]
        assert sorted(lost) == [0, 1]


async def test_a_swap_and_an_admin_do_not_deadlock(calls: EmailChangeCalls) -> None:
    """A change of a user locks all admins, and so does a swap in which an admin loses the address."""
    root = await calls.harness.user("root@example.org", role=Role.ADMIN)
    change_user = ChangeUser(
        begin=calls.harness.begin,
        lock_caller=LockCaller(clock=lambda: NOW, step_up_ttl=timedelta()),
        manage=ManageUser(audit=AUDIT, mail=MAIL, clock=lambda: NOW),
    )
    caller = AccessToken(
        user_id=root.id,
        session_id=(await calls.harness.session(root)).id,
        generation=1,
        role=Role.ADMIN,
        verified=True,
        issued_at=NOW,
        expires_at=NOW,
    )
    for number in range(15):
        emails = {Role.ADMIN: f"admin{number}@example.org", Role.MEMBER: f"member{number}@example.org"}
        older_first = list(emails)[:: 1 if number % 2 else -1]
        people = {role: await calls.harness.user(emails[role], role=role) for role in older_first}
        admin, member = people[Role.ADMIN], people[Role.MEMBER]
        changes = [await calls.request(member, admin.email), await calls.request(admin, member.email)]
        answers = await outcomes(
            *map(calls.confirming, changes), *[partial(change_user, caller, member.id, role=Role.MODERATOR)] * 3
        )
        assert all(map(succeeded, answers))
        emails_now = await calls.reloaded(member, admin)
        assert [user.email for user in emails_now] == [admin.email, member.email]


async def test_cycle_of_three_is_refused_and_loses_no_address(calls: EmailChangeCalls) -> None:
    for number in range(20):
        people = [await calls.harness.user(f"round{number}-{place}@example.org") for place in range(3)]
        changes = [await calls.request(user, people[place - 1].email) for place, user in enumerate(people)]
        answers = await outcomes(*(calls.confirming(change) for change in changes))
        assert not any(map(succeeded, answers))
        assert await calls.reloaded(*people) == people


async def test_swap_restored_during_confirmation_loses_no_user(calls: EmailChangeCalls) -> None:
    for number in range(25):
        left, right = [await calls.harness.user(f"{side}{number}@example.org") for side in ("left", "right")]
        changes = [await calls.request(left, right.email), await calls.request(right, left.email)]
        answers = await outcomes(
            *(calls.confirming(change) for change in changes), calls.restoring(changes[number % 2])
        )
        assert all(succeeded(answer) in {True, False} for answer in answers)
        emails_now = await calls.reloaded(left, right)
        held = [user.email for user in emails_now if user.verified]
        assert len(set(held)) == len(held) > 0
        assert {user.email for user in emails_now} <= {left.email, right.email}


# -- concurrent use of one link ---------------------------------------------------------------------------


async def test_forty_concurrent_confirmations_confirm_once(calls: EmailChangeCalls) -> None:
    user = await calls.harness.user()
    change = await calls.request(user, "new@example.org")
    answers = await outcomes(*[calls.confirming(change)] * 40)
    assert answers == await calls.reloaded(*[user] * 40)
    assert await calls.counted(user) == {"email_changed": 1, "mail email_changed": 1}


async def test_of_forty_concurrent_restores_one_succeeds(calls: EmailChangeCalls) -> None:
    user = await calls.harness.user()
    change = await calls.request(user, "new@example.org")
    assert succeeded(*await outcomes(calls.confirming(change)))
    answers = await outcomes(*[calls.restoring(change)] * 40)
    assert sum(map(succeeded, answers)) == 1
    counted = await calls.counted(user)
    assert (counted["email_restored"], counted["mail email_restored"]) == (1, 1)


async def test_newer_of_two_concurrently_confirmed_changes_wins(calls: EmailChangeCalls) -> None:
    for number in range(15):
        user = await calls.harness.user(f"user{number}@example.org")
        older, newer = [await calls.request(user, f"new{number}-{place}@example.org") for place in range(2)]
        answers = await outcomes(calls.confirming(older), calls.confirming(newer))
        assert list(map(succeeded, answers)) == [False, True]


# -- competition for the address --------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["confirm first", "verify first", "at once"])
async def test_either_the_change_or_the_registration_gets_the_address(calls: EmailChangeCalls, order: str) -> None:
    for number in range(25 if order == "at once" else 3):
        address = f"new{number}@example.org"
        user = await calls.harness.user(f"user{number}@example.org")
        rival = await calls.harness.user(address, username=f"rival{number}", proven=False)
        change = await calls.request(user, address)
        both = [calls.confirming(change), calls.verifying(rival)]
        if order == "at once":
            answers = await outcomes(*both)
        elif order == "confirm first":
            answers = [*await outcomes(both[0]), *await outcomes(both[1])]
        else:
            answers = [*await outcomes(both[1]), *await outcomes(both[0])][::-1]
        confirmed, verified = map(succeeded, answers)
        assert confirmed != verified
        assert order == "at once" or confirmed == (order == "confirm first")
        (reloaded,) = await calls.reloaded(user)
        assert reloaded.email == (address if confirmed else user.email)
        rival_now = await calls.harness.load_user(rival.id)
        assert (rival_now is None) == confirmed
        assert confirmed or (rival_now is not None and rival_now.verified)


async def test_of_many_concurrent_owners_one_gets_the_address(calls: EmailChangeCalls) -> None:
    for number in range(10):
        address = f"new{number}@example.org"
        users = [await calls.harness.user(f"user{number}-{place}@example.org") for place in range(6)]
        rivals = [await calls.harness.user(address, proven=False) for _ in range(6)]
        changes = [await calls.request(user, address) for user in users]
        answers = await outcomes(*map(calls.confirming, changes), *map(calls.verifying, rivals))
        assert sum(map(succeeded, answers)) == 1


async def test_registration_during_a_move_is_superseded(calls: EmailChangeCalls) -> None:
    for number in range(15):
        address = f"new{number}@example.org"
        user, late = await calls.harness.user(f"user{number}@example.org"), claim(address)
        change = await calls.request(user, address)

        async def register(late: User = late) -> None:
            async with calls.harness.begin() as work:
                await work.users.add(late)

        assert succeeded((await outcomes(calls.confirming(change), register))[0])
        assert not any(map(succeeded, await outcomes(calls.verifying(late))))


async def test_old_address_is_restored_although_another_user_verifies_it(calls: EmailChangeCalls) -> None:
    for number in range(15):
        user = await calls.harness.user(f"user{number}@example.org")
        change = await calls.request(user, f"new{number}@example.org")
        assert succeeded(*await outcomes(calls.confirming(change)))
        heir = await calls.harness.user(user.email, proven=False)
        restored, verified = map(succeeded, await outcomes(calls.restoring(change), calls.verifying(heir)))
        if not restored:  # the other user was quicker; the link still works
            assert verified
            assert succeeded(*await outcomes(calls.restoring(change)))
        (reloaded,) = await calls.reloaded(user)
        assert (reloaded.email, reloaded.password_hash) == (user.email, NO_PASSWORD)
        assert await calls.harness.load_user(heir.id) is None


# -- other changes of the same account --------------------------------------------------------------------


async def test_of_concurrent_address_and_password_changes_one_succeeds(calls: EmailChangeCalls) -> None:
    for number in range(25):
        user = await calls.harness.user(f"user{number}@example.org")
        change = await calls.request(user, f"new{number}@example.org")

        async def choose(user: User = user) -> User | None:
            async with calls.harness.begin() as work:
                return await work.users.replace_password(user.id, "new", credential_version=1)

        confirmed, chosen = map(succeeded, await outcomes(calls.confirming(change), choose))
        assert confirmed != chosen
        (reloaded,) = await calls.reloaded(user)
        expected = (change.new_email, "hash") if confirmed else (user.email, "new")
        assert (reloaded.email, reloaded.password_hash, reloaded.credential_version) == (*expected, 2)


async def test_change_restored_during_confirmation_stays_restored(calls: EmailChangeCalls) -> None:
    for number in range(25):
        user = await calls.harness.user(f"user{number}@example.org")
        session = await calls.harness.session(user)
        change = await calls.request(user, f"new{number}@example.org")
        _, restored = map(succeeded, await outcomes(calls.confirming(change), calls.restoring(change)))
        assert restored
        (reloaded,) = await calls.reloaded(user)
        assert (reloaded.email, reloaded.verified, reloaded.password_hash) == (user.email, True, NO_PASSWORD)
        assert (await calls.harness.load_session(session.id)).ended_at is not None
        assert not any(map(succeeded, await outcomes(calls.confirming(change), calls.restoring(change))))


@pytest.mark.parametrize("way", ["refresh", "login"])
async def test_no_session_survives_a_concurrent_restore(calls: EmailChangeCalls, way: str) -> None:
    for number in range(25):
        user = await calls.harness.user(f"user{number}@example.org")
        change = await calls.request(user, f"new{number}@example.org")
        session = await calls.harness.session(user) if way == "refresh" else new_session(user)

        async def enter(session: Session = session) -> object:
            if way == "login":
                async with calls.harness.begin() as work:
                    noted = login_event(session)
                    return await work.sessions.open(session, credential_version=1, event=noted) and session
            return await calls.harness.renewals.advance(session.id, generation=1, now=NOW, lifetimes=LIFETIMES)

        entered, restored = map(succeeded, await outcomes(enter, calls.restoring(change)))
        assert restored
        async with calls.harness.begin() as work:
            reloaded = await work.sessions.by_id(session.id)
        assert reloaded is None or reloaded.ended_at is not None
        assert (reloaded is None) == (way == "login" and not entered)


async def test_a_user_deleted_during_a_change_stays_deleted(calls: EmailChangeCalls) -> None:
    for number in range(15):
        user = await calls.harness.user(f"user{number}@example.org")
        change = await calls.request(user, f"new{number}@example.org")

        async def remove(user: User = user) -> None:
            async with calls.harness.begin() as work:
                await work.users.remove(user.id, now=NOW)

        doings = [calls.confirming(change), calls.restoring(change)]
        answers = await outcomes(doings[number % 2], remove)
        assert succeeded(answers[0]) in {True, False}
        assert await calls.harness.load_user(user.id) is None
        assert not any(map(succeeded, await outcomes(*doings)))

"""Changes of address that meet each other, and whatever else happens to an account, on every store: somebody wins,
the others are refused, and nobody waits in a circle."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import pytest

from adapters.no_limits import NoLimits
from adapters.tokens.link_signer import ItsDangerousLinkSigner
from application.administration.change_user import ChangeUser
from application.administration.manage_user import ManageUser
from application.audit import Audit
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

Doing = Callable[[], Awaitable[object]]


@dataclass
class Town:
    """A stage on which people move."""

    harness: StoreHarness
    links: ItsDangerousLinkSigner

    async def asked(self, user: User, new_email: str) -> EmailChange:
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

    def confirming(self, change: EmailChange) -> Doing:
        confirm = ConfirmEmail(begin=self.harness.begin, links=self.links, clock=lambda: NOW, audit=AUDIT, mail=MAIL)
        return partial(confirm, token=self._signed(LinkPurpose.EMAIL, change))

    def restoring(self, change: EmailChange) -> Doing:
        restore = RestoreEmail(begin=self.harness.begin, links=self.links, clock=lambda: NOW, audit=AUDIT, mail=MAIL)
        return partial(restore, token=self._signed(LinkPurpose.RESTORE, change))

    def verifying(self, user: User) -> Doing:
        verify = Verify(
            begin=self.harness.begin, limits=NoLimits(), links=self.links, clock=lambda: NOW, audit=AUDIT, mail=MAIL
        )
        link = EmailLink(purpose=LinkPurpose.VERIFY, subject=user.id, version=1, issued_at=NOW)
        return partial(verify, token=self.links.sign(link))

    def _signed(self, purpose: LinkPurpose, change: EmailChange) -> str:
        link = EmailLink(purpose=purpose, subject=change.id, version=0, issued_at=NOW)
        return self.links.sign(link)

    async def kept(self, *users: User) -> list[User]:
        found = [await self.harness.load_user(user.id) for user in users]
        assert None not in found
        return [user for user in found if user is not None]

    async def counted(self, user: User) -> Counter[str]:
        """What happened to the user, and what mail they are owed."""
        async with self.harness.begin() as work:
            events = await work.events.page(user.id, limit=100, after=None)
            mails = await work.outbox.lease(now=NOW, hold=timedelta(), limit=1000)
        owed = [f"mail {mail.kind}" for mail in mails if mail.user_id == user.id]
        return Counter([*(str(event.action) for event in events), *owed])


@pytest.fixture
def town(harness: StoreHarness) -> Town:
    return Town(harness, ItsDangerousLinkSigner(secrets=[b"0123456789abcdef0123456789abcdef"]))


async def outcomes(*doings: Doing) -> list[object]:
    """What each of them gave, all having started together; the code where it was refused."""

    def attempt(doing: Doing) -> Doing:
        async def run() -> object:
            try:
                return await doing()
            except Refusal as refusal:
                return refusal.code

        return run

    return await run_concurrently(attempt(doing) for doing in doings)


def won(outcome: object) -> bool:
    """Anything else than these two would be a 500, or a circle that somebody had to be thrown out of."""
    assert isinstance(outcome, User | Session | tuple) or outcome in {ErrorCode.LINK_INVALID, None}, outcome
    return outcome not in {ErrorCode.LINK_INVALID, None}


# -- two who swap -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("roles", "rounds"),
    [((Role.MEMBER, Role.MEMBER), 60), ((Role.ADMIN, Role.MEMBER), 15), ((Role.ADMIN, Role.ADMIN), 15)],
)
async def test_concurrent_swap_succeeds_for_both(town: Town, roles: tuple[Role, Role], rounds: int) -> None:
    await town.harness.user("root@example.org", role=Role.ADMIN)
    for number in range(rounds):
        emails = [f"left{number}@example.org", f"right{number}@example.org"]
        # The older of the two is now the one, now the other.
        left, right = [
            await town.harness.user(email, role=role)
            for email, role in list(zip(emails, roles, strict=True))[:: 1 if number % 2 else -1]
        ][:: 1 if number % 2 else -1]
        changes = [await town.asked(left, right.email), await town.asked(right, left.email)]
        answers = await outcomes(*(town.confirming(change) for change in changes))
        assert all(map(won, answers)), answers
        found = await town.kept(left, right)
        assert [(user.email, user.verified) for user in found] == [(right.email, True), (left.email, True)]
        lost = [(await town.counted(user))["email_lost"] for user in (left, right)]
        assert sorted(lost) == [0, 1]


async def test_a_swap_and_an_admin_do_not_deadlock(town: Town) -> None:
    """Whoever changes a user holds all admins, and so does a swap in which one of them loses the address."""
    root = await town.harness.user("root@example.org", role=Role.ADMIN)
    change_user = ChangeUser(begin=town.harness.begin, manage=ManageUser(audit=AUDIT, mail=MAIL, clock=lambda: NOW))
    caller = AccessToken(
        user_id=root.id,
        session_id=new_id(),
        generation=1,
        role=Role.ADMIN,
        verified=True,
        issued_at=NOW,
        expires_at=NOW,
    )
    for number in range(15):
        emails = {Role.ADMIN: f"admin{number}@example.org", Role.MEMBER: f"member{number}@example.org"}
        older_first = list(emails)[:: 1 if number % 2 else -1]
        people = {role: await town.harness.user(emails[role], role=role) for role in older_first}
        admin, member = people[Role.ADMIN], people[Role.MEMBER]
        changes = [await town.asked(member, admin.email), await town.asked(admin, member.email)]
        answers = await outcomes(
            *map(town.confirming, changes), *[partial(change_user, caller, member.id, role=Role.MODERATOR)] * 3
        )
        assert all(map(won, answers))
        found = await town.kept(member, admin)
        assert [user.email for user in found] == [admin.email, member.email]


async def test_cycle_of_three_is_refused_and_loses_no_address(town: Town) -> None:
    for number in range(20):
        people = [await town.harness.user(f"round{number}-{place}@example.org") for place in range(3)]
        changes = [await town.asked(user, people[place - 1].email) for place, user in enumerate(people)]
        answers = await outcomes(*(town.confirming(change) for change in changes))
        assert not any(map(won, answers))
        assert await town.kept(*people) == people


async def test_swap_restored_during_confirmation_loses_no_user(town: Town) -> None:
    for number in range(25):
        left, right = [await town.harness.user(f"{side}{number}@example.org") for side in ("left", "right")]
        changes = [await town.asked(left, right.email), await town.asked(right, left.email)]
        answers = await outcomes(
            *(town.confirming(change) for change in changes), town.restoring(changes[number % 2])
        )
        assert all(won(answer) in {True, False} for answer in answers)
        found = await town.kept(left, right)
        held = [user.email for user in found if user.verified]
        assert len(set(held)) == len(held) > 0
        assert {user.email for user in found} <= {left.email, right.email}


# -- one link, many hands ---------------------------------------------------------------------------------


async def test_forty_concurrent_confirmations_confirm_once(town: Town) -> None:
    user = await town.harness.user()
    change = await town.asked(user, "new@example.org")
    answers = await outcomes(*[town.confirming(change)] * 40)
    assert answers == await town.kept(*[user] * 40)
    assert await town.counted(user) == {"email_changed": 1, "mail email_changed": 1}


async def test_of_forty_concurrent_restores_one_succeeds(town: Town) -> None:
    user = await town.harness.user()
    change = await town.asked(user, "new@example.org")
    assert won(*await outcomes(town.confirming(change)))
    answers = await outcomes(*[town.restoring(change)] * 40)
    assert sum(map(won, answers)) == 1
    counted = await town.counted(user)
    assert (counted["email_restored"], counted["mail email_restored"]) == (1, 1)


async def test_newer_of_two_concurrently_confirmed_changes_wins(town: Town) -> None:
    for number in range(15):
        user = await town.harness.user(f"user{number}@example.org")
        older, newer = [await town.asked(user, f"new{number}-{place}@example.org") for place in range(2)]
        answers = await outcomes(town.confirming(older), town.confirming(newer))
        assert list(map(won, answers)) == [False, True]


# -- somebody else who wants the address ------------------------------------------------------------------


@pytest.mark.parametrize("order", ["confirm first", "verify first", "at once"])
async def test_either_the_change_or_the_registration_gets_the_address(town: Town, order: str) -> None:
    for number in range(25 if order == "at once" else 3):
        address = f"new{number}@example.org"
        user = await town.harness.user(f"user{number}@example.org")
        rival = await town.harness.user(address, username=f"rival{number}", proven=False)
        change = await town.asked(user, address)
        both = [town.confirming(change), town.verifying(rival)]
        if order == "at once":
            answers = await outcomes(*both)
        elif order == "confirm first":
            answers = [*await outcomes(both[0]), *await outcomes(both[1])]
        else:
            answers = [*await outcomes(both[1]), *await outcomes(both[0])][::-1]
        confirmed, verified = map(won, answers)
        assert confirmed != verified
        assert order == "at once" or confirmed == (order == "confirm first")
        (kept,) = await town.kept(user)
        assert kept.email == (address if confirmed else user.email)
        found = await town.harness.load_user(rival.id)
        assert (found is None) == confirmed
        assert confirmed or (found is not None and found.verified)


async def test_of_many_concurrent_owners_one_gets_the_address(town: Town) -> None:
    for number in range(10):
        address = f"new{number}@example.org"
        users = [await town.harness.user(f"user{number}-{place}@example.org") for place in range(6)]
        rivals = [await town.harness.user(address, proven=False) for _ in range(6)]
        changes = [await town.asked(user, address) for user in users]
        answers = await outcomes(*map(town.confirming, changes), *map(town.verifying, rivals))
        assert sum(map(won, answers)) == 1


async def test_registration_during_a_move_is_superseded(town: Town) -> None:
    for number in range(15):
        address = f"new{number}@example.org"
        user, late = await town.harness.user(f"user{number}@example.org"), claim(address)
        change = await town.asked(user, address)

        async def register(late: User = late) -> None:
            async with town.harness.begin() as work:
                await work.users.add(late)

        assert won((await outcomes(town.confirming(change), register))[0])
        assert not any(map(won, await outcomes(town.verifying(late))))


async def test_old_address_is_restored_or_verified_by_another(town: Town) -> None:
    for number in range(15):
        user = await town.harness.user(f"user{number}@example.org")
        change = await town.asked(user, f"new{number}@example.org")
        assert won(*await outcomes(town.confirming(change)))
        heir = await town.harness.user(user.email, proven=False)
        restored, verified = map(won, await outcomes(town.restoring(change), town.verifying(heir)))
        assert restored != verified
        (kept,) = await town.kept(user)
        assert kept.email == (user.email if restored else change.new_email)
        assert (kept.password_hash == NO_PASSWORD) == restored


# -- the same account in other hands ----------------------------------------------------------------------


async def test_either_the_address_or_the_password_changes(town: Town) -> None:
    for number in range(25):
        user = await town.harness.user(f"user{number}@example.org")
        change = await town.asked(user, f"new{number}@example.org")

        async def choose(user: User = user) -> User | None:
            async with town.harness.begin() as work:
                return await work.users.replace_password(user.id, "new", credential_version=1)

        confirmed, chosen = map(won, await outcomes(town.confirming(change), choose))
        assert confirmed != chosen
        (kept,) = await town.kept(user)
        expected = (change.new_email, "hash") if confirmed else (user.email, "new")
        assert (kept.email, kept.password_hash, kept.credential_version) == (*expected, 2)


async def test_change_restored_during_confirmation_stays_restored(town: Town) -> None:
    for number in range(25):
        user = await town.harness.user(f"user{number}@example.org")
        session = await town.harness.session(user)
        change = await town.asked(user, f"new{number}@example.org")
        _, restored = map(won, await outcomes(town.confirming(change), town.restoring(change)))
        assert restored
        (kept,) = await town.kept(user)
        assert (kept.email, kept.verified, kept.password_hash) == (user.email, True, NO_PASSWORD)
        assert (await town.harness.load_session(session.id)).ended_at is not None
        assert not any(map(won, await outcomes(town.confirming(change), town.restoring(change))))


@pytest.mark.parametrize("way", ["refresh", "login"])
async def test_no_session_survives_a_concurrent_restore(town: Town, way: str) -> None:
    for number in range(25):
        user = await town.harness.user(f"user{number}@example.org")
        change = await town.asked(user, f"new{number}@example.org")
        session = await town.harness.session(user) if way == "refresh" else new_session(user)

        async def enter(session: Session = session) -> object:
            if way == "login":
                async with town.harness.begin() as work:
                    noted = login_event(session)
                    return await work.sessions.open(session, credential_version=1, event=noted) and session
            return await town.harness.renewals.advance(session.id, generation=1, now=NOW, lifetimes=LIFETIMES)

        entered, restored = map(won, await outcomes(enter, town.restoring(change)))
        assert restored
        async with town.harness.begin() as work:
            kept = await work.sessions.by_id(session.id)
        assert kept is None or kept.ended_at is not None
        assert (kept is None) == (way == "login" and not entered)


async def test_account_removed_during_a_move_is_gone(town: Town) -> None:
    for number in range(15):
        user = await town.harness.user(f"user{number}@example.org")
        change = await town.asked(user, f"new{number}@example.org")

        async def remove(user: User = user) -> None:
            async with town.harness.begin() as work:
                await work.users.remove(user.id, now=NOW)

        doings = [town.confirming(change), town.restoring(change)]
        answers = await outcomes(doings[number % 2], remove)
        assert won(answers[0]) in {True, False}
        assert await town.harness.load_user(user.id) is None
        assert not any(map(won, await outcomes(*doings)))

"""Invitations that are sent, accepted and revoked at the same moment, on every store."""

from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

import anyio
import pytest

from adapters.postgres.database import Database
from application.repositories import UnitOfWork
from domain.invitation import Invitation, InvitationStatus
from domain.outbox import EmailLink, LinkPurpose
from domain.refusals import Refusal
from domain.role import Role
from domain.tokens import AccessToken
from tests.support.store_harness import NOW, run_concurrently
from tests.support.world import PASSWORD, World

pytestmark = pytest.mark.anyio

ROUNDS = 3
ADMIN = "admin@example.org"


@pytest.fixture(params=["memory", "postgres"])
def world(request: pytest.FixtureRequest) -> World:
    database: Database | None = request.getfixturevalue("database") if request.param == "postgres" else None
    return World(limited=False, database=database)


@pytest.fixture
async def admin(world: World) -> AccessToken:
    await world.user("other-admin@example.org", role=Role.ADMIN)
    await world.user(ADMIN, role=Role.ADMIN)
    return await world.caller(ADMIN)


def token_for(world: World, invitation_id: UUID) -> str:
    return world.links.sign(
        EmailLink(purpose=LinkPurpose.INVITE, subject=invitation_id, version=0, issued_at=world.clock())
    )


async def outcomes_of(*calls: Callable[[], Awaitable[object]]) -> Counter[str]:
    """How many calls were refused with each code, or "done"."""

    async def outcome(call: Callable[[], Awaitable[object]]) -> str:
        try:
            await call()
        except Refusal as refusal:
            return str(refusal.code)
        return "done"

    return Counter(await run_concurrently(partial(outcome, call) for call in calls))


async def test_of_concurrent_acceptances_one_creates_a_user(world: World, admin: AccessToken) -> None:
    for number in range(ROUNDS):
        email = f"guest{number}@example.org"
        token = token_for(world, (await world.invite(admin, email=email, role=Role.MODERATOR)).id)
        accepts = [partial(world.accept_invitation, token=token, password=f"{PASSWORD} {n}") for n in range(12)]
        assert await outcomes_of(*accepts) == {"done": 1, "link_invalid": 11}
        async with world.begin() as work:
            hits = await work.users.page(query=email, role=None, limit=9, after=None)
        assert [(hit.user.verified, hit.user.role) for hit in hits] == [(True, Role.MODERATOR)]


async def demote(work: UnitOfWork, invitation: Invitation) -> None:
    await work.users.lock(invitation.invited_by)
    await work.users.set_role(invitation.invited_by, Role.MODERATOR)


async def revoke(work: UnitOfWork, invitation: Invitation) -> None:
    assert await work.invitations.revoke(invitation.id, now=NOW)


@pytest.mark.parametrize("change", [demote, revoke])
async def test_acceptance_waits_for_a_change_that_is_not_committed(
    world: World, admin: AccessToken, change: Callable[[UnitOfWork, Invitation], Awaitable[None]]
) -> None:
    sent = await world.invite(admin, email="guest@example.org", role=Role.ADMIN)
    accept = partial(world.accept_invitation, token=token_for(world, sent.id), password=PASSWORD)
    changed, outcomes = anyio.Event(), list[Counter[str]]()

    async def change_slowly() -> None:
        async with world.begin() as work:
            await change(work, sent)
            changed.set()
            await anyio.sleep(0.1)

    async def accept_meanwhile() -> None:
        await changed.wait()
        outcomes.append(await outcomes_of(accept))

    async with anyio.create_task_group() as group:
        group.start_soon(change_slowly)
        group.start_soon(accept_meanwhile)
    assert outcomes == [{"link_invalid": 1}]


async def test_concurrent_invitations_of_several_inviters_leave_one_open(world: World, admin: AccessToken) -> None:
    other = await world.caller("other-admin@example.org")
    for number in range(ROUNDS):
        email = f"guest{number}@example.org"
        calls = [partial(world.invite, caller, email=email) for caller in (admin, other) * 6]
        assert await outcomes_of(*calls) == {"done": 12}
        page, _ = await world.list_invitations(limit=12)
        statuses = Counter(one.status(world.clock()) for one in page if one.email == email)
        assert statuses == {InvitationStatus.OPEN: 1, InvitationStatus.REVOKED: 11}


async def test_invitation_is_accepted_or_revoked_and_never_both(world: World, admin: AccessToken) -> None:
    for number in range(ROUNDS):
        email = f"guest{number}@example.org"
        sent = await world.invite(admin, email=email)
        outcomes = await outcomes_of(
            *[partial(world.accept_invitation, token=token_for(world, sent.id), password=PASSWORD)] * 3,
            *[partial(world.revoke_invitation, admin, sent.id)] * 3,
            *[partial(world.invite, admin, email=email)] * 3,
        )
        assert set(outcomes) <= {"done", "link_invalid", "not_found", "email_taken"}
        async with world.begin() as work:
            user, used = await work.users.by_email(email), await work.invitations.by_id(sent.id)
        assert used is not None
        assert (used.accepted_at is None) is not (used.revoked_at is None)
        assert (user is None) is (used.accepted_at is None)


async def test_registration_and_acceptance_leave_one_verified_user(world: World, admin: AccessToken) -> None:
    for number in range(ROUNDS):
        email = f"guest{number}@example.org"
        sent = await world.invite(admin, email=email)
        await world.register(email=email, password=PASSWORD)
        async with world.begin() as work:
            claim = await work.users.by_email(email)
        assert claim is not None
        link = EmailLink(purpose=LinkPurpose.VERIFY, subject=claim.id, version=1, issued_at=world.clock())
        outcomes = await outcomes_of(
            partial(world.accept_invitation, token=token_for(world, sent.id), password=PASSWORD),
            partial(world.verify, token=world.links.sign(link)),
        )
        assert outcomes == {"done": 1, "link_invalid": 1}
        async with world.begin() as work:
            hits = await work.users.page(query=email, role=None, limit=9, after=None)
        assert [hit.user.verified for hit in hits] == [True]

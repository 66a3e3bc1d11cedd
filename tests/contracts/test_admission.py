"""Many users at once: who comes in, who was there before, and nobody twice, whoever else is at it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from uuid import UUID

import anyio
import pytest

from application.store import Proof, Standing
from domain.event import Action, Event
from domain.role import Role
from domain.session import ENDED, EndReason
from domain.user import User
from tests.contracts.stage import LATER, NOW, Stage, Undo, at_once, claim, new_id

pytestmark = pytest.mark.anyio

ADA = "ada@example.org"


def newcomer(email: str = ADA, *, username: str | None = None, verified: bool = True) -> User:
    return replace(claim(email, username=username), verified=verified)


def admitting(stage: Stage, *newcomers: User) -> Callable[[], Awaitable[Sequence[User]]]:
    """As an import does it: an event for each, in the same work."""

    async def admit() -> Sequence[User]:
        async with stage.begin() as work:
            admitted = await work.users.admit(newcomers, now=NOW)
            await work.events.add(*(Event.of(Action.IMPORTED, user.id, id=new_id(), now=NOW) for user in admitted))
        return admitted

    return admit


async def standing(stage: Stage, *emails: str) -> dict[str, Standing]:
    async with stage.begin() as work:
        return dict(await work.users.standing(emails))


async def everybody(stage: Stage) -> list[User]:
    async with stage.begin() as work:
        return [found.user for found in await work.users.page(query="", role=None, limit=1000, after=None)]


async def test_those_who_come_in_are_as_they_say(stage: Stage) -> None:
    users = [
        newcomer("a@example.org", username="Ada"),
        replace(newcomer("b@example.org", verified=False), disabled=True, role=Role.MODERATOR),
        replace(newcomer("c@example.org"), disabled=True, role=Role.ADMIN, created_at=LATER, password_hash=""),
        replace(newcomer("d@example.org", username="dora", verified=False), credential_version=3),
    ]
    assert sorted(await admitting(stage, *users)(), key=lambda user: user.id) == users
    assert await everybody(stage) == users
    assert await admitting(stage)() == []


async def test_many_come_in_at_once(stage: Stage) -> None:
    users = [newcomer(f"user{number}@example.org", username=f"name{number}") for number in range(1000)]
    assert len(await admitting(stage, *users)()) == 1000
    assert await everybody(stage) == users
    assert await admitting(stage, *(replace(user, id=new_id()) for user in users))() == []


async def test_an_address_belongs_to_its_verified_user_or_to_an_imported_claim(stage: Stage) -> None:
    own = await stage.user("own@example.org")
    await stage.user("claimed@example.org", proven=False)
    imported, waiting = newcomer("imported@example.org"), newcomer("waiting@example.org", verified=False)
    await admitting(stage, imported, waiting)()
    await stage.user("waiting@example.org", proven=False)
    for _ in range(3):  # whatever else has happened to them since
        async with stage.begin() as work:
            later = [Event.of(Action.LOGGED_IN, user.id, id=new_id(), now=LATER) for user in (own, imported)]
            await work.events.add(*later)
    asked = [user.email for user in (own, imported, waiting)]
    assert await standing(stage, *asked, "claimed@example.org", "nobody@example.org") == {
        own.email: Standing(own, None),
        imported.email: Standing(imported, NOW),
        waiting.email: Standing(waiting, NOW),
    }
    assert await standing(stage) == {}


async def test_a_verified_user_speaks_for_an_address_before_an_imported_claim(stage: Stage) -> None:
    async with stage.begin() as work:
        proven = await work.users.admit([newcomer()], now=NOW)
    late = newcomer(verified=False)
    async with stage.begin() as work:
        await work.users.add(replace(late, verified=False))
        await work.events.add(Event.of(Action.IMPORTED, late.id, id=new_id(), now=NOW))
    assert await standing(stage, ADA) == {ADA: Standing(proven[0], None)}


async def test_a_verified_address_stays_as_it_is(stage: Stage) -> None:
    holder = await stage.user(username="ada")
    assert await admitting(stage, newcomer(username="new"))() == []
    assert await admitting(stage, newcomer(verified=False))() == []
    assert await everybody(stage) == [holder]


async def test_a_claim_of_the_same_import_is_not_made_twice(stage: Stage) -> None:
    first = newcomer(verified=False)
    await admitting(stage, first)()
    assert await admitting(stage, newcomer(verified=False))() == []
    assert await everybody(stage) == [first]


@pytest.mark.parametrize("verified", [True, False])
async def test_who_was_brought_and_has_left_is_not_brought_again(stage: Stage, verified: bool) -> None:
    [came] = await admitting(stage, newcomer(verified=verified))()
    await stage.user("own@example.org")
    async with stage.begin() as work:
        asked = [ADA, "own@example.org", "bob@example.org"]
        assert await work.users.brought(asked) == {ADA}
        assert await work.users.brought([]) == set()
        assert await work.users.remove(came.id, now=NOW)
    async with stage.begin() as work:
        assert await work.users.brought(asked) == {ADA}
    for again in (newcomer(), newcomer(verified=False)):
        assert await admitting(stage, again, newcomer(f"{again.id}@example.org"))() != []
        assert ADA not in {user.email for user in await everybody(stage)}


async def test_a_strangers_claim_keeps_nobody_out(stage: Stage) -> None:
    squatter = await stage.user(username="ada", proven=False)
    waiting = newcomer(username="ada", verified=False)
    assert await admitting(stage, waiting)() == [waiting]
    assert await everybody(stage) == [squatter, waiting]


async def test_a_verified_newcomer_takes_the_place_of_every_claim(stage: Stage) -> None:
    squatter = await stage.user(username="squatter", proven=False)
    planted = await stage.session(squatter)
    await admitting(stage, newcomer(verified=False))()
    neighbour = await stage.user("bob@example.org", proven=False)
    arrived = newcomer()
    assert await admitting(stage, arrived)() == [arrived]
    assert await everybody(stage) == [neighbour, arrived]
    kept = await stage.kept_session(planted.id)
    assert (kept.ended_at, kept.end_reason) == (NOW, EndReason.SUPERSEDED)
    assert stage.blocklist.raised == {planted.id: ENDED}


async def test_a_username_that_somebody_verified_has_is_given_up(stage: Stage) -> None:
    holder = await stage.user("holder@example.org", username="ada")
    users = [
        newcomer("a@example.org", username="ADA"),
        newcomer("b@example.org", username="Ada", verified=False),
        newcomer("c@example.org", username="bob", verified=False),
        newcomer("d@example.org", username="bob"),
        newcomer("e@example.org", username="BOB"),
        newcomer("f@example.org", username="BOB", verified=False),
    ]
    admitted = await admitting(stage, *users)()
    assert {user.email[0]: user.username for user in admitted} == {
        "a": None,
        "b": None,
        "c": "bob",
        "d": "bob",
        "e": None,
        "f": None,
    }
    assert await everybody(stage) == [holder, *sorted(admitted, key=lambda user: user.id)]


# -- at the same moment -----------------------------------------------------------------------------------


async def test_the_same_people_brought_many_times_at_once_come_in_once(stage: Stage) -> None:
    def batch() -> list[User]:
        numbers = [*range(40)]
        return [
            newcomer(f"user{number}@example.org", username=f"n{number}", verified=number % 2 > 0)
            for number in numbers
        ]

    batches = [batch() for _ in range(5)]
    admitted = await at_once(admitting(stage, *users) for users in (*batches[:3], *(it[::-1] for it in batches[3:])))
    assert sum(map(len, admitted)) == 40
    assert len({user.email for users in admitted for user in users}) == 40
    assert len(await everybody(stage)) == 40
    assert all(user.username for user in await everybody(stage))


async def test_who_proves_an_address_while_it_is_admitted_shares_it_with_nobody(stage: Stage) -> None:
    for number in range(20):
        rival = await stage.user(f"user{number}@example.org", username=f"rival{number}", proven=False)
        arrived = newcomer(rival.email, username=f"new{number}")

        async def prove(user_id: UUID = rival.id) -> Sequence[User]:
            async with stage.begin() as work:
                proof: Proof | None = await work.users.prove(user_id, credential_version=1, now=NOW)
            return [] if proof is None else [proof.user]

        came = [user for users in await at_once([prove, admitting(stage, arrived)]) for user in users]
        assert len(came) == 1
        assert [user for user in await everybody(stage) if user.email == rival.email] == came


async def test_who_has_looked_before_an_address_was_proven_does_not_undo_it(stage: Stage) -> None:
    rival = await stage.user(proven=False)
    admitted: list[Sequence[User]] = []

    async def admit() -> None:
        admitted.append(await admitting(stage, newcomer())())

    async with anyio.create_task_group() as group, stage.begin() as work:
        proof = await work.users.prove(rival.id, credential_version=1, now=NOW)
        group.start_soon(admit)
        await anyio.sleep(0.3)  # it has met a claim that is not proven yet, and waits for it
    assert proof is not None
    assert admitted == [[]]
    assert await everybody(stage) == [proof.user]


async def test_who_proves_a_username_while_it_is_admitted_shares_it_with_nobody(stage: Stage) -> None:
    for number in range(20):
        rival = await stage.user(f"rival{number}@example.org", username=f"name{number}", proven=False)
        arrived = newcomer(f"new{number}@example.org", username=f"NAME{number}")

        async def prove(user_id: UUID = rival.id) -> Sequence[User]:
            async with stage.begin() as work:
                proof: Proof | None = await work.users.prove(user_id, credential_version=1, now=NOW)
            return [] if proof is None else [proof.user]

        came = [user for users in await at_once([prove, admitting(stage, arrived)]) for user in users]
        assert [user.verified for user in came] == [True, True]
        assert len([user for user in came if user.username is not None]) == 1
        assert [user for user in await everybody(stage) if user.email in {rival.email, arrived.email}] == sorted(
            came, key=lambda user: user.id
        )


# -- undoing ----------------------------------------------------------------------------------------------


async def test_an_exception_leaves_nobody_in_and_nobody_out(stage: Stage) -> None:
    squatter = await stage.user(proven=False)
    session = await stage.session(squatter)

    async def spoilt() -> None:
        async with stage.begin() as work:
            assert len(await work.users.admit([newcomer(), newcomer("bob@example.org")], now=NOW)) == 2
            raise Undo

    with pytest.raises(Undo):
        await spoilt()
    assert await everybody(stage) == [squatter]
    assert (await stage.kept_session(session.id)).ended_at is None
    assert stage.blocklist.raised == {}
    assert len(await admitting(stage, newcomer())()) == 1

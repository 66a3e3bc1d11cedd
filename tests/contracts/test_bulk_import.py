"""Bulk import of users: which are added, which were there before, and none twice, whatever happens at that moment."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from uuid import UUID

import anyio
import pytest

from application.repositories import Verification
from domain.role import Role
from domain.session import ENDED, EndReason
from domain.user import Provenance, User
from tests.support.stage import LATER, NOW, Stage, Undo, at_once, claim, new_id

pytestmark = pytest.mark.anyio

ADA = "ada@example.org"


def imported_user(email: str = ADA, *, username: str | None = None, verified: bool = True) -> User:
    user = claim(email, username=username)
    return replace(user, verified=verified, provenance=Provenance.IMPORT, imported_at=NOW)


def importing(stage: Stage, *users: User) -> Callable[[], Awaitable[Sequence[User]]]:
    async def bulk_insert() -> Sequence[User]:
        async with stage.begin() as work:
            return await work.users.bulk_insert(users, now=NOW)

    return bulk_insert


async def owners_of(stage: Stage, *emails: str) -> dict[str, User]:
    async with stage.begin() as work:
        return dict(await work.users.owners_of(emails))


async def everybody(stage: Stage) -> list[User]:
    async with stage.begin() as work:
        return [found.user for found in await work.users.page(query="", role=None, limit=1000, after=None)]


async def test_those_who_come_in_are_as_they_say(stage: Stage) -> None:
    users = [
        imported_user("a@example.org", username="Ada"),
        replace(imported_user("b@example.org", verified=False), disabled=True, role=Role.MODERATOR),
        replace(imported_user("c@example.org"), disabled=True, role=Role.ADMIN, created_at=LATER, password_hash=""),
        replace(imported_user("d@example.org", username="dora", verified=False), credential_version=3),
    ]
    assert sorted(await importing(stage, *users)(), key=lambda user: user.id) == users
    assert await everybody(stage) == users
    assert await importing(stage)() == []


async def test_many_come_in_at_once(stage: Stage) -> None:
    users = [imported_user(f"user{number}@example.org", username=f"name{number}") for number in range(1000)]
    assert len(await importing(stage, *users)()) == 1000
    assert await everybody(stage) == users
    assert await importing(stage, *(replace(user, id=new_id()) for user in users))() == []


async def test_an_address_belongs_to_its_verified_user_or_to_an_imported_claim(stage: Stage) -> None:
    own = await stage.user("own@example.org")
    await stage.user("claimed@example.org", proven=False)
    imported, waiting = imported_user("imported@example.org"), imported_user("waiting@example.org", verified=False)
    await importing(stage, imported, waiting)()
    await stage.user("waiting@example.org", proven=False)
    asked = [user.email for user in (own, imported, waiting)]
    assert await owners_of(stage, *asked, "claimed@example.org", "nobody@example.org") == {
        own.email: own,
        imported.email: imported,
        waiting.email: waiting,
    }
    assert await owners_of(stage) == {}


async def test_a_verified_user_speaks_for_an_address_before_an_imported_claim(stage: Stage) -> None:
    async with stage.begin() as work:
        proven = await work.users.bulk_insert([imported_user()], now=NOW)
    late = imported_user(verified=False)
    async with stage.begin() as work:
        await work.users.add(late)
    assert await owners_of(stage, ADA) == {ADA: proven[0]}


async def test_a_verified_address_stays_as_it_is(stage: Stage) -> None:
    holder = await stage.user(username="ada")
    assert await importing(stage, imported_user(username="new"))() == []
    assert await importing(stage, imported_user(verified=False))() == []
    assert await everybody(stage) == [holder]


async def test_a_claim_of_the_same_import_is_not_made_twice(stage: Stage) -> None:
    first = imported_user(verified=False)
    await importing(stage, first)()
    assert await importing(stage, imported_user(verified=False))() == []
    assert await everybody(stage) == [first]


@pytest.mark.parametrize("verified", [True, False])
async def test_who_was_brought_and_has_left_is_not_brought_again(stage: Stage, verified: bool) -> None:
    [came] = await importing(stage, imported_user(verified=verified))()
    await stage.user("own@example.org")
    async with stage.begin() as work:
        asked = [ADA, "own@example.org", "bob@example.org"]
        assert await work.users.previously_imported(asked) == {ADA}
        assert await work.users.previously_imported([]) == set()
        assert await work.users.remove(came.id, now=NOW)
    async with stage.begin() as work:
        assert await work.users.previously_imported(asked) == {ADA}
    for again in (imported_user(), imported_user(verified=False)):
        assert await importing(stage, again, imported_user(f"{again.id}@example.org"))() != []
        assert ADA not in {user.email for user in await everybody(stage)}


async def test_a_strangers_claim_keeps_nobody_out(stage: Stage) -> None:
    squatter = await stage.user(username="ada", proven=False)
    waiting = imported_user(username="ada", verified=False)
    assert await importing(stage, waiting)() == [waiting]
    assert await everybody(stage) == [squatter, waiting]


async def test_a_verified_newcomer_takes_the_place_of_every_claim(stage: Stage) -> None:
    squatter = await stage.user(username="squatter", proven=False)
    planted = await stage.session(squatter)
    await importing(stage, imported_user(verified=False))()
    neighbour = await stage.user("bob@example.org", proven=False)
    arrived = imported_user()
    assert await importing(stage, arrived)() == [arrived]
    assert await everybody(stage) == [neighbour, arrived]
    kept = await stage.kept_session(planted.id)
    assert (kept.ended_at, kept.end_reason) == (NOW, EndReason.SUPERSEDED)
    assert stage.blocklist.revoked == {planted.id: ENDED}


async def test_a_username_that_somebody_verified_has_is_given_up(stage: Stage) -> None:
    holder = await stage.user("holder@example.org", username="ada")
    users = [
        imported_user("a@example.org", username="ADA"),
        imported_user("b@example.org", username="Ada", verified=False),
        imported_user("c@example.org", username="bob", verified=False),
        imported_user("d@example.org", username="bob"),
        imported_user("e@example.org", username="BOB"),
        imported_user("f@example.org", username="BOB", verified=False),
    ]
    admitted = await importing(stage, *users)()
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
            imported_user(f"user{number}@example.org", username=f"n{number}", verified=number % 2 > 0)
            for number in numbers
        ]

    batches = [batch() for _ in range(5)]
    admitted = await at_once(importing(stage, *users) for users in (*batches[:3], *(it[::-1] for it in batches[3:])))
    assert sum(map(len, admitted)) == 40
    assert len({user.email for users in admitted for user in users}) == 40
    assert len(await everybody(stage)) == 40
    assert all(user.username for user in await everybody(stage))


async def test_who_proves_an_address_while_it_is_admitted_shares_it_with_nobody(stage: Stage) -> None:
    for number in range(20):
        rival = await stage.user(f"user{number}@example.org", username=f"rival{number}", proven=False)
        arrived = imported_user(rival.email, username=f"new{number}")

        async def prove(user_id: UUID = rival.id) -> Sequence[User]:
            async with stage.begin() as work:
                proof: Verification | None = await work.users.verify_email(user_id, credential_version=1, now=NOW)
            return [] if proof is None else [proof.user]

        came = [user for users in await at_once([prove, importing(stage, arrived)]) for user in users]
        assert len(came) == 1
        assert [user for user in await everybody(stage) if user.email == rival.email] == came


async def test_who_has_looked_before_an_address_was_proven_does_not_undo_it(stage: Stage) -> None:
    rival = await stage.user(proven=False)
    admitted: list[Sequence[User]] = []

    async def admit() -> None:
        admitted.append(await importing(stage, imported_user())())

    async with anyio.create_task_group() as group, stage.begin() as work:
        proof = await work.users.verify_email(rival.id, credential_version=1, now=NOW)
        group.start_soon(admit)
        await anyio.sleep(0.3)  # it has met a claim that is not proven yet, and waits for it
    assert proof is not None
    assert admitted == [[]]
    assert await everybody(stage) == [proof.user]


async def test_who_proves_a_username_while_it_is_admitted_shares_it_with_nobody(stage: Stage) -> None:
    for number in range(20):
        rival = await stage.user(f"rival{number}@example.org", username=f"name{number}", proven=False)
        arrived = imported_user(f"new{number}@example.org", username=f"NAME{number}")

        async def prove(user_id: UUID = rival.id) -> Sequence[User]:
            async with stage.begin() as work:
                proof: Verification | None = await work.users.verify_email(user_id, credential_version=1, now=NOW)
            return [] if proof is None else [proof.user]

        came = [user for users in await at_once([prove, importing(stage, arrived)]) for user in users]
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
            users = [imported_user(), imported_user("bob@example.org")]
            assert len(await work.users.bulk_insert(users, now=NOW)) == 2
            raise Undo

    with pytest.raises(Undo):
        await spoilt()
    assert await everybody(stage) == [squatter]
    assert (await stage.kept_session(session.id)).ended_at is None
    assert stage.blocklist.revoked == {}
    assert len(await importing(stage, imported_user())()) == 1

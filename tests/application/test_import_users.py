"""Importing users is idempotent, and every row that is not imported is listed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.memory.hasher import MemoryHasher
from application.administration.import_users import ImportIssue, ImportResult, ImportRow
from application.ports import PasswordMatch
from domain.audit import EventType
from domain.role import Role
from domain.user import User
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio

ADA = "ada@example.org"
LONG_AGO = datetime(2019, 5, 6, 7, 8, 9, tzinfo=UTC)


def row(email: str = ADA, *, line: int = 1, username: str | None = None, verified: bool = True) -> ImportRow:
    return ImportRow(line=line, email=email, username=username, verified=verified)


async def imported(world: World, *rows: ImportRow, highest: Role = Role.MEMBER) -> ImportResult:
    """Run an import a moment later."""
    world.clock.advance(seconds=1)
    return await world.import_users(rows, since=world.clock(), highest=highest)


def users_of(world: World, email: str = ADA) -> list[User]:
    return [user for user in world.store.rows.users.values() if user.email == email]


def lost(line: int, reason: str) -> ImportIssue:
    return ImportIssue(line, reason)


# -- imported users --------------------------------------------------------------------------------------------


async def test_a_user_is_imported_unchanged(world: World) -> None:
    strong = await world.hasher.hash(PASSWORD)
    newcomer = replace(
        row("ADA@example.org", username="Ada"), password_hash=strong, disabled=True, created_at=LONG_AGO
    )
    assert await imported(world, newcomer) == ImportResult(1, 0, ())
    [user] = users_of(world)
    assert (user.username, user.password_hash, user.role) == ("Ada", strong, Role.MEMBER)
    assert (user.verified, user.disabled, user.created_at, user.credential_version) == (True, True, LONG_AGO, 1)
    assert world.store.rows.mails == {}


async def test_missing_columns_have_the_least_privileged_defaults(world: World) -> None:
    assert await imported(world, ImportRow(line=1, email=ADA)) == ImportResult(1, 0, ())
    [user] = users_of(world)
    assert (user.username, user.password_hash, user.role) == (None, "", Role.MEMBER)
    assert (user.verified, user.disabled, user.created_at) == (False, False, world.clock())
    assert world.store.rows.mails == {}


async def test_each_imported_user_has_an_event(world: World) -> None:
    admin = replace(row("root@example.org", username="-", line=2), role=Role.ADMIN, disabled=True)
    await imported(world, row(verified=False), admin, highest=Role.ADMIN)
    events = {
        (event.user_id, event.action, event.actor_id, event.detail) for event in world.store.rows.events.values()
    }
    [ada], [root] = users_of(world), users_of(world, "root@example.org")
    assert events == {
        (ada.id, EventType.IMPORTED, None, "as member"),
        (root.id, EventType.IMPORTED, None, "as admin, verified, disabled, without the username it had"),
    }


async def test_a_foreign_password_logs_in_and_is_rehashed(world: World) -> None:
    own_hash = await world.hasher.hash(PASSWORD)
    weak = (await world.hasher.hash(OTHER_PASSWORD)).replace("memory$", "weak$")
    bob = replace(row("bob@example.org", line=2), password_hash=weak)
    assert (await imported(world, replace(row(), password_hash=own_hash.replace("memory$", "old$")), bob)).added == 2
    assert [user.password_hash for user in users_of(world, bob.email)] == [weak.replace("weak$", "wrapped$")]
    await world.log_in(ADA, PASSWORD)
    await world.log_in(bob.email, OTHER_PASSWORD)
    for email, password in ((ADA, PASSWORD), (bob.email, OTHER_PASSWORD)):
        text = users_of(world, email)[0].password_hash
        assert (text.partition("$")[0], await world.hasher.verify(password, text)) == ("memory", PasswordMatch(True))


async def test_hashes_of_present_users_are_not_computed_again(world: World) -> None:
    weak = replace(row(), password_hash="weak$x")
    await imported(world, weak)
    paid = world.hasher.calls
    assert await imported(world, weak) == ImportResult(0, 1, ())
    assert world.hasher.calls == paid


# -- repeated imports --------------------------------------------------------------------------------------


async def test_importing_is_idempotent(world: World) -> None:
    rows = [row(), row("bob@example.org", username="bob", line=2, verified=False)]
    rows += [replace(row("eve@example.org", username="BOB", line=3), created_at=LONG_AGO)]
    assert await imported(world, *rows) == ImportResult(3, 0, ())
    before = dict(world.store.rows.users)
    for _ in range(3):
        assert await imported(world, *rows) == ImportResult(0, 3, ())
    assert world.store.rows.users == before
    assert len(world.store.rows.events) == 3


async def test_an_interrupted_import_can_be_resumed(world: World) -> None:
    rows = [row(f"user{number}@example.org", line=number, verified=number % 2 > 0) for number in range(10)]
    await imported(world, *rows[:4])
    assert await imported(world, *rows) == ImportResult(6, 4, ())
    assert len(world.store.rows.users) == 10


async def test_a_user_changed_since_the_import_is_not_changed_again(world: World) -> None:
    waiting = row(verified=False)
    await imported(world, waiting)
    [claim] = users_of(world)
    async with world.begin() as work:
        await work.users.verify_email(claim.id, credential_version=1, now=world.clock())
        await work.users.replace_password(claim.id, "new", credential_version=1)
    assert await imported(world, waiting) == ImportResult(0, 1, ())
    assert await imported(world, row()) == ImportResult(0, 1, ())
    assert [user.password_hash for user in users_of(world)] == ["new"]


@pytest.mark.parametrize("verified", [True, False])
async def test_a_user_deleted_or_moved_since_the_import_is_not_imported_again(world: World, verified: bool) -> None:
    rows = [row(verified=verified), row("bob@example.org", line=2)]
    await imported(world, *rows)
    [ada], [bob] = users_of(world), users_of(world, "bob@example.org")
    async with world.begin() as work:
        assert await work.users.remove(ada.id, now=world.clock())
        assert await work.users.change_email(bob.id, "elsewhere@example.org", over=[], now=world.clock()) is not None
    assert await imported(world, *rows) == ImportResult(0, 2, ())
    assert await imported(world, replace(rows[0], verified=True), rows[1]) == ImportResult(0, 2, ())
    assert list(world.store.rows.users) == [bob.id]
    # A user who registers the address afterwards is another account.
    await world.register(email=ADA, password=PASSWORD)
    assert await imported(world, *rows) == ImportResult(0, 2, ())
    assert len(users_of(world)) == 1


async def test_an_unverified_import_is_imported_again_as_verified(world: World) -> None:
    await imported(world, row(verified=False))
    assert await imported(world, row()) == ImportResult(1, 0, ())
    assert [user.verified for user in users_of(world)] == [True]
    assert await imported(world, row()) == ImportResult(0, 1, ())
    assert await imported(world, row(verified=False)) == ImportResult(0, 1, ())


# -- reported rows ----------------------------------------------------------------------------------

ELSE = "Another user already has this address."


async def test_an_address_verified_by_another_user_is_not_taken_over(world: World) -> None:
    holder = await world.user(ADA)
    for verified in (True, False):
        assert await imported(world, row(line=7, verified=verified)) == ImportResult(0, 0, (lost(7, ELSE),))
    assert users_of(world) == [holder]


async def test_an_unverified_user_of_the_address_does_not_prevent_the_import(world: World) -> None:
    await world.register(email=ADA, password=PASSWORD)
    assert (await imported(world, row(verified=False))).added == 1
    assert [user.verified for user in users_of(world)] == [False, False]
    assert (await imported(world, row())).added == 1
    assert [user.verified for user in users_of(world)] == [True]


async def test_verified_one_of_two_rows_with_one_address_is_imported(world: World) -> None:
    rows = [
        row(line=1, username="first", verified=False),
        row("Ada@Example.org", line=2, username="second"),
        row(line=3, username="third"),
        row(line=4, verified=False),
    ]
    same = tuple(lost(line, "Line 2 has the same address.") for line in (1, 3, 4))
    assert await imported(world, *rows) == ImportResult(1, 0, same)
    assert [user.username for user in users_of(world)] == ["second"]


async def test_a_repeated_address_is_listed_even_far_apart(world: World) -> None:
    since = world.clock()
    for line, issues in ((1, ()), (2, (lost(2, ELSE),))):
        done = await world.import_users([row(line=line)], since=since)
        assert done.remarks == issues


async def test_another_user_of_the_address_is_recognised_by_the_creation_time(world: World) -> None:
    await imported(world, replace(row(), created_at=LONG_AGO))
    other = replace(row(line=2), created_at=LONG_AGO + timedelta(microseconds=1))
    assert await imported(world, other) == ImportResult(0, 0, (lost(2, ELSE),))


async def test_an_unusable_username_is_dropped_and_listed(world: World) -> None:
    await world.user("holder@example.org", username="ada")
    rows = [row("a@example.org", line=1, username="ADA"), row("b@example.org", line=2, username="no name")]
    rows += [row("c@example.org", line=3, username=""), row("d@example.org", line=4, username="free")]
    done = await imported(world, *rows)
    assert (done.added, done.known) == (4, 0)
    assert done.remarks == (
        ImportIssue(1, "This username is already in use; the user was imported without it.", lost=False),
        ImportIssue(2, "This username is not valid; the user was imported without it.", lost=False),
    )
    assert [user.username for email in "abcd" for user in users_of(world, f"{email}@example.org")] == [
        None,
        None,
        None,
        "free",
    ]


async def test_a_row_whose_address_is_verified_meanwhile_is_listed(world: World) -> None:
    class Slow(MemoryHasher):
        async def import_hashes(self, password_hashes: Sequence[str]) -> list[str | None]:
            await world.user(ADA)
            return await super().import_hashes(password_hashes)

    slow = replace(world.import_users, hasher=Slow())
    done = await slow([row(), row("bob@example.org", line=2)], since=world.clock())
    assert done == ImportResult(1, 0, (lost(1, "Another user has just taken this address."),))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row("nobody"), "not a valid e-mail address"),
        (row("a\0@example.org"), "not a valid e-mail address"),
        (row("a\ud800@example.org"), "not a valid e-mail address"),
        (row(""), "not a valid e-mail address"),
        (replace(row(), password_hash="secret"), "hash is not supported"),
        (replace(row(), role=Role.MODERATOR), "role moderator is higher"),
        (replace(row(), role=Role.ADMIN), "role admin is higher"),
        (replace(row(), created_at=datetime(2038, 1, 1, tzinfo=UTC)), "created_at is out of range"),
        (replace(row(), created_at=datetime(1969, 12, 31, tzinfo=UTC)), "created_at is out of range"),
    ],
    ids=str,
)
async def test_an_invalid_row_is_listed_and_the_others_are_imported(
    world: World, bad: ImportRow, reason: str
) -> None:
    done = await imported(world, row("b@example.org"), replace(bad, line=2), row("c@example.org", line=3))
    assert (done.added, done.known) == (2, 0)
    [remark] = done.remarks
    assert (remark.line, remark.lost) == (2, True)
    assert reason in remark.reason
    assert "secret" not in remark.reason
    assert len(world.store.rows.users) == 2


async def test_no_imported_role_exceeds_what_the_operator_allows(world: World) -> None:
    admin, moderator = (replace(row(f"{role}@example.org"), role=role) for role in (Role.ADMIN, Role.MODERATOR))
    assert (await imported(world, admin, moderator, highest=Role.MODERATOR)).added == 1
    assert [user.role for user in world.store.rows.users.values()] == [Role.MODERATOR]
    assert (await imported(world, admin, moderator, highest=Role.ADMIN)).added == 1


async def test_an_empty_batch_is_allowed(world: World) -> None:
    assert await imported(world) == ImportResult(0, 0, ())

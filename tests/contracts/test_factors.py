"""Factors, recovery codes, used challenges and undo points, on every store: each method, with a rollback."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from application.repositories import UnitOfWork
from domain.email_change import EmailChange
from domain.factor import FactorKind, RecoveryCodeCount
from domain.session import EndReason
from domain.user import User
from tests.support.store_harness import LATER, NOW, Rollback, StoreHarness, new_id
from tests.support.stored_factors import (
    add,
    current,
    digest,
    factors_of,
    passkey,
    recovery_code,
    replace_codes,
    totp,
    undo_point,
)

pytestmark = pytest.mark.anyio

UNKNOWN_ID = UUID(int=0)


# -- adding -----------------------------------------------------------------------------------------------


async def test_added_factors_are_found_oldest_first(harness: StoreHarness) -> None:
    user = await harness.user()
    assert (user.factors, user.factor_version) == ((), 0)
    phone = totp(user, last_step=41)
    with_phone = await add(harness, phone)
    assert (with_phone.factors, with_phone.factor_version) == ((FactorKind.TOTP,), 1)
    key = passkey(with_phone, "Klucz zażółć 🔑", credential_id=bytes(range(256)) * 4)
    with_both = await add(harness, key)
    assert (with_both.factors, with_both.factor_version) == ((FactorKind.PASSKEY, FactorKind.TOTP), 2)
    assert await factors_of(harness, user) == [phone, key]
    async with harness.begin() as work:
        assert key.passkey is not None
        assert await work.factors.by_credential_id(key.passkey.credential_id) == (key, with_both)
        assert await work.factors.by_credential_id(b"unknown") is None
        assert await work.factors.by_user(UNKNOWN_ID) == []


async def test_replaced_factor_is_removed_in_the_same_version(harness: StoreHarness) -> None:
    user = await harness.user()
    old, key = totp(user), passkey(user, version=2)
    await add(harness, old, key)
    new = totp(user, version=3)
    async with harness.begin() as work:
        await work.users.lock(user.id)
        assert await work.factors.add(new, replacing=[old.id])
        assert await work.factors.by_user(user.id) == [key, new]
        assert await work.factors.by_user(user.id, removed=True) == [old.removed(3, NOW), key, new]
    assert (await current(harness, user)).factor_version == 3


async def test_replacing_leaves_removed_and_other_users_factors_alone(harness: StoreHarness) -> None:
    user, other = await harness.user(), await harness.user("bob@example.org")
    removed, theirs = totp(user), totp(other)
    await add(harness, removed, theirs)
    async with harness.begin() as work:
        await work.users.lock(user.id)
        await work.factors.remove(user.id, [removed.id], now=NOW)
        new = replace(totp(user, version=3), created_at=LATER)
        assert await work.factors.add(new, replacing=[removed.id, theirs.id, UNKNOWN_ID])
        assert await work.factors.by_user(user.id, removed=True) == [removed.removed(2, NOW), new]
    assert await factors_of(harness, other) == [theirs]


@pytest.mark.parametrize("removed", [False, True], ids=["in use", "removed"])
async def test_credential_id_is_stored_once_for_all_users(harness: StoreHarness, removed: bool) -> None:
    user, other = await harness.user(), await harness.user("bob@example.org")
    key = passkey(user, credential_id=b"the same")
    await add(harness, key)
    if removed:
        async with harness.begin() as work:
            await work.factors.remove(user.id, [key.id], now=NOW)
    before = await current(harness, user)
    for second in (other, user):
        phone = totp(second, version=7)
        async with harness.begin() as work:
            await work.users.lock(second.id)
            assert not await work.factors.add(
                passkey(second, credential_id=b"the same"), replacing=[key.id, phone.id]
            )
    assert await current(harness, user) == before
    assert await current(harness, other) == other
    assert await factors_of(harness, user) == ([] if removed else [key])


# -- removing and renaming --------------------------------------------------------------------------------


async def test_removed_factor_is_not_found_and_raises_the_version(harness: StoreHarness) -> None:
    user = await harness.user()
    key, phone = passkey(user, credential_id=b"mine"), totp(user, version=2)
    await add(harness, key, phone)
    with_codes = await replace_codes(harness, user, "one", "two")
    async with harness.begin() as work:
        await work.users.lock(user.id)
        changed = await work.factors.remove(user.id, [key.id], now=LATER)
        assert changed == replace(with_codes, factors=(FactorKind.TOTP,), factor_version=4)
        assert await work.factors.by_user(user.id) == [phone]
        assert await work.factors.by_credential_id(b"mine") is None
        assert await work.factors.recovery_codes(user.id) == RecoveryCodeCount(left=2, created_at=NOW, added_in=3)
        assert await work.factors.by_user(user.id, removed=True) == [key.removed(4, LATER), phone]
        assert not await work.factors.use_passkey(key.id, sign_count=1, backed_up=True, now=LATER)
        assert await work.factors.rename(user.id, key.id, "new") is None
    assert await current(harness, user) == changed


async def test_the_last_factor_takes_the_recovery_codes_with_it(harness: StoreHarness) -> None:
    user = await harness.user()
    key, phone = passkey(user), totp(user, version=2)
    await add(harness, key, phone)
    await replace_codes(harness, user, "one")
    async with harness.begin() as work:
        changed = await work.factors.remove(user.id, [phone.id, key.id], now=LATER)
        assert changed is not None
        assert (changed.factors, changed.factor_version) == ((), 4)
        assert await work.factors.recovery_codes(user.id) is None
        assert not await work.factors.use_recovery_code(user.id, digest("one"), now=LATER)
        assert not await work.factors.use_totp(phone.id, step=9, now=LATER)


async def test_only_all_given_factors_are_removed(harness: StoreHarness) -> None:
    user, other = await harness.user(), await harness.user("bob@example.org")
    key, theirs = passkey(user), passkey(other)
    before = await add(harness, key)
    await add(harness, theirs)
    async with harness.begin() as work:
        for ids in ([key.id, theirs.id], [UNKNOWN_ID], [key.id, UNKNOWN_ID]):
            assert await work.factors.remove(user.id, ids, now=LATER) is None
        assert await work.factors.remove(UNKNOWN_ID, [], now=LATER) is None
    assert await current(harness, user) == before
    assert await factors_of(harness, user) == [key]
    assert await factors_of(harness, other) == [theirs]


async def test_reset_without_factors_removes_codes_and_raises_the_version(harness: StoreHarness) -> None:
    user = await harness.user()
    await replace_codes(harness, user, "left over")
    async with harness.begin() as work:
        changed = await work.factors.remove(user.id, [], now=LATER)
        assert changed is not None
        assert changed.factor_version == 2
        assert await work.factors.recovery_codes(user.id) is None


async def test_only_the_owner_renames_a_factor(harness: StoreHarness) -> None:
    user, other = await harness.user(), await harness.user("bob@example.org")
    key = passkey(user, "Passkey")
    before = await add(harness, key)
    async with harness.begin() as work:
        assert await work.factors.rename(other.id, key.id, "stolen") is None
        assert await work.factors.rename(user.id, UNKNOWN_ID, "none") is None
        assert await work.factors.rename(user.id, key.id, "Küche") == replace(key, name="Küche")
    assert await factors_of(harness, user) == [replace(key, name="Küche")]
    assert await current(harness, user) == before


# -- using ------------------------------------------------------------------------------------------------


async def test_totp_step_is_accepted_once_and_no_earlier_one_after(harness: StoreHarness) -> None:
    user = await harness.user()
    phone, key = totp(user, last_step=100), passkey(user, version=2)
    before = await add(harness, phone, key)
    async with harness.begin() as work:
        accepted = [
            await work.factors.use_totp(phone.id, step=step, now=LATER) for step in (100, 99, 101, 101, 100, 103, 102)
        ]
        assert accepted == [False, False, True, False, False, True, False]
        assert not await work.factors.use_totp(key.id, step=104, now=LATER)
        assert not await work.factors.use_totp(UNKNOWN_ID, step=104, now=LATER)
    [used, _] = await factors_of(harness, user)
    assert used.last_used_at == LATER
    assert used.totp is not None
    assert used.totp.last_step == 103
    assert await current(harness, user) == before


async def test_sign_count_never_falls_and_the_backup_state_follows(harness: StoreHarness) -> None:
    user = await harness.user()
    key, phone = passkey(user), totp(user, version=2)
    await add(harness, key, phone)
    counts = []
    for count, backed_up in ((7, True), (3, False), (0, True), (2**32 - 1, True)):
        async with harness.begin() as work:
            assert await work.factors.use_passkey(key.id, sign_count=count, backed_up=backed_up, now=LATER)
        [used, _] = await factors_of(harness, user)
        assert used.passkey is not None
        assert used.last_used_at == LATER
        counts.append((used.passkey.sign_count, used.passkey.backed_up))
    assert counts == [(7, True), (7, False), (7, True), (2**32 - 1, True)]
    async with harness.begin() as work:
        assert not await work.factors.use_passkey(phone.id, sign_count=1, backed_up=False, now=LATER)
        assert not await work.factors.use_passkey(UNKNOWN_ID, sign_count=1, backed_up=False, now=LATER)
    assert (await factors_of(harness, user))[1] == phone


async def test_recovery_codes_are_counted_used_once_and_replaced(harness: StoreHarness) -> None:
    user, other = await harness.user(), await harness.user("bob@example.org")
    async with harness.begin() as work:
        assert await work.factors.recovery_codes(user.id) is None
    assert (await replace_codes(harness, user, "one", "two", "three")).factor_version == 1
    async with harness.begin() as work:
        use = work.factors.use_recovery_code
        assert await use(user.id, digest("one"), now=LATER)
        assert not await use(user.id, digest("one"), now=LATER)
        assert not await use(user.id, digest("unknown"), now=LATER)
        assert not await use(other.id, digest("two"), now=LATER)
        assert await work.factors.recovery_codes(user.id) == RecoveryCodeCount(left=2, created_at=NOW, added_in=1)
        assert await use(user.id, digest("two"), now=LATER)
        assert await use(user.id, digest("three"), now=LATER)
        assert await work.factors.recovery_codes(user.id) == RecoveryCodeCount(left=0, created_at=NOW, added_in=1)
    assert (await replace_codes(harness, user, "four", at=LATER)).factor_version == 2
    async with harness.begin() as work:
        assert await work.factors.recovery_codes(user.id) == RecoveryCodeCount(left=1, created_at=LATER, added_in=2)
        assert not await work.factors.use_recovery_code(user.id, digest("one"), now=LATER)
        assert await work.factors.use_recovery_code(user.id, digest("four"), now=LATER)


async def test_a_challenge_is_spent_once(harness: StoreHarness) -> None:
    for expected in (True, False):
        async with harness.begin() as work:
            assert await work.factors.use_challenge(b"digest", expires_at=LATER) is expected
            assert not await work.factors.use_challenge(b"digest", expires_at=LATER + timedelta(days=1))
            assert await work.factors.use_challenge(b"other" + bytes([expected]), expires_at=LATER)


# -- undo points and earlier versions ---------------------------------------------------------------------


async def test_undo_points_are_stored_closed_and_listed_newest_first(harness: StoreHarness) -> None:
    user, other = await harness.user(), await harness.user("bob@example.org")
    first, second, theirs = undo_point(user), undo_point(user, at=LATER), undo_point(other)
    async with harness.begin() as work:
        for point in (first, second, theirs):
            await work.factors.add_undo_point(point)
    async with harness.begin() as work:
        assert await work.factors.undo_points(user.id) == [second, first]
        assert await work.factors.undo_points(UNKNOWN_ID) == []
        assert await work.factors.undo_point(first.id) == first
        assert await work.factors.undo_point(UNKNOWN_ID) is None
        await work.factors.close_undo_point(first.id, now=LATER)
    async with harness.begin() as work:
        assert await work.factors.undo_point(first.id) == replace(first, closed_at=LATER)
        assert await work.factors.undo_point(second.id) == second


async def test_an_earlier_version_is_restored_as_a_new_one(harness: StoreHarness) -> None:
    user = await harness.user()
    mine, phone, planted = passkey(user, credential_id=b"mine"), totp(user, version=2), passkey(user, version=4)
    await add(harness, mine, phone)
    owned = await replace_codes(harness, user, "mine", "used")
    assert owned.factor_version == 3
    async with harness.begin() as work:
        await work.factors.use_recovery_code(user.id, digest("used"), now=NOW)
    await add(harness, planted)
    await replace_codes(harness, user, "planted")
    async with harness.begin() as work:
        await work.factors.remove(user.id, [mine.id, phone.id], now=NOW)
        await work.users.lock(user.id)
        restored = await work.factors.restore(user.id, 3, now=LATER)
        assert restored == replace(owned, factor_version=7)
        assert await work.factors.by_user(user.id) == [mine, phone]
        assert await work.factors.by_user(user.id, removed=True) == [mine, phone, planted.removed(7, LATER)]
        assert await work.factors.by_credential_id(b"mine") == (mine, restored)
        assert await work.factors.recovery_codes(user.id) == RecoveryCodeCount(left=1, created_at=NOW, added_in=3)
        assert not await work.factors.use_recovery_code(user.id, digest("planted"), now=LATER)
        assert not await work.factors.use_recovery_code(user.id, digest("used"), now=LATER)
        assert await work.factors.use_recovery_code(user.id, digest("mine"), now=LATER)
    async with harness.begin() as work:
        emptied = await work.factors.restore(user.id, 0, now=LATER)
        assert emptied is not None
        assert (emptied.factors, emptied.factor_version) == ((), 8)
        assert await work.factors.by_user(user.id) == []
        assert await work.factors.recovery_codes(user.id) is None
        back = await work.factors.restore(user.id, 7, now=LATER)
        assert back is not None
        assert back.factors == (FactorKind.PASSKEY, FactorKind.TOTP)
        assert await work.factors.restore(UNKNOWN_ID, 0, now=LATER) is None


async def test_restore_keeps_used_steps_and_counters(harness: StoreHarness) -> None:
    user = await harness.user()
    phone, key = totp(user), passkey(user, version=2)
    await add(harness, phone, key)
    async with harness.begin() as work:
        await work.factors.use_totp(phone.id, step=50, now=NOW)
        await work.factors.use_passkey(key.id, sign_count=5, backed_up=True, now=NOW)
        await work.factors.remove(user.id, [phone.id, key.id], now=NOW)
        await work.factors.restore(user.id, 2, now=LATER)
        assert not await work.factors.use_totp(phone.id, step=50, now=LATER)
        assert await work.factors.use_totp(phone.id, step=51, now=LATER)
        [_, restored] = await work.factors.by_user(user.id)
        assert restored.passkey is not None
        assert restored.passkey.sign_count == 5


async def test_restore_moves_later_undo_points_and_changes_to_its_version(harness: StoreHarness) -> None:
    user, other = await harness.user(), await harness.user("bob@example.org")
    points = [replace(undo_point(user), factor_version=version) for version in (1, 2, 3)]
    theirs = replace(undo_point(other), factor_version=3)

    def change(version: int | None) -> EmailChange:
        return EmailChange(
            id=new_id(),
            user_id=user.id,
            old_email=user.email,
            new_email="new@example.org",
            credential_version=1,
            asked_at=NOW,
            factor_version=version,
        )

    changes = [change(version) for version in (None, 1, 3)]
    async with harness.begin() as work:
        for point in (*points, theirs):
            await work.factors.add_undo_point(point)
        for one in changes:
            await work.email_changes.add(one)
        await work.factors.restore(user.id, 2, now=LATER)
    async with harness.begin() as work:
        versions = [point.factor_version for point in await work.factors.undo_points(user.id)]
        assert versions == [2, 2, 1]
        assert await work.factors.undo_point(theirs.id) == theirs
        stored = [await work.email_changes.by_id(one.id) for one in changes]
        assert [one and one.factor_version for one in stored] == [None, 1, 2]


# -- secrets and enrolment --------------------------------------------------------------------------------


async def test_secrets_of_all_users_are_paged_and_replaced(harness: StoreHarness) -> None:
    user, other = await harness.user(), await harness.user("bob@example.org")
    removed, key, phone, theirs = totp(user), passkey(user, version=2), totp(user, version=3), totp(other)
    await add(harness, removed, key, phone, theirs)
    async with harness.begin() as work:
        await work.factors.remove(user.id, [removed.id], now=NOW)
        page = await work.factors.with_secrets(after=None, limit=2)
        assert [one.id for one in page] == [removed.id, phone.id]
        assert await work.factors.with_secrets(after=phone.id, limit=2) == [theirs]
        assert await work.factors.with_secrets(after=theirs.id, limit=2) == []
        assert await work.factors.replace_secret(theirs.id, old=b"encrypted", new=b"again")
        assert not await work.factors.replace_secret(theirs.id, old=b"encrypted", new=b"lost")
        assert not await work.factors.replace_secret(key.id, old=b"encrypted", new=b"lost")
        assert not await work.factors.replace_secret(UNKNOWN_ID, old=b"encrypted", new=b"lost")
    [stored] = await factors_of(harness, other)
    assert stored.totp is not None
    assert stored.totp.encrypted_secret == b"again"


async def test_enrolment_is_open_in_a_new_installation(harness: StoreHarness) -> None:
    async with harness.begin() as work:
        assert await work.factors.enrolment_open()
        assert not await work.factors.open_enrolment()


# -- deleted users ----------------------------------------------------------------------------------------


async def test_factors_of_a_deleted_user_are_not_found_and_return_with_the_user(harness: StoreHarness) -> None:
    user = await harness.user()
    phone, key = totp(user), passkey(user, version=2, credential_id=b"mine")
    await add(harness, phone, key)
    before = await replace_codes(harness, user, "code")
    point = undo_point(before)
    async with harness.begin() as work:
        await work.factors.add_undo_point(point)
        await work.sessions.end_all(user.id, now=NOW, reason=EndReason.DELETED)
        assert await work.users.remove(user.id, now=NOW, until=LATER + timedelta(days=1))
    async with harness.begin() as work:
        factors = work.factors
        assert await factors.by_user(user.id) == []
        assert await factors.by_user(user.id, removed=True) == []
        assert await factors.by_credential_id(b"mine") is None
        assert await factors.recovery_codes(user.id) is None
        assert await factors.rename(user.id, key.id, "new") is None
        assert await factors.remove(user.id, [phone.id], now=LATER) is None
        assert await factors.remove(user.id, [], now=LATER) is None
        assert not await factors.use_totp(phone.id, step=1, now=LATER)
        assert not await factors.use_passkey(key.id, sign_count=1, backed_up=True, now=LATER)
        assert not await factors.use_recovery_code(user.id, digest("code"), now=LATER)
        assert await factors.undo_points(user.id) == []
        assert await factors.undo_point(point.id) == point  # its link restores the account
        assert len(await factors.with_secrets(after=None, limit=9)) == 1  # encrypted again, as it may come back
    other = await harness.user()
    assert (other.email, other.factors, other.factor_version) == (user.email, (), 0)
    assert await factors_of(harness, other) == []
    async with harness.begin() as work:
        assert not await work.factors.add(passkey(other, credential_id=b"mine"))
        await work.users.lock(user.id, email="elsewhere@example.org")
        restored = await work.users.restore(user.id, email="elsewhere@example.org", now=LATER)
        assert restored is not None
        assert (restored.factors, restored.factor_version) == (before.factors, before.factor_version)
        assert await work.factors.by_user(user.id) == [phone, key]
        assert await work.factors.recovery_codes(user.id) == RecoveryCodeCount(left=1, created_at=NOW, added_in=3)
        assert await work.factors.undo_points(user.id) == [point]


# -- rollbacks --------------------------------------------------------------------------------------------

Change = Callable[[UnitOfWork, User], Awaitable[object]]

KEY, PHONE, POINT = new_id(), new_id(), new_id()
CHANGES: dict[str, Change] = {
    "add": lambda work, user: work.factors.add(totp(user)),
    "remove": lambda work, user: work.factors.remove(user.id, [KEY], now=LATER),
    "rename": lambda work, user: work.factors.rename(user.id, KEY, "new"),
    "use_totp": lambda work, _: work.factors.use_totp(PHONE, step=9, now=LATER),
    "use_passkey": lambda work, _: work.factors.use_passkey(KEY, sign_count=9, backed_up=True, now=LATER),
    "replace_recovery_codes": lambda work, user: work.factors.replace_recovery_codes(
        user.id, [recovery_code(user, "new")], now=LATER
    ),
    "use_recovery_code": lambda work, user: work.factors.use_recovery_code(user.id, digest("code"), now=LATER),
    "add_undo_point": lambda work, user: work.factors.add_undo_point(undo_point(user)),
    "restore": lambda work, user: work.factors.restore(user.id, 0, now=LATER),
    "close_undo_point": lambda work, _: work.factors.close_undo_point(POINT, now=LATER),
    "replace_secret": lambda work, _: work.factors.replace_secret(PHONE, old=b"encrypted", new=b"new"),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_rollback_undoes_a_change(harness: StoreHarness, change: str) -> None:
    user = await harness.user()
    await add(harness, replace(passkey(user), id=KEY), replace(totp(user, version=2), id=PHONE))
    before = await replace_codes(harness, user, "code")
    async with harness.begin() as work:
        await work.factors.add_undo_point(replace(undo_point(before), id=POINT))

    async def state() -> list[object]:
        async with harness.begin() as work:
            return [
                await work.users.by_id(user.id),
                await work.factors.by_user(user.id, removed=True),
                await work.factors.recovery_codes(user.id),
                await work.factors.undo_points(user.id),
            ]

    async def run(*, roll_back: bool) -> None:
        async with harness.begin() as work:
            await work.users.lock(user.id)
            await CHANGES[change](work, before)
            if roll_back:
                raise Rollback

    unchanged = await state()
    with pytest.raises(Rollback):
        await run(roll_back=True)
    assert await state() == unchanged
    await run(roll_back=False)
    assert await state() != unchanged


async def test_rollback_gives_a_challenge_back(harness: StoreHarness) -> None:
    async def roll_back() -> None:
        async with harness.begin() as work:
            assert await work.factors.use_challenge(b"digest", expires_at=LATER)
            raise Rollback

    with pytest.raises(Rollback):
        await roll_back()
    async with harness.begin() as work:
        assert await work.factors.use_challenge(b"digest", expires_at=LATER)

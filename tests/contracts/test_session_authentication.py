"""How and when the person logged in is stored with the session, and a session can be kept while others end."""

from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.authentication import AssuranceLevel, Authentication
from domain.session import ENDED, EndReason
from tests.support.store_harness import (
    LATER,
    LIFETIMES,
    NOW,
    Rollback,
    StoreHarness,
    login_event,
    new_session,
)

pytestmark = pytest.mark.anyio

PASSWORD = Authentication.by_password(NOW)


@pytest.mark.parametrize(
    "authentication",
    [
        PASSWORD,
        Authentication.by_passkey(NOW),
        *(PASSWORD.with_factor(factor, LATER) for factor in ("totp", "recovery_code", "passkey")),
    ],
    ids=lambda it: " ".join(it.methods),
)
async def test_authentication_is_stored_and_survives_refreshes(
    harness: StoreHarness, authentication: Authentication
) -> None:
    user = await harness.user()
    session = replace(new_session(user), authentication=authentication)
    async with harness.begin() as work:
        assert await work.sessions.open(session, credential_version=1, event=login_event(session))
    renewed = await harness.renewals.advance(session.id, generation=1, now=LATER, lifetimes=LIFETIMES)
    assert renewed is not None
    assert renewed[0].authentication == authentication
    assert (await harness.load_session(session.id)).authentication == authentication
    async with harness.begin() as work:
        [alive] = await work.sessions.alive(user.id, now=LATER)
        [listed] = await work.sessions.page(user.id, limit=9, after=None)
        by_id_at = await work.sessions.by_id_at(session.id, now=LATER)
    assert by_id_at is not None
    assert {one.authentication for one in (alive, listed, by_id_at[0])} == {authentication}


@pytest.mark.parametrize("harness", ["postgres"], indirect=True)
async def test_session_of_the_previous_release_was_opened_by_password(
    harness: StoreHarness, engine: AsyncEngine
) -> None:
    """It leaves the new columns NULL."""
    session = await harness.session(await harness.user())
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE sessions SET amr = NULL, authenticated_at = NULL"))
    stored = await harness.load_session(session.id)
    assert stored.authentication == Authentication.by_password(session.created_at)
    assert stored.authentication.level is AssuranceLevel.AAL1
    renewed = await harness.renewals.advance(session.id, generation=1, now=LATER, lifetimes=LIFETIMES)
    assert renewed is not None
    assert renewed[0].authentication == stored.authentication


@pytest.mark.parametrize("harness", ["postgres"], indirect=True)
async def test_session_that_a_newer_release_ended_has_ended(harness: StoreHarness, engine: AsyncEngine) -> None:
    session = await harness.session(await harness.user())
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE sessions SET ended_at = created_at, end_reason = 'in_another_way'"))
    stored = await harness.load_session(session.id)
    assert (stored.end_reason, stored.alive(NOW)) == (None, False)


async def test_one_session_is_kept_while_all_others_end(harness: StoreHarness) -> None:
    user, other = await harness.user(), await harness.user("bob@example.org")
    kept, theirs = await harness.session(user), await harness.session(other)
    ended = [await harness.session(user) for _ in range(3)]
    harness.blocklist.published.clear()
    async with harness.begin() as work:
        assert await work.sessions.end_all(user.id, now=LATER, reason=EndReason.FACTOR_REMOVED, keeping=kept.id) == 3
    assert harness.blocklist.published == [{session.id: ENDED for session in ended}]
    assert await harness.load_session(kept.id) == kept
    assert await harness.load_session(theirs.id) == theirs
    for session in ended:
        assert await harness.load_session(session.id) == session.ended(now=LATER, reason=EndReason.FACTOR_REMOVED)
    async with harness.begin() as work:
        assert await work.sessions.end_all(user.id, now=LATER, reason=EndReason.FACTOR_REMOVED, keeping=kept.id) == 0
        assert await work.sessions.end_all(user.id, now=LATER, reason=EndReason.LOGOUT_ALL, keeping=theirs.id) == 1


async def test_kept_session_whose_access_tokens_were_revoked_stays_open(harness: StoreHarness) -> None:
    user = await harness.user()
    kept = await harness.session(user)
    async with harness.begin() as work:
        await work.sessions.revoke_access_tokens(user.id)
        assert await work.sessions.end_all(user.id, now=LATER, reason=EndReason.FACTOR_REMOVED, keeping=kept.id) == 0
    assert harness.blocklist.revoked == {kept.id: 2}
    assert (await harness.load_session(kept.id)).alive(LATER)


async def test_rollback_of_an_ending_keeps_all_sessions(harness: StoreHarness) -> None:
    user = await harness.user()
    sessions = [await harness.session(user) for _ in range(2)]

    async def roll_back() -> None:
        async with harness.begin() as work:
            await work.sessions.end_all(user.id, now=LATER, reason=EndReason.FACTOR_REMOVED, keeping=sessions[0].id)
            raise Rollback

    with pytest.raises(Rollback):
        await roll_back()
    assert [await harness.load_session(session.id) for session in sessions] == sessions
    assert harness.blocklist.revoked == {}

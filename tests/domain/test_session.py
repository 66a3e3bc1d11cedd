"""A session's generation only increases, and a session ends once."""

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.client_info import ClientInfo
from domain.session import ENDED, EndReason, Lifetimes, RotationState, Session

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIFETIMES = Lifetimes()
GRACE = LIFETIMES.grace
GAPS = st.lists(st.timedeltas(timedelta(0), timedelta(days=8)), max_size=12)


def opened(lifetimes: Lifetimes = LIFETIMES) -> Session:
    return Session.opened(
        id=UUID(int=1),
        user_id=UUID(int=2),
        now=NOW,
        lifetimes=lifetimes,
        client_info=ClientInfo(user_agent="curl/8", ip="192.0.2.7"),
    )


def renewed(gaps: list[timedelta]) -> tuple[Session, datetime]:
    session, now = opened(), NOW
    for gap in gaps:
        now += gap
        session = session.advanced(now=now, lifetimes=LIFETIMES)
    return session, now


def test_a_session_starts_at_generation_one_with_all_generations_valid() -> None:
    session = opened()
    assert (session.generation, session.effective_min_generation, session.ended_at) == (1, 0, None)
    assert session.created_at == session.rotated_at == NOW
    assert session.expires_at == NOW + timedelta(days=7)


def test_session_never_outlives_its_absolute_lifetime() -> None:
    assert opened(Lifetimes(session=timedelta(days=1))).expires_at == NOW + timedelta(days=1)


@given(GAPS)
def test_refresh_advances_generation_and_idle_timeout_but_not_maximum_age(gaps: list[timedelta]) -> None:
    session, now = renewed(gaps)
    assert session.generation == 1 + len(gaps)
    assert (session.id, session.user_id, session.created_at) == (UUID(int=1), UUID(int=2), NOW)
    assert session.expires_at == min(now + LIFETIMES.refresh, NOW + LIFETIMES.session)


@given(GAPS, st.timedeltas(timedelta(0), timedelta(days=40)))
def test_one_generation_refreshes_and_at_most_one_more_converges(gaps: list[timedelta], later: timedelta) -> None:
    session, now = renewed(gaps)
    now += later
    states = {
        generation: session.rotation_state(generation, now=now, grace=GRACE)
        for generation in range(session.generation + 2)
    }
    if now >= session.expires_at:
        assert set(states.values()) == {RotationState.EXPIRED, RotationState.ENDED}
        return
    assert [g for g, s in states.items() if s is RotationState.CURRENT] == [session.generation]
    parents = [g for g, s in states.items() if s is RotationState.JUST_ROTATED]
    assert parents == ([session.generation - 1] if later <= GRACE else [])
    assert states[session.generation + 1] is RotationState.ENDED
    assert all(s is RotationState.REUSED for g, s in states.items() if g < session.generation - 1)


@pytest.mark.parametrize(
    ("age", "seconds", "states"),
    [
        (0, 0, RotationState.CURRENT),
        (1, 0, RotationState.JUST_ROTATED),
        (1, 10, RotationState.JUST_ROTATED),
        (1, 10.000001, RotationState.REUSED),
        (2, 0, RotationState.REUSED),
        (-1, 0, RotationState.ENDED),
        (0, 7 * 86_400 - 1, RotationState.CURRENT),
        (0, 7 * 86_400, RotationState.EXPIRED),
        (2, 7 * 86_400, RotationState.EXPIRED),
    ],
)
def test_only_the_previous_generation_converges_and_only_for_ten_seconds(
    age: int, seconds: float, states: RotationState
) -> None:
    session, now = renewed([timedelta(minutes=1)] * 3)
    now += timedelta(seconds=seconds)
    assert session.rotation_state(session.generation - age, now=now, grace=GRACE) is states


def test_a_slow_clock_does_not_report_theft() -> None:
    session, now = renewed([timedelta(minutes=1)])
    assert session.rotation_state(1, now=now - timedelta(seconds=30), grace=GRACE) is RotationState.JUST_ROTATED


@given(GAPS, st.sampled_from(EndReason), st.integers(0, 20), st.timedeltas(timedelta(0), timedelta(days=40)))
def test_no_generation_of_an_ended_session_is_valid(
    gaps: list[timedelta], reason: EndReason, generation: int, later: timedelta
) -> None:
    session, now = renewed(gaps)
    over = session.ended(now=now, reason=reason)
    assert over.rotation_state(generation, now=now + later, grace=GRACE) is RotationState.ENDED
    assert over.effective_min_generation == ENDED > session.generation
    assert (over.ended_at, over.end_reason) == (now, reason)
    assert over.with_access_tokens_revoked().effective_min_generation == ENDED


@given(GAPS, st.lists(st.booleans(), max_size=10))
def test_revoking_access_tokens_affects_earlier_tokens_only(gaps: list[timedelta], outdatings: list[bool]) -> None:
    session, now = renewed(gaps)
    for outdating in outdatings:
        before = session.effective_min_generation
        session = (
            session.with_access_tokens_revoked() if outdating else session.advanced(now=now, lifetimes=LIFETIMES)
        )
        assert session.effective_min_generation >= before
    last = session.with_access_tokens_revoked()
    assert last.effective_min_generation > last.generation
    assert last.rotation_state(last.generation, now=NOW, grace=GRACE) is not RotationState.ENDED
    after = last.advanced(now=now, lifetimes=LIFETIMES)
    assert after.effective_min_generation == after.generation


def test_methods_do_not_change_the_session() -> None:
    session = opened()
    session.advanced(now=NOW, lifetimes=LIFETIMES)
    session.ended(now=NOW, reason=EndReason.LOGOUT)
    session.with_access_tokens_revoked()
    assert session == opened()
    frozen: Any = session
    with pytest.raises(FrozenInstanceError):
        frozen.generation = 9

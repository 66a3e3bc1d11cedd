"""The decisions of the blocklist as a pure state machine: no I/O and no clock inside.

`advance` takes the state, an event and the caller's monotonic time in seconds. It returns the next state and the next
action. The package's docstring has the diagram.
"""

import math
from dataclasses import dataclass, replace

from adapters.redis.blocklist.messages import (
    Action,
    Backfill,
    Backfilled,
    ClockRead,
    ConfirmPrimary,
    CopyPending,
    Event,
    Extend,
    Extended,
    MarkPublished,
    Observe,
    Observed,
    Pending,
    PendingCopied,
    PrimaryConfirmed,
    PrimaryRead,
    Promote,
    Promoted,
    Published,
    ReadClock,
    ReadPrimary,
    Started,
    Stop,
)
from adapters.revocations import BlocklistPrimary

PUBLISH_INTERVAL = 0.05
"""Seconds between two attempts to write a revocation."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. `margin` covers the difference between two clocks during one lease."""

    lease: float
    margin: float
    reelection_delay: float


@dataclass(frozen=True, slots=True)
class Renewal:
    """A renewal in progress: the server and its live lease, and what has been done since."""

    run_id: str
    lease: bytes | None
    until: int = 0
    pending: Pending | None = None


@dataclass(frozen=True, slots=True)
class LeaseState:
    """`trusted` is the lease on which this process relies, and `primary` the one that it read last. Until
    `safe_after`, a lease of the former primary may be live. This process saw its server demoted at `demoted_at`."""

    timing: Timing
    trusted: bytes | None = None
    primary: BlocklistPrimary | None = None
    safe_after: float = -math.inf
    demoted_at: float = -math.inf
    renewals: int = 0
    renewal: Renewal | None = None

    def trusts(self, lease: bytes | None) -> bool:
        """True if a copy that was read together with this lease is complete."""
        return lease is not None and lease == self.trusted


def lease_value(primary: BlocklistPrimary) -> bytes:
    return f"{primary.run_id}:{primary.epoch}".encode()


def publish_delay(timing: Timing, *, started: float, under_lease: bool, now: float) -> float | None:
    """Seconds until a revocation is written again. None if it is in force: it was written to a server with a live
    lease, or every lease that predates it has expired."""
    wait = started + timing.lease + timing.margin - now
    return None if under_lease or wait <= 0 else min(wait, PUBLISH_INTERVAL)


def distrust(state: LeaseState) -> LeaseState:
    """A connection was made, perhaps to another server, or a command failed. A renewal in progress is abandoned."""
    return replace(state, trusted=None, renewal=None)


def advance(state: LeaseState, event: Event, now: float) -> tuple[LeaseState, Action]:
    match event:
        case Started():
            return replace(state, renewals=state.renewals + 1, renewal=None), Observe(state.renewals + 1)
        case Observed():
            return _observed(state, event)
    if state.renewal is None:
        return state, Stop("the connection was replaced during the renewal")
    return _continue(state, state.renewal, event, now)


def _continue(state: LeaseState, renewal: Renewal, event: Event, now: float) -> tuple[LeaseState, Action]:
    match event:
        case PrimaryRead(primary):
            return _primary_read(state, renewal, primary, now)
        case Promoted(primary):
            return _follow(state, renewal, primary, now)
        case Backfilled():
            return state, ReadClock()
        case ClockRead(milliseconds):
            # The lease counts from before the pending revocations are read, so a late command cannot prolong it.
            until = milliseconds + int(state.timing.lease * 1000)
            return replace(state, renewal=replace(renewal, until=until)), CopyPending()
        case PendingCopied(pending):
            return replace(state, renewal=replace(renewal, pending=pending)), ConfirmPrimary()
        case PrimaryConfirmed(primary) if primary is not None and primary == state.primary:
            return state, Extend(renewal.run_id, state.renewals, renewal.until, lease_value(primary))
        case Extended(granted=True) if state.primary is not None:
            state = replace(state, trusted=lease_value(state.primary))
            return state, MarkPublished(renewal.pending) if renewal.pending else Stop()
        case Published():
            return state, Stop()
        case PrimaryConfirmed():
            return distrust(state), Stop("the primary has changed")
    return distrust(state), Stop("Redis was emptied during the renewal")


def _observed(state: LeaseState, observation: Observed) -> tuple[LeaseState, Action]:
    live = observation.lease if observation.expires_in > 0 else None
    state = replace(state, renewal=Renewal(observation.run_id, live))
    if not state.trusts(live):
        return state, ReadPrimary()
    # If the lease is longer than ours, the clock of Redis was set back.
    if state.timing.lease * 500 < observation.expires_in <= state.timing.lease * 1000:
        return state, Stop()
    return state, ReadClock()


def _primary_read(
    state: LeaseState, renewal: Renewal, primary: BlocklistPrimary | None, now: float
) -> tuple[LeaseState, Action]:
    if primary is None or primary.run_id != renewal.run_id:
        if state.primary is not None and state.primary.run_id == renewal.run_id:
            state = replace(state, demoted_at=now)
        # A demoted server waits, so that two servers that are both alive do not take turns.
        if now >= state.demoted_at + state.timing.reelection_delay:
            return state, Promote(renewal.run_id, after=primary)
    return _follow(state, renewal, primary, now)


def _follow(
    state: LeaseState, renewal: Renewal, primary: BlocklistPrimary | None, now: float
) -> tuple[LeaseState, Action]:
    if primary != state.primary:
        state = replace(state, primary=primary, safe_after=now + state.timing.lease + state.timing.margin)
    if primary is None or primary.run_id != renewal.run_id:
        return distrust(state), Stop("another server is the primary", reconnect=True)
    # There was no former primary, or another process has waited for its lease already.
    alone = primary.epoch == 1 or renewal.lease == lease_value(primary)
    if not alone and now < state.safe_after:
        return distrust(state), Stop("a lease of the former primary may still be live")
    return state, Backfill()

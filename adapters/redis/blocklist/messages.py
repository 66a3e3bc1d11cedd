"""The actions that the lease machine requests, and the events that report their results."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from adapters.revocations import BlocklistPrimary

Pending = Mapping[UUID, int]

# -- actions ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Observe:
    """Write the canary of this renewal to Redis, and read its run id and lease."""

    renewal: int


@dataclass(frozen=True, slots=True)
class ReadPrimary:
    """Read the primary from PostgreSQL."""


@dataclass(frozen=True, slots=True)
class Promote:
    """Promote the server in PostgreSQL, then read the primary."""

    run_id: str
    after: BlocklistPrimary | None


@dataclass(frozen=True, slots=True)
class Backfill:
    """Copy all recent revocations from PostgreSQL to Redis."""


@dataclass(frozen=True, slots=True)
class ReadClock:
    """Read the clock of Redis."""


@dataclass(frozen=True, slots=True)
class CopyPending:
    """Copy pending revocations from PostgreSQL to Redis."""


@dataclass(frozen=True, slots=True)
class ConfirmPrimary:
    """Read the primary from PostgreSQL once more."""


@dataclass(frozen=True, slots=True)
class Extend:
    """Set the lease until `until` (milliseconds of Redis's clock), if the server has this run id and the canary."""

    run_id: str
    renewal: int
    until: int
    lease: bytes


@dataclass(frozen=True, slots=True)
class MarkPublished:
    """Mark these revocations as published in PostgreSQL."""

    pending: Pending


@dataclass(frozen=True, slots=True)
class Stop:
    """End of the renewal. `problem` says why the copy is not trusted; `reconnect` asks to locate the server again."""

    problem: str | None = None
    reconnect: bool = False


Step = Observe | ReadPrimary | Promote | Backfill | ReadClock | CopyPending | ConfirmPrimary | Extend | MarkPublished
Action = Step | Stop

# -- events -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    """A renewal begins."""


@dataclass(frozen=True, slots=True)
class Observed:
    """`expires_in` is in milliseconds, and negative without a lease."""

    run_id: str
    lease: bytes | None
    expires_in: int


@dataclass(frozen=True, slots=True)
class PrimaryRead:
    primary: BlocklistPrimary | None


@dataclass(frozen=True, slots=True)
class Promoted:
    """`primary` is another server if that one was promoted first."""

    primary: BlocklistPrimary | None


@dataclass(frozen=True, slots=True)
class Backfilled:
    pass


@dataclass(frozen=True, slots=True)
class ClockRead:
    milliseconds: int


@dataclass(frozen=True, slots=True)
class PendingCopied:
    pending: Pending


@dataclass(frozen=True, slots=True)
class PrimaryConfirmed:
    primary: BlocklistPrimary | None


@dataclass(frozen=True, slots=True)
class Extended:
    granted: bool


@dataclass(frozen=True, slots=True)
class Published:
    pass


Event = (
    Started
    | Observed
    | PrimaryRead
    | Promoted
    | Backfilled
    | ClockRead
    | PendingCopied
    | PrimaryConfirmed
    | Extended
    | Published
)

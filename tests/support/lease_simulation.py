"""Processes with the real lease machine, between a simulated PostgreSQL and two simulated Redis servers.

Every method is one atomic step, so that a test can interleave them in any order. Times are milliseconds. A name in
`without` removes one guard, to see that the tests miss it.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from uuid import UUID

from adapters.redis.blocklist.lease import LeaseState, Timing, advance, distrust, publish_delay
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
from domain.session import ENDED

TIMING = Timing(lease=1.0, margin=0.2, reelection_delay=0.5)
LEASE, MARGIN = 1000, 200
TOKEN_LIFETIME = 60_000
HORIZON = 100_000
CANARY_LIFETIME = 20_000
"""Shorter than the difference between the horizon and the lifetime of a token, as in production."""

REDIS_STEPS = (Observe, ReadClock, Extend, Backfill, CopyPending)


@dataclass
class Data:
    """What a server stores; each value with the time of the server's clock at which it expires."""

    lease: tuple[bytes, int] = (b"", 0)
    canaries: dict[int, tuple[int, int]] = field(default_factory=dict)
    revocations: dict[UUID, int] = field(default_factory=dict)

    def copy(self) -> "Data":
        return Data(self.lease, dict(self.canaries), dict(self.revocations))


@dataclass
class Server:
    run_id: str
    data: Data = field(default_factory=Data)
    snapshot: Data = field(default_factory=Data)
    clock_offset: int = 0
    set_back_at: int = -(10**9)
    connections: int = 0
    """Grows when the server closes its connections."""


@dataclass
class Publication:
    process: int
    session: UUID
    started: int
    done: bool = False


@dataclass
class Process:
    state: LeaseState = field(default_factory=lambda: LeaseState(TIMING))
    route: int = 0
    connection: tuple[int, int] | None = None
    action: Action = field(default_factory=Stop)
    copying: Collection[UUID] | None = None
    """Read from PostgreSQL, but not yet written to Redis."""


class Violation(AssertionError):
    pass


class Simulation:
    def __init__(self, *, processes: int = 3, without: str = "") -> None:
        self.now = 0
        self.without = without
        self.servers = [Server("a1"), Server("b1")]
        self.processes = [Process(route=0 if number < 2 else 1) for number in range(processes)]
        self.primary: BlocklistPrimary | None = None
        self.revoked_at: dict[UUID, int] = {}
        self.pending: set[UUID] = set()
        self.publications: list[Publication] = []
        self.late: list[tuple[int, int, Callable[[], object]]] = []
        self.restarts = 1
        self.trusted = 0
        """How often a process trusted a lease in a check."""

    # -- time and servers ---------------------------------------------------------------------------------

    def pass_time(self, milliseconds: int) -> None:
        self.now += milliseconds

    def set_clock_forward(self, server: int, milliseconds: int) -> None:
        self.servers[server].clock_offset += milliseconds

    def set_clock_back(self, server: int, milliseconds: int) -> None:
        """By no more than the margin in the time of two leases."""
        it = self.servers[server]
        if self.now - it.set_back_at > 2 * LEASE:
            it.clock_offset -= milliseconds % MARGIN
            it.set_back_at = self.now

    def save(self, server: int) -> None:
        self.servers[server].snapshot = self.servers[server].data.copy()

    def restart(self, server: int, memory: str) -> None:
        it = self.servers[server]
        self.restarts += 1
        it.run_id = f"{it.run_id[0]}{self.restarts}"
        it.data = {"kept": it.data, "older": it.snapshot.copy(), "emptied": Data()}[memory]
        it.connections += 1

    def flush(self, server: int) -> None:
        self.servers[server].data = Data()

    def fail_over(self, source: int) -> None:
        """The other server, a replica until now, is promoted with a snapshot of this one's data."""
        target = self.servers[1 - source]
        target.data = self.servers[source].snapshot.copy()
        target.connections += 1

    # -- processes ----------------------------------------------------------------------------------------

    def locate(self, process: int, server: int) -> None:
        self.processes[process].route = server

    def disconnect(self, process: int) -> None:
        self.processes[process].connection = None

    def start_renewal(self, process: int) -> None:
        it = self.processes[process]
        if isinstance(it.action, Stop):
            self._advance(it, Started())

    def step(self, process: int) -> None:
        """Carry out the next step of the renewal."""
        it = self.processes[process]
        if isinstance(it.action, Backfill | CopyPending) and it.copying is None:
            it.copying = self._recent() if isinstance(it.action, Backfill) else set(self.pending)
        elif isinstance(it.action, REDIS_STEPS):
            self._connect(it)
            self._advance(it, self._command(it, it.action)())
        elif not isinstance(it.action, Stop):
            self._advance(it, self._statement(it, it.action))

    def fail(self, process: int, failure: str) -> None:
        """The next step gets no answer: it was executed, it will be executed late, or never."""
        it = self.processes[process]
        if isinstance(it.action, REDIS_STEPS) and not (
            isinstance(it.action, Backfill | CopyPending) and it.copying is None
        ):
            self._connect(it)
            assert it.connection is not None
            command = self._command(it, it.action)
            if failure == "executed":
                command()
            elif failure == "late":
                self.late.append((*it.connection, command))
            it.state, it.connection = distrust(it.state), None
        if not isinstance(it.action, Stop):
            it.action, it.copying = Stop(), None

    def deliver_late(self) -> None:
        """Execute the oldest command that is still on its way, unless its server has closed the connection."""
        if self.late:
            server, connections, command = self.late.pop(0)
            if self.servers[server].connections == connections:
                command()

    # -- revocations --------------------------------------------------------------------------------------

    def revoke(self, process: int) -> None:
        session = UUID(int=len(self.revoked_at) + 1)
        self.revoked_at[session] = self.now
        self.pending.add(session)
        self.publications.append(Publication(process, session, self.now))

    def publish(self, number: int, reached: bool) -> None:
        waiting = [publication for publication in self.publications if not publication.done]
        if not waiting:
            return
        it = waiting[number % len(waiting)]
        process, under_lease = self.processes[it.process], False
        if reached:
            server = self._connect(process)
            under_lease = self._write(server, [it.session])
        else:
            process.state, process.connection = distrust(process.state), None
        delay = publish_delay(TIMING, started=it.started / 1000, under_lease=under_lease, now=self.now / 1000)
        it.done = delay is None or self.without == "publisher waits"

    def request(self, process: int) -> None:
        """A request is checked, which connects if necessary."""
        self._connect(self.processes[process])
        self.check()

    def check(self) -> None:
        """No process may trust a copy that lacks a revocation that was reported as done."""
        done = {it.session for it in self.publications if it.done}
        required = {it for it in done if self.now < self.revoked_at[it] + TOKEN_LIFETIME}
        for number, it in enumerate(self.processes):
            server = self._connected(it)
            if server is None or not it.state.trusts(self._live_lease(server)):
                continue
            self.trusted += 1
            now = self._clock(server)
            if missing := [session for session in required if server.data.revocations.get(session, 0) <= now]:
                raise Violation(f"process {number} trusts {server.run_id} without {missing}")

    # -- inside -------------------------------------------------------------------------------------------

    def _advance(self, it: Process, event: Event) -> None:
        if self.without == "confirm primary" and isinstance(event, PrimaryConfirmed):
            event = PrimaryConfirmed(it.state.primary)
        it.state, it.action = advance(it.state, event, self.now / 1000)
        it.copying = None
        if self.without == "wait for one lease":
            it.state = replace(it.state, safe_after=-1e9)
        if self.without == "mark after extending" and isinstance(event, PendingCopied):
            self.pending -= set(event.pending)

    def _connected(self, it: Process) -> Server | None:
        if it.connection is None:
            return None
        server, connections = it.connection
        return self.servers[server] if self.servers[server].connections == connections else None

    def _connect(self, it: Process) -> Server:
        server = self._connected(it)
        if server is None:
            server = self.servers[it.route]
            it.connection = (it.route, server.connections)
            if self.without == "abandon on connect":
                it.state = replace(it.state, trusted=None)
            elif self.without != "distrust on connect":
                it.state = distrust(it.state)
        return server

    def _clock(self, server: Server) -> int:
        return self.now + server.clock_offset

    def _live_lease(self, server: Server) -> bytes | None:
        value, expires = server.data.lease
        return value if expires > self._clock(server) else None

    def _recent(self) -> set[UUID]:
        if self.without == "backfill":
            return set()
        return {session for session, at in self.revoked_at.items() if at >= self.now - HORIZON}

    def _statement(self, it: Process, action: Action) -> Event:
        match action:
            case ReadPrimary():
                return PrimaryRead(self.primary)
            case Promote(run_id, after):
                if self.primary == after:
                    self.primary = BlocklistPrimary(run_id, 1 if after is None else after.epoch + 1)
                return Promoted(self.primary)
            case ConfirmPrimary():
                return PrimaryConfirmed(self.primary)
            case MarkPublished(pending):
                self.pending -= set(pending)
                return Published()
        raise TypeError(action)

    def _command(self, it: Process, action: Action) -> Callable[[], Event]:
        """What the server executes, now or later."""
        server, process = self._connect(it), self.processes.index(it)
        sessions = list(it.copying or ())
        match action:
            case Observe(renewal):
                return lambda: self._observe(server, process, renewal)
            case Backfill():
                return lambda: (self._write(server, sessions), Backfilled())[1]
            case ReadClock():
                return lambda: ClockRead(self._clock(server))
            case CopyPending():
                copied = [] if self.without == "copy pending" else sessions
                return lambda: (self._write(server, copied), PendingCopied(dict.fromkeys(sessions, ENDED)))[1]
            case Extend():
                return lambda: Extended(self._extend(server, process, action))
        raise TypeError(action)

    def _observe(self, server: Server, process: int, renewal: int) -> Event:
        lifetime = HORIZON if self.without == "short life of the canary" else CANARY_LIFETIME
        number = 1 if self.without == "number of the canary" else renewal
        server.data.canaries[process] = (number, self._clock(server) + lifetime)
        value, expires = server.data.lease
        return Observed(server.run_id, value or None, expires - self._clock(server))

    def _write(self, server: Server, sessions: Collection[UUID]) -> bool:
        now, expiries = self._clock(server), server.data.revocations
        for session in sessions:
            if self.without != "refresh on writing" or expiries.get(session, 0) <= now:
                expiries[session] = now + HORIZON
        lease = self._live_lease(server)
        its_own = lease is not None and lease.partition(b":")[0] == server.run_id.encode()
        return its_own or (lease is not None and self.without == "publish under this server's lease")

    def _extend(self, server: Server, process: int, action: Extend) -> bool:
        now = self._clock(server)
        number, expires = server.data.canaries.get(process, (0, 0))
        wanted = 1 if self.without == "number of the canary" else action.renewal
        if (number != wanted or expires <= now) and self.without != "canary":
            return False
        if server.run_id != action.run_id:
            return False
        server.data.canaries.pop(process, None)
        until = now + LEASE if self.without == "clock read first" else action.until
        server.data.lease = (action.lease, until)
        return True

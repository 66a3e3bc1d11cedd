"""The lease machine under random histories: two servers, lost and late commands, restores, pauses, clock jumps."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from adapters.redis.blocklist.lease import LeaseState, advance, publish_delay
from adapters.redis.blocklist.messages import (
    Action,
    CopyPending,
    Extend,
    Observed,
    PrimaryRead,
    Promote,
    ReadClock,
    ReadPrimary,
    Started,
    Stop,
)
from adapters.revocations import BlocklistPrimary
from tests.support.lease_simulation import LEASE, TIMING, Simulation, Violation

PROCESSES = 3
GUARDS = [
    "canary",
    "confirm primary",
    "wait for one lease",
    "distrust on connect",
    "backfill",
    "refresh on writing",
    "publish under this server's lease",
    "publisher waits",
]
"""Guards whose absence random histories soon reveal; `SCENARIOS` covers those that need a rarer history."""

process = st.integers(0, PROCESSES - 1)
server = st.integers(0, 1)


class HistoryMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = Simulation(processes=PROCESSES)

    @rule(process=process, steps=st.integers(1, 9))
    def renew(self, process: int, steps: int) -> None:
        self.world.start_renewal(process)
        for _ in range(steps):
            self.world.step(process)
            self.world.check()

    @rule(process=process, fate=st.sampled_from(["executed", "late", "never"]))
    def fail(self, process: int, fate: str) -> None:
        self.world.fail(process, fate)

    @rule()
    def deliver_late(self) -> None:
        self.world.deliver_late()

    @rule(process=process, reached=st.booleans())
    def revoke(self, process: int, reached: bool) -> None:
        self.world.revoke(process)
        self.world.publish(-1, reached)

    @rule(number=st.integers(0, 9), reached=st.booleans())
    def publish(self, number: int, reached: bool) -> None:
        self.world.publish(number, reached)

    @rule(process=process)
    def request(self, process: int) -> None:
        self.world.request(process)

    @rule(process=process, server=server)
    def relocate(self, process: int, server: int) -> None:
        self.world.locate(process, server)
        self.world.disconnect(process)

    @rule(milliseconds=st.sampled_from([10, 100, 300, 700, 1300, 15_000, 50_000]))
    def pass_time(self, milliseconds: int) -> None:
        self.world.pass_time(milliseconds)

    @rule(server=server, milliseconds=st.sampled_from([100, 900, 15_000, 30_000, 90_000]))
    def set_clock_forward(self, server: int, milliseconds: int) -> None:
        self.world.set_clock_forward(server, milliseconds)

    @rule(server=server, milliseconds=st.integers(1, 199))
    def set_clock_back(self, server: int, milliseconds: int) -> None:
        self.world.set_clock_back(server, milliseconds)

    @rule(server=server)
    def save(self, server: int) -> None:
        self.world.save(server)

    @rule(server=server, memory=st.sampled_from(["kept", "older", "emptied"]))
    def restart(self, server: int, memory: str) -> None:
        self.world.restart(server, memory)

    @rule(server=server)
    def flush(self, server: int) -> None:
        self.world.flush(server)

    @rule(source=server)
    def fail_over(self, source: int) -> None:
        self.world.fail_over(source)

    @invariant()
    def no_incomplete_copy_is_trusted(self) -> None:
        self.world.check()


TestHistories = HistoryMachine.TestCase
TestHistories.settings = settings(max_examples=300, stateful_step_count=60, deadline=None)


def random_history(seed: int, *, without: str = "", steps: int = 150) -> Simulation:
    """Rules with random weights, so that each history stresses other combinations (swarm testing)."""
    dice = random.Random(seed)
    world = Simulation(processes=PROCESSES, without=without)

    def renew() -> None:
        number = dice.randrange(PROCESSES)
        world.start_renewal(number)
        for _ in range(dice.choice([1, 2, 3, 4, 12])):
            world.step(number)
            world.check()

    def revoke() -> None:
        world.revoke(dice.randrange(PROCESSES))
        world.publish(-1, dice.random() < 0.5)

    def relocate() -> None:
        number = dice.randrange(PROCESSES)
        world.locate(number, dice.randrange(2))
        if dice.random() < 0.7:
            world.disconnect(number)

    rules: list[Callable[[], object]] = [
        renew,
        renew,
        renew,
        revoke,
        lambda: world.publish(dice.randrange(10), dice.random() < 0.6),
        lambda: world.request(dice.randrange(PROCESSES)),
        lambda: world.pass_time(dice.choice([10, 100, 300, 700, 1300])),
        lambda: world.pass_time(dice.choice([2000, 15_000, 50_000])),
        lambda: world.fail(dice.randrange(PROCESSES), dice.choice(["executed", "late", "never"])),
        lambda: world.deliver_late(),
        relocate,
        lambda: world.set_clock_forward(dice.randrange(2), dice.choice([100, 900, 15_000, 30_000, 90_000])),
        lambda: world.set_clock_back(dice.randrange(2), dice.randrange(1, 200)),
        lambda: world.save(dice.randrange(2)),
        lambda: world.restart(dice.randrange(2), dice.choice(["kept", "older", "emptied"])),
        lambda: world.flush(dice.randrange(2)),
        lambda: world.fail_over(dice.randrange(2)),
    ]
    weights = [20.0 if it is renew else dice.choice([0, 0, 1, 3, 10]) for it in rules]
    weights[3], weights[4] = max(1, weights[3]), max(1, weights[4])
    for doing in dice.choices(rules, weights, k=steps):
        doing()
        world.check()
    return world


def test_thousands_of_random_histories_trust_no_incomplete_copy() -> None:
    trusted = sum(random_history(seed).trusted for seed in range(2000))
    assert trusted > 150_000


@pytest.mark.parametrize("guard", GUARDS)
def test_without_a_guard_a_random_history_trusts_an_incomplete_copy(guard: str) -> None:
    assert any(violates(partial(random_history, seed, without=guard)) for seed in range(3000))


# -- rare histories ---------------------------------------------------------------------------------------


def violates(history: Callable[[], object]) -> bool:
    try:
        history()
    except Violation:
        return True
    return False


def renew(world: Simulation, process: int, *, until: type[Action] = Stop) -> None:
    """Carry out a renewal up to this action."""
    world.start_renewal(process)
    while not isinstance(world.processes[process].action, until):
        world.step(process)
    world.check()


def late_command(world: Simulation) -> None:
    """A command extends the lease after Redis was emptied, during the next renewal of the same process."""
    renew(world, 0)
    renew(world, 1)
    world.revoke(0)
    world.publish(-1, reached=True)
    world.pass_time(600)
    renew(world, 0, until=Extend)
    world.fail(0, "late")
    world.flush(0)
    renew(world, 0, until=ReadPrimary)
    world.deliver_late()


def clock_set_forward(world: Simulation) -> None:
    """Revocations expire between two steps of a renewal."""
    renew(world, 0)
    world.revoke(0)
    world.publish(-1, reached=True)
    for _ in range(40):
        world.pass_time(600)
        renew(world, 0)
    world.pass_time(600)
    renew(world, 0, until=ReadClock)
    world.set_clock_forward(0, 90_000)
    renew(world, 0)


def stopped_process(world: Simulation) -> None:
    """A process stops after it has read pending revocations, and goes on when their publisher has waited."""
    renew(world, 0)
    world.pass_time(600)
    renew(world, 0, until=Extend)
    world.revoke(2)
    world.publish(-1, reached=False)
    world.pass_time(1300)
    world.publish(-1, reached=False)
    world.step(0)


def failover_during_a_renewal(world: Simulation) -> None:
    """A replica takes over without the latest revocation; the first server copies it, and takes over again."""
    renew(world, 0)
    renew(world, 1)
    world.pass_time(600)
    renew(world, 0, until=ReadClock)
    world.save(0)
    world.revoke(1)
    world.publish(-1, reached=True)
    renew(world, 1)
    world.fail_over(0)
    world.save(1)
    world.fail_over(1)
    renew(world, 0)


def copied_to_another_server(world: Simulation) -> None:
    """A process copies a pending revocation to a server that is not the primary."""
    renew(world, 0)
    renew(world, 1)
    world.revoke(2)
    world.publish(-1, reached=False)
    world.pass_time(600)
    renew(world, 0, until=CopyPending)
    world.step(0)
    world.locate(0, 1)
    world.disconnect(0)
    world.step(0)
    renew(world, 1)
    world.pass_time(700)
    world.publish(-1, reached=False)


def unreachable_publisher(world: Simulation) -> None:
    renew(world, 0)
    world.revoke(2)
    world.publish(-1, reached=False)
    world.pass_time(600)
    renew(world, 0)
    world.pass_time(700)
    world.publish(-1, reached=False)


SCENARIOS = {
    "number of the canary": late_command,
    "short life of the canary": clock_set_forward,
    "clock read first": stopped_process,
    "abandon on connect": failover_during_a_renewal,
    "mark after extending": copied_to_another_server,
    "copy pending": unreachable_publisher,
}


@pytest.mark.parametrize("guard", SCENARIOS)
def test_rare_history_is_safe_and_violates_without_its_guard(guard: str) -> None:
    def history(world: Simulation) -> None:
        SCENARIOS[guard](world)
        world.check()

    history(Simulation())
    assert violates(lambda: history(Simulation(without=guard)))


# -- other properties -------------------------------------------------------------------------------------


def test_an_undisturbed_process_trusts_the_lease_after_its_first_renewal() -> None:
    world = Simulation()
    renew(world, 0)
    world.check()
    assert world.trusted > 0


def observed(state: LeaseState, expires_in: int) -> object:
    return advance(state, Observed("a1", b"a1:1", expires_in), now=0)[1]


def test_lease_is_renewed_after_half_of_it_and_after_a_clock_set_back() -> None:
    trusting = replace(LeaseState(TIMING), trusted=b"a1:1", primary=BlocklistPrimary("a1", 1))
    assert observed(trusting, 501) == observed(trusting, LEASE) == Stop()
    assert observed(trusting, 500) == observed(trusting, LEASE + 1) == ReadClock()
    assert observed(trusting, 0) == observed(LeaseState(TIMING), LEASE) == ReadPrimary()


def test_a_demoted_server_is_promoted_again_after_the_reelection_delay() -> None:
    state = replace(LeaseState(TIMING), primary=BlocklistPrimary("a1", 1))
    other = BlocklistPrimary("b1", 2)
    for now, promoted in ((10.0, False), (10.4, False), (10.5, True)):
        state, _ = advance(state, Started(), now)
        state, _ = advance(state, Observed("a1", None, -2), now)
        state, action = advance(state, PrimaryRead(other), now)
        assert action == (Promote("a1", other) if promoted else Stop("another server is the primary", reconnect=True))


def test_a_revocation_takes_effect_under_a_lease_or_after_lease_and_margin() -> None:
    assert publish_delay(TIMING, started=5, under_lease=True, now=5) is None
    assert publish_delay(TIMING, started=5, under_lease=False, now=5) == 0.05
    assert publish_delay(TIMING, started=5, under_lease=False, now=6.19) == pytest.approx(0.01)
    assert publish_delay(TIMING, started=5, under_lease=False, now=6.2) is None

"""The queue for hashing is fair: no network can keep the others waiting, whatever the order of pushes."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from adapters.passwords.fair_queue import FairQueue

ROOM = 8
HONEST = ["office", "home", "phone"]
ATTACKERS = ["botnet"]


class FairQueueMachine(RuleBasedStateMachine):
    """Attackers push as often as they like into a queue with room for eight; honest networks have one item each."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = FairQueue[int]()
        self.waiting: dict[int, str] = {}
        self.passed = {key: Counter[str]() for key in HONEST}
        """For each waiting honest network: how often each other network was served since it arrived."""
        self.number = 0

    def enter(self, key: str) -> bool:
        self.number += 1
        if len(self.waiting) == ROOM:
            dropped = self.queue.to_drop_for(key)
            if dropped is None:
                return False
            assert self.waiting[dropped] not in HONEST, "an item of an honest network was dropped"
            self.queue.remove(self.waiting.pop(dropped), dropped)
        self.queue.push(key, self.number)
        self.waiting[self.number] = key
        return True

    @rule(key=st.sampled_from(ATTACKERS), times=st.integers(1, 20))
    def attack(self, key: str, times: int) -> None:
        for _ in range(times):
            self.enter(key)

    @rule(key=st.sampled_from(HONEST))
    def ask(self, key: str) -> None:
        if key not in self.waiting.values():
            self.passed[key] = Counter()
            assert self.enter(key), "a network without an item in the queue was refused"

    @precondition(lambda self: self.waiting)
    @rule()
    def serve(self) -> None:
        served = self.queue.pop()
        assert served is not None
        key = self.waiting.pop(served)
        for honest in set(HONEST) & set(self.waiting.values()):
            self.passed[honest][key] += 1
            assert self.passed[honest][key] <= 1, f"{key} was served twice while {honest} waited"

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        item = data.draw(st.sampled_from(sorted(self.waiting)))
        self.queue.remove(self.waiting.pop(item), item)

    @invariant()
    def queue_holds_every_waiting_item(self) -> None:
        assert sum(map(len, self.queue._waiting.values())) == len(self.waiting) <= ROOM
        assert all(self.queue._waiting.values())


test_a_fair_queue_serves_keys_in_turn = FairQueueMachine.TestCase
FairQueueMachine.TestCase.settings = settings(max_examples=200, stateful_step_count=40)


@given(keys=st.lists(st.sampled_from("abc")))
def test_fair_queue_serves_the_items_of_one_key_in_order(keys: list[str]) -> None:
    queue, served = FairQueue[int](), dict.fromkeys("abc", -1)
    for number, key in enumerate(keys):
        queue.push(key, number)
    for _ in keys:
        item = queue.pop()
        assert item is not None
        assert item > served[keys[item]]
        served[keys[item]] = item
    assert queue.pop() is None


def test_full_fair_queue_drops_only_from_larger_keys() -> None:
    queue = FairQueue[int]()
    for number, key in enumerate("aabb"):
        queue.push(key, number)
    assert (queue.to_drop_for("a"), queue.to_drop_for("c")) == (None, 1)
    queue.remove("a", 1)
    queue.remove("b", 3)
    assert queue.to_drop_for("c") is None

"""Whatever somebody with the password does for seven days, the owner of the mailbox gets the account back."""

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.recovery import Theft
from tests.world import World


class InMemory(Theft):
    @staticmethod
    async def make_world() -> World:
        return World(limited=False)

    @staticmethod
    async def close_world() -> None:
        pass


def test_the_owner_of_the_mailbox_recovers_from_whatever_a_thief_does() -> None:
    run_state_machine_as_test(InMemory, settings=settings(max_examples=150, stateful_step_count=25, deadline=None))

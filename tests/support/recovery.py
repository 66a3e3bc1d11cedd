"""A thief who knows the password acts at random for a week; then the owner of the mailbox takes the account
back, while the thief goes on.

The acts are drawn by Hypothesis. The thief has two mailboxes, reads nothing of the owner's, and has learnt the
password once. The owner has only what is mailed to their address.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from adapters.postgres.database import Database
from adapters.postgres.tables import metadata
from domain.outbox import LinkPurpose
from domain.refusals import Refusal
from domain.tokens import AccessToken, TokenPair
from tests.support.world import PASSWORD, World

T = TypeVar("T")

OWNER, THIEF, FENCE = "owner@example.org", "thief@example.net", "fence@example.net"
ADDRESSES = st.sampled_from([OWNER, THIEF, FENCE])
PASSWORDS_OF_THE_THIEF = [PASSWORD, "the first of a thief's words", "the second of a thief's words"]
PASSWORDS = st.sampled_from(PASSWORDS_OF_THE_THIEF)
NAMES = st.sampled_from([None, "queen", "king"])
OWNERS = "what only the owner knows"
WEEK = timedelta(days=7)
TOKEN = re.compile(r"token=([A-Za-z0-9._~-]+)")


Worlds = Callable[[], AbstractAsyncContextManager[World]]
"""Each is the service as its use cases, without users and rate limits."""


@asynccontextmanager
async def world_in_memory() -> AsyncIterator[World]:
    yield World(limited=False)


class Theft(RuleBasedStateMachine):
    worlds: ClassVar[Worlds] = world_in_memory

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.opened = AsyncExitStack()
        self.world = self.do(self.opened.enter_async_context(type(self).worlds()))
        self.began = self.world.clock()
        self.do(self.world.register(email=OWNER, password=PASSWORD, username="queen"))
        self.account = self.do(self.world.verify(token=self.tokens(OWNER)[0])).id
        self.pairs: list[TokenPair] = []
        self.plan: list[str] = []

    def do(self, act: Awaitable[T]) -> T:
        async def done() -> T:
            return await act

        return self.loop.run_until_complete(done())

    def tried(self, act: Awaitable[T]) -> T | None:
        try:
            return self.do(act)
        except Refusal:
            return None

    def letters(self, *addresses: str) -> list[str]:
        """The mails of these mailboxes, oldest first."""
        self.do(self.world.deliver_mail(limit=1000))
        return [letter.text for letter in self.world.mailer.letters if letter.recipient in addresses]

    def tokens(self, *addresses: str) -> list[str]:
        return [token for text in self.letters(*addresses) for token in TOKEN.findall(text)]

    # -- the thief ---------------------------------------------------------------------------------------

    @initialize(inside=st.booleans())
    def begin(self, *, inside: bool) -> None:
        if inside:
            self.log_in(OWNER, PASSWORD)

    def caller(self, data: st.DataObject) -> AccessToken | None:
        pair = data.draw(st.sampled_from(self.pairs))
        return self.tried(self.world.authenticate(pair.access_token))

    @rule(login=st.one_of(ADDRESSES, st.just("queen")), password=PASSWORDS)
    def log_in(self, login: str, password: str) -> None:
        pair = self.tried(self.world.login(login=login, password=password))
        if pair is not None:
            self.pairs.append(pair)

    @precondition(lambda self: self.pairs)
    @rule(data=st.data(), current=PASSWORDS, new=PASSWORDS)
    def change_password(self, data: st.DataObject, current: str, new: str) -> None:
        if (caller := self.caller(data)) is not None:
            change = self.world.change_password(caller, current_password=current, new_password=new)
            if (pair := self.tried(change)) is not None:
                self.pairs.append(pair)

    @precondition(lambda self: self.pairs)
    @rule(data=st.data(), new=ADDRESSES, password=PASSWORDS)
    def ask_for_another_address(self, data: st.DataObject, new: str, password: str) -> None:
        if (caller := self.caller(data)) is not None:
            self.tried(self.world.change_email(caller, new_email=new, password=password))

    @precondition(lambda self: self.pairs)
    @rule(data=st.data(), new=st.sampled_from([THIEF, FENCE]), password=PASSWORDS)
    def move(self, data: st.DataObject, new: str, password: str) -> None:
        """Request a change of the address and confirm it at once."""
        self.ask_for_another_address(data, new, password)
        for token in self.tokens(new)[-1:]:
            self.tried(self.world.follow_email_link(token=token))

    @precondition(lambda self: self.pairs)
    @rule(data=st.data(), password=PASSWORDS)
    def delete(self, data: st.DataObject, password: str) -> None:
        if (caller := self.caller(data)) is not None:
            self.tried(self.world.delete_me(caller, password=password))

    @precondition(lambda self: self.pairs)
    @rule(data=st.data(), name=NAMES)
    def rename(self, data: st.DataObject, name: str | None) -> None:
        if (caller := self.caller(data)) is not None:
            self.tried(self.world.change_username(caller, username=name))

    @precondition(lambda self: self.pairs)
    @rule(data=st.data())
    def log_out_everywhere(self, data: st.DataObject) -> None:
        if (caller := self.caller(data)) is not None:
            self.tried(self.world.logout_everywhere(caller))

    @precondition(lambda self: self.pairs)
    @rule(data=st.data())
    def refresh(self, data: st.DataObject) -> None:
        pair = data.draw(st.sampled_from(self.pairs))
        if (renewed := self.tried(self.world.refresh(refresh_token=pair.refresh_token))) is not None:
            self.pairs.append(renewed)

    @rule(address=ADDRESSES)
    def ask_for_a_reset(self, address: str) -> None:
        self.tried(self.world.request_reset(email=address))

    @rule(address=ADDRESSES)
    def request_verification(self, address: str) -> None:
        self.tried(self.world.request_verification(email=address))

    @rule(address=ADDRESSES, password=PASSWORDS, name=NAMES)
    def register(self, address: str, password: str, name: str | None) -> None:
        self.tried(self.world.register(email=address, password=password, username=name))

    @rule(data=st.data(), password=PASSWORDS)
    def use_a_link(self, data: st.DataObject, password: str) -> None:
        """Use any link of the thief's mailboxes, for any purpose."""
        if tokens := self.tokens(THIEF, FENCE):
            self.use(data.draw(st.sampled_from(tokens)), password)

    @rule(minutes=st.sampled_from([1, 31, 60 * 25, 60 * 24 * 3]))
    def wait(self, minutes: int) -> None:
        if self.world.clock() + timedelta(minutes=minutes) < self.began + WEEK - timedelta(minutes=1):
            self.world.clock.advance(minutes=minutes)

    @rule(
        acts=st.lists(
            st.sampled_from(["password", "move", "delete", "log out", "reset", "register"]), min_size=1, max_size=4
        )
    )
    def plan_for_the_end(self, acts: list[str]) -> None:
        """Plan what the thief does while the owner takes the account back."""
        self.plan = acts

    def go_on(self) -> None:
        for act in self.plan:
            for password in PASSWORDS_OF_THE_THIEF:
                for login in (OWNER, THIEF, FENCE):
                    self.log_in(login, password)
            for pair in self.pairs[-3:]:
                if (caller := self.tried(self.world.authenticate(pair.access_token))) is not None:
                    self.interfere(act, caller)

    def interfere(self, act: str, caller: AccessToken) -> None:
        world = self.world
        if act == "reset":
            self.tried(world.request_reset(email=OWNER))
        elif act == "register":
            self.tried(world.register(email=OWNER, password=PASSWORD))
        elif act == "log out":
            self.tried(world.logout_everywhere(caller))
        for place, password in enumerate(PASSWORDS_OF_THE_THIEF):
            new = PASSWORDS_OF_THE_THIEF[(place + 1) % 3]
            if act == "password":
                self.tried(world.change_password(caller, current_password=password, new_password=new))
            elif act == "delete":
                self.tried(world.delete_me(caller, password=password))
            elif act == "move":
                self.tried(world.change_email(caller, new_email=FENCE, password=password))
        for token in self.tokens(FENCE)[-1:] if act == "move" else []:
            self.tried(world.follow_email_link(token=token))

    @rule()
    def clean_up(self) -> None:
        spot: Any = None
        while True:
            _, spot = self.do(self.world.purge_expired(spot) if spot else self.world.purge_expired())
            if spot is None:
                return

    def use(self, token: str, password: str) -> None:
        self.tried(self.world.verify(token=token))
        self.tried(self.world.follow_email_link(token=token))
        self.tried(self.world.reset_password(token=token, new_password=password, confirm_password=password))

    # -- and the owner -----------------------------------------------------------------------------------

    @precondition(lambda self: self.pairs)
    @rule(data=st.data(), new=st.sampled_from([None, THIEF, FENCE]), password=PASSWORDS)
    def plant(self, data: st.DataObject, new: str | None, password: str) -> None:
        """Move or delete the account, and register its address. The owner verifies that without reading."""
        if new is None:
            self.delete(data, password)
        else:
            self.move(data, new, password)
        self.register(OWNER, password, None)
        for token in self.tokens(OWNER)[-1:]:
            self.tried(self.world.verify(token=token))
        self.log_in(OWNER, password)

    @rule(data=st.data())
    def verify_without_reading(self, data: st.DataObject) -> None:
        """The owner follows any link to verify the address, without reading who registered it."""
        if tokens := self.tokens(OWNER):
            self.tried(self.world.verify(token=data.draw(st.sampled_from(tokens))))

    def teardown(self) -> None:
        try:
            self.world.clock.advance(seconds=1)
            self.take_back()
            self.nothing_of_the_thiefs_works()
        finally:
            self.do(self.opened.aclose())
            self.loop.close()

    def take_back(self) -> None:
        """Request a reset and use the newest link. If that does not reach the account, the thief has moved or deleted
        it: follow the undo links, newest first, until a reset reaches it."""
        if not self.is_reset():
            assert any(self.is_reset() for token in self.restores() if self.press(token))
        assert self.holder() == self.account
        for token in self.restores():  # also of other accounts, which the thief had moved away from this address
            self.press(token)
            assert self.is_reset()
            assert self.holder() == self.account

    def is_reset(self) -> bool:
        self.do(self.world.request_reset(email=OWNER))
        self.do(self.world.deliver_mail(limit=1000))
        self.go_on()
        for newest in self.tokens(OWNER)[-1:]:
            reset = self.world.reset_password(token=newest, new_password=OWNERS, confirm_password=OWNERS)
            try:
                self.do(reset)
            except Refusal:
                return False
            entered = self.do(self.world.login(login=OWNER, password=OWNERS))
            return self.do(self.world.authenticate(entered.access_token)).user_id == self.account
        return False

    def restores(self) -> list[str]:
        purpose = self.world.follow_email_link.purpose
        return [token for token in reversed(self.tokens(OWNER)) if purpose(token) is LinkPurpose.RESTORE]

    def press(self, token: str) -> bool:
        if self.tried(self.world.follow_email_link(token=token)) is None:
            return False
        self.go_on()
        return True

    def nothing_of_the_thiefs_works(self) -> None:
        pair = self.do(self.world.login(login=OWNER, password=OWNERS))
        for thiefs_pair in self.pairs:
            caller = self.tried(self.world.authenticate(thiefs_pair.access_token))
            assert caller is None or caller.user_id != self.account
            self.tried(self.world.refresh(refresh_token=thiefs_pair.refresh_token))
        for login in (OWNER, THIEF, FENCE, "queen"):
            for password in PASSWORDS_OF_THE_THIEF:
                entered = self.tried(self.world.login(login=login, password=password))
                if entered is not None:
                    caller = self.do(self.world.authenticate(entered.access_token))
                    assert caller.user_id != self.account
        for _ in range(2):  # what comes of a link may be another
            for token in self.tokens(THIEF, FENCE):
                self.use(token, "the first of a thief's words")
        assert self.holder() == self.account
        assert self.do(self.world.authenticate(pair.access_token)).user_id == self.account

    def holder(self) -> UUID:
        """The user that the owner's address and password log in."""
        entered = self.do(self.world.login(login=OWNER, password=OWNERS))
        caller = self.do(self.world.authenticate(entered.access_token))
        me = self.do(self.world.show_me(caller))
        assert (me.email, me.verified) == (OWNER, True)
        return caller.user_id


def worlds_in_postgres(url: str) -> Worlds:
    @asynccontextmanager
    async def world() -> AsyncIterator[World]:
        database = Database(url)
        async with database.connection() as connection:
            await connection.execute(text(f"TRUNCATE {', '.join(metadata.tables)}"))
        yield World(limited=False, database=database)
        await database.close()

    return world


def run_thefts(machine: type[Theft], examples: int, *, acts: int) -> None:
    """`acts` is the number of acts of each thief."""
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=acts, deadline=None)
    )

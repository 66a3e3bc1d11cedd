"""A thief who knows the password, and has copied a session, also changes factors; then the owner of the mailbox takes
the account back, from the mails alone and with their own factors, while the thief goes on.

Extends `recovery.Theft`. The owner presses all "This was not me" links but those about their own actions, in one
order or the other, or only the oldest of them, or any one of them and then those that the next mail names.
"""

from collections.abc import Awaitable
from datetime import timedelta
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from domain.factor import FactorKind
from domain.outbox import LinkPurpose
from domain.refusals import Refusal
from domain.tokens import AccessToken, TokenPair
from tests.support.devices import Devices
from tests.support.recovery import FENCE, OWNER, OWNERS, PASSWORDS_OF_THE_THIEF, THIEF, TOKEN, Theft
from tests.support.world import PASSWORD

_ANSWER = "Someone asked for a new password for"
"""In a mail that answers a request; it is older than the event that it reports, if its delivery took time."""
_UNDONE = "You have your account back"
KINDS = st.sampled_from(FactorKind)


class FactorTheft(Theft):
    def __init__(self) -> None:
        super().__init__()
        self.world.clock.tick = timedelta(milliseconds=1)  # nothing happens at the same time
        self.do(self.world.open_enrolment())
        self.owner, self.thief = Devices(world=self.world), Devices(world=self.world)
        self.own_changes: set[UUID] = set()
        self.pressed: set[str] = set()
        self.order, self.first = "newest", 0

    @initialize(
        inside=st.booleans(),
        kinds=st.lists(KINDS, max_size=2, unique=True),
        old=st.booleans(),
        order=st.sampled_from(["newest", "oldest", "oldest alone", "any"]),
        first=st.integers(0, 20),
    )
    def begin(self, *, inside: bool, kinds: list[FactorKind], old: bool, order: str, first: int) -> None:
        """The owner enrols factors, perhaps longer ago than an undo reaches, and logs in. If the thief is `inside`,
        they have copied the session."""
        caller = self.caller_of(self.do(self.world.login(login=OWNER, password=PASSWORD)))
        for kind in kinds:
            self.do(self.owner.enrol(caller, kind))
            caller = self.do(self.owner.step_up(caller))
        if old:
            self.world.clock.advance(days=8)
        self.began, self.order, self.first = self.world.clock(), order, first
        self.factors = self.factors_in_use()
        self.own_changes = set(map(self.change_of, filter(self.is_restore, self.tokens(OWNER))))
        session = self.do(self.owner.log_in(OWNER, PASSWORD))
        if inside:
            self.pairs.append(session)

    def letters(self, *addresses: str) -> list[str]:
        """In the order of the events, as a mail program shows them: those of one batch may be sent in another."""
        self.do(self.world.deliver_mail(limit=1000))
        letters = sorted(self.world.mailer.letters, key=lambda letter: letter.written_at)
        return [letter.text for letter in letters if letter.recipient in addresses]

    def caller_of(self, pair: TokenPair) -> AccessToken:
        return self.do(self.world.authenticate(pair.access_token))

    def factors_in_use(self) -> set[UUID]:
        async def read() -> set[UUID]:
            async with self.world.begin() as work:
                return {factor.id for factor in await work.factors.by_user(self.account)}

        return self.do(read())

    # -- the thief ---------------------------------------------------------------------------------------

    @rule(login=st.sampled_from([OWNER, THIEF, FENCE, "queen"]), password=st.sampled_from(PASSWORDS_OF_THE_THIEF))
    def log_in(self, login: str, password: str) -> None:
        pair = self.tried(self.thief.log_in(login, password))
        if pair is not None:
            self.pairs.append(pair)

    @precondition(lambda self: self.thief.authenticator.passkeys)
    @rule()
    def log_in_by_passkey(self) -> None:
        self.pairs += self.do(self.thief.log_in_by_passkey())

    def change_factors(self, data: st.DataObject, act: str) -> None:
        if (caller := self.caller(data)) is not None:
            self.try_to(act, caller)

    def try_to(self, act: str, caller: AccessToken) -> None:
        """After a step-up, if the thief can step up."""
        stepped_up = self.tried(self.thief.step_up(caller, *PASSWORDS_OF_THE_THIEF)) or caller
        match act:
            case "enrol passkey":
                self.tried(self.thief.enrol(stepped_up, FactorKind.PASSKEY))
            case "enrol totp":
                self.tried(self.thief.enrol(stepped_up, FactorKind.TOTP))
            case "replace codes":
                self.thief.codes += self.tried(self.world.replace_recovery_codes(stepped_up)) or []
            case "remove":
                factors, _ = self.do(self.world.list_factors(stepped_up))
                for factor in factors:
                    self.tried(self.world.remove_factor(stepped_up, factor.id))

    @precondition(lambda self: self.pairs)
    @rule(data=st.data(), kind=KINDS)
    def enrol(self, data: st.DataObject, kind: FactorKind) -> None:
        self.change_factors(data, f"enrol {kind}")

    @precondition(lambda self: self.pairs)
    @rule(data=st.data())
    def replace_codes(self, data: st.DataObject) -> None:
        self.change_factors(data, "replace codes")

    @precondition(lambda self: self.pairs)
    @rule(data=st.data())
    def remove_all(self, data: st.DataObject) -> None:
        self.change_factors(data, "remove")

    @precondition(lambda self: self.pairs)
    @rule(data=st.data())
    def remove_one(self, data: st.DataObject) -> None:
        if (caller := self.caller(data)) is not None:
            stepped_up = self.tried(self.thief.step_up(caller, *PASSWORDS_OF_THE_THIEF)) or caller
            if factors := self.do(self.world.list_factors(stepped_up))[0]:
                self.tried(self.world.remove_factor(stepped_up, data.draw(st.sampled_from(list(factors))).id))

    @rule()
    def confirm_without_reading(self) -> None:
        """The owner follows the newest link that moves an account to their address, perhaps back to it."""
        purpose = self.world.follow_email_link.purpose
        for token in [token for token in self.tokens(OWNER) if purpose(token) is LinkPurpose.EMAIL][-1:]:
            self.tried(self.world.follow_email_link(token=token))

    @rule(acts=st.lists(st.sampled_from(["enrol passkey", "enrol totp", "replace codes", "remove"]), max_size=3))
    def plan_factors_for_the_end(self, acts: list[str]) -> None:
        self.plan = [*self.plan[:3], *acts]

    def go_on(self) -> None:
        self.log_in_by_passkey()
        super().go_on()

    def interfere(self, act: str, caller: AccessToken) -> None:
        super().interfere(act, caller)
        self.try_to(act, caller)

    # -- and the owner -----------------------------------------------------------------------------------

    def enter(self) -> TokenPair | None:
        return self.tried(self.owner.log_in(OWNER, OWNERS))

    def is_reset(self) -> bool:
        """Whether a reset leads into the account. The owner knows the notice of their own reset."""
        self.do(self.world.request_reset(email=OWNER))
        self.do(self.world.deliver_mail(limit=1000))
        self.go_on()
        before = self.tokens(OWNER)
        for newest in before[-1:]:
            reset = self.world.reset_password(token=newest, new_password=OWNERS, confirm_password=OWNERS)
            if self.succeeds(reset):
                notices = set(self.tokens(OWNER)) - set(before)
                self.own_changes |= set(map(self.change_of, filter(self.is_restore, notices)))
                entered = self.enter()
                return entered is not None and self.caller_of(entered).user_id == self.account
        return False

    def succeeds(self, act: Awaitable[None]) -> bool:
        try:
            self.do(act)
        except Refusal:
            return False
        return True

    def take_back(self) -> None:
        """Twice at most: between the request of a reset and its use, the thief may act once more."""
        assert any(self.press_one() if self.order == "any" else self.press_links() for _ in range(2))
        assert self.holder() == self.account
        assert self.factors_in_use() == self.factors

    def press_links(self) -> bool:
        letters = self.letters(OWNER)
        if self.order == "newest":
            letters.reverse()
        if self.order == "oldest alone":
            letters = [text for text in letters if _ANSWER not in text]
        strangers = self.strangers(letters)
        for token in strangers[:1] if self.order == "oldest alone" else strangers:
            self.press(token)
            self.pressed.add(token)
        return self.is_reset()

    def press_one(self) -> bool:
        """Press any one of the links about a stranger's actions. If it leads nowhere, or to another account that the
        thief had planted, press the next one."""
        strangers = self.strangers(self.letters(OWNER))
        if not strangers:
            return self.is_reset()
        first = self.first % len(strangers)
        links = strangers[first:] + strangers[:first]
        return any(self.press(link) and self.press_earlier() and self.is_reset() for link in links)

    def press_earlier(self) -> bool:
        """Press the first link about a stranger's action in the mail that follows, until it names none."""
        for _ in range(20):
            undone = [text for text in self.letters(OWNER) if _UNDONE in text]
            strangers = self.strangers(undone[-1:])
            if not strangers:
                return True
            assert self.press(strangers[0])
        return False

    def strangers(self, letters: list[str]) -> list[str]:
        """The links about actions that were not the owner's."""
        tokens = [token for text in letters for token in TOKEN.findall(text)]
        links = [token for token in tokens if self.is_restore(token) and token not in self.pressed]
        return [token for token in links if self.change_of(token) not in self.own_changes]

    def change_of(self, token: str) -> UUID:
        return self.world.links.verify(token, LinkPurpose.RESTORE).subject

    def is_restore(self, token: str) -> bool:
        return self.world.follow_email_link.purpose(token) is LinkPurpose.RESTORE

    def nothing_of_the_thiefs_works(self) -> None:
        pair = self.enter()
        assert pair is not None
        for thiefs_pair in self.pairs:
            caller = self.tried(self.world.authenticate(thiefs_pair.access_token))
            assert caller is None or caller.user_id != self.account
            self.tried(self.world.refresh(refresh_token=thiefs_pair.refresh_token))
        entered = self.do(self.thief.log_in_by_passkey())
        for login in (OWNER, THIEF, FENCE, "queen"):
            for password in (*PASSWORDS_OF_THE_THIEF, OWNERS):
                one = self.tried(self.thief.log_in(login, password))
                # Without a factor, the owner's new password is all that there is.
                if one is not None and (self.factors or password != OWNERS):
                    entered.append(one)
        assert all(self.caller_of(one).user_id != self.account for one in entered)
        for _ in range(2):  # what comes of a link may be another
            for token in self.tokens(THIEF, FENCE):
                self.use(token, "the first of a thief's words")
        assert self.factors_in_use() == self.factors
        assert self.holder() == self.account
        renewed = self.do(self.world.refresh(refresh_token=pair.refresh_token))
        assert self.caller_of(renewed).user_id == self.account

    def holder(self) -> UUID:
        """The user that the owner's address, password and factors log in."""
        entered = self.enter()
        assert entered is not None
        caller = self.caller_of(entered)
        me = self.do(self.world.show_me(caller))
        assert (me.email, me.verified) == (OWNER, True)
        return caller.user_id

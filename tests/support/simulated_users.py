"""People who live for weeks in a minute, and know of all they were ever given whether it has to work now."""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import httpx

from domain.outbox import LinkPurpose
from domain.retention import CLAIM
from tests.support.fault_stack import Stack
from tests.support.rolling import bearer
from tests.support.service import PASSWORD, address, code, eventually, token_in

ACCESS, IDLE, WHOLE = timedelta(minutes=10), timedelta(days=7), timedelta(days=60)
"""How long an access token lives, a session that nobody refreshes, and any session: longer than a claim is kept."""
BORDER = timedelta(minutes=2)
"""Nothing is asked of what is about to end, or has just ended."""


@dataclass
class Stay:
    pair: dict[str, str]
    born: datetime
    renewed: datetime
    over: bool = False


@dataclass
class MailedLink:
    """`twice` is one that may be followed again while it lives."""

    path: str
    token: str
    purpose: LinkPurpose
    asked: datetime
    twice: bool
    dead: bool = False


class Dweller:
    """Everything that is kept here is tried again and again, until the end."""

    def __init__(self, stack: Stack, clock: Callable[[], datetime]) -> None:
        self.stack, self.clock = stack, clock
        self.email = stack.service.user("dweller")
        self.stays: list[Stay] = []
        self.links: list[MailedLink] = []
        self.claims: dict[str, datetime] = {}
        self.claimed: dict[str, str] = {}
        self.quiet: set[str] = set()
        self.proven = {self.whose(self.email)}
        self.loyal: Stay | None = None
        self.answers: Counter[int] = Counter()

    def live(self) -> None:
        """What has just become old comes first: it is being cleared away, or has just been."""
        time.sleep(random.choice((0, 0.7)))
        for email, touched in list(self.claims.items()):
            self.come_back(email, touched)
        for link in [*self.links[-6:], *random.sample(self.links[:-6], min(3, len(self.links[:-6])))]:
            self.follow(link)
        for stay in [*self.stays[-4:], *random.sample(self.stays[:-4], min(4, len(self.stays[:-4])))]:
            self.stay_on(stay)
        self.be_loyal()
        self.enter(self.email)
        self.register()
        if random.random() < 0.5:
            self.move()

    def whose(self, email: str) -> UUID:
        [row] = self.stack.sql("SELECT id FROM users WHERE email = $1", email)
        found: UUID = row["id"]
        return found

    def ask(self, path: str, stay: Stay | None = None, **body: str) -> httpx.Response:
        """Where the machine is too busy, again."""
        headers = {} if stay is None else bearer(stay.pair["access_token"])

        def answered() -> httpx.Response | None:
            with self.stack.any() as api:
                method = "GET" if path == "/v1/me" else "POST"
                answer = api.client.request(method, path, json=body or None, headers=headers)
            self.answers[answer.status_code] += 1
            return None if answer.status_code == 503 else answer

        answer = eventually(answered, within=60)
        assert answer.status_code in {200, 202, 204, 400, 401}, (path, answer.text)
        return answer

    def works(self, still: bool | None, since: datetime, life: timedelta) -> bool | None:
        """Whether what worked until now has to; None where nobody can tell."""
        age = self.clock() - since
        if not still:
            return still
        return age < life if abs(age - life) > BORDER else None

    # -- sessions ------------------------------------------------------------------------------------------

    def enter(self, email: str) -> Stay | None:
        answer = self.ask("/v1/login", login=email, password=PASSWORD)
        if answer.status_code == 401:
            return None
        self.stays.append(Stay(answer.json(), self.clock(), self.clock()))
        return self.stays[-1]

    def stay_on(self, stay: Stay) -> None:
        self.expect(self.works(not stay.over, stay.renewed, ACCESS), self.ask("/v1/me", stay))
        alive = self.works(self.works(not stay.over, stay.renewed, IDLE), stay.born, WHOLE)
        answer = self.ask("/v1/refresh", refresh_token=stay.pair["refresh_token"])
        self.expect(alive, answer)
        if answer.status_code != 200:
            stay.over = True
            return
        stay.pair, stay.renewed = answer.json(), self.clock()
        if stay is not self.loyal and random.random() < 0.3:
            assert self.ask("/v1/logout", stay).status_code == 204
            stay.over = True

    def be_loyal(self) -> None:
        """To a claim that is never proven, by one login that is always renewed in time."""
        if self.loyal is not None and not self.loyal.over:
            self.stay_on(self.loyal)
            return
        fresh = address("loyal")
        assert self.ask("/v1/register", email=fresh, password=PASSWORD).status_code == 202
        self.loyal = self.enter(fresh)

    def expect(self, works: bool | None, answer: httpx.Response) -> None:
        said = "fine" if answer.status_code == 200 else code(answer)
        assert works is None or works == (said == "fine"), (answer.request.url.path, works, said)

    # -- claims and links ----------------------------------------------------------------------------------

    def letter(self, recipient: str, number: int, subject: str = "") -> str:
        """The token of the nth letter to somebody."""

        def look() -> str | None:
            letters = [one for one in self.stack.box.mails(recipient) if subject in str(one["subject"])]
            return token_in(letters[number]) if len(letters) > number else None

        return eventually(look, within=60)

    def register(self) -> None:
        fresh, now = address("claim"), self.clock()
        assert self.ask("/v1/register", email=fresh, password=PASSWORD).status_code == 202
        self.claims[fresh] = now
        if random.random() < 0.5:
            self.quiet.add(fresh)
        if random.random() < 0.5:
            self.links.append(MailedLink("/v1/verify", self.letter(fresh, 0), LinkPurpose.VERIFY, now, twice=True))
            self.claimed[self.links[-1].token] = fresh

    def come_back(self, email: str, touched: datetime) -> None:
        """To a claim: with the password, or for another link. Whoever comes too late finds nothing or all of it."""
        kept, left = self.works(True, touched, CLAIM), touched + CLAIM - self.clock()
        quiet, near = email in self.quiet, abs(left) < LinkPurpose.VERIFY.lifetime
        if (quiet and not near) or random.random() < 0.5 - 0.4 * near:
            return
        if any(self.claimed.get(link.token) == email for link in self.links[-6:]):
            return  # it is left to that
        if kept and near:
            now, before = self.clock(), len(self.stack.box.mails(email))
            assert self.ask("/v1/verify/resend", email=email).status_code == 202
            self.links.append(
                MailedLink("/v1/verify", self.letter(email, before), LinkPurpose.VERIFY, now, twice=True)
            )
            self.claimed[self.links[-1].token] = email
            return
        stay = self.enter(email)
        assert stay is not None or not kept, f"{email} is gone after {self.clock() - touched}"
        if stay is None:
            del self.claims[email]
        else:
            self.claims[email] = stay.born
            self.stay_on(stay)

    def move(self) -> None:
        """To another address and, perhaps, back again."""
        email, new = self.stack.service.user("mover"), address("new")
        who, stay = self.whose(email), self.enter(email)
        assert stay is not None
        now = self.clock()
        assert self.ask("/v1/email/change", stay, new_email=new, password=PASSWORD).status_code == 202
        confirm, restore = self.letter(new, 0, "Confirm"), self.letter(email, 0, "about to change")
        self.stays.remove(stay)
        self.links.append(MailedLink("/v1/email/confirm", restore, LinkPurpose.RESTORE, now, twice=False))
        if random.random() < 0.5:
            assert self.ask("/v1/email/confirm", token=confirm).status_code == 200
        self.proven.add(who)

    def follow(self, link: MailedLink) -> None:
        works = self.works(not link.dead, link.asked, link.purpose.lifetime)
        answer = self.ask(link.path, token=link.token)
        self.expect(works, answer)
        if answer.status_code == 200:
            link.dead = not link.twice
            if claim := self.claimed.get(link.token):
                self.claims.pop(claim, None)
                self.proven.add(self.whose(claim))
        else:
            link.dead = True

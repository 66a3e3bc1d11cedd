"""Simulated users who live for weeks in a minute, and know which of their tokens and links must work now."""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import httpx

from domain.outbox import LinkPurpose
from domain.retention import UNVERIFIED_USER
from tests.support.fault_stack import Stack
from tests.support.rolling import bearer
from tests.support.service import PASSWORD, code, eventually, token_in, unique_email

ACCESS, IDLE, MAX_AGE = timedelta(minutes=10), timedelta(days=7), timedelta(days=60)
"""How long an access token lives, a session that nobody refreshes, and any session: longer than a claim is kept."""
MARGIN = timedelta(minutes=2)
"""Tokens and links this close to their expiry are not tested."""


@dataclass
class TrackedSession:
    pair: dict[str, str]
    opened_at: datetime
    renewed: datetime
    over: bool = False


@dataclass
class MailedLink:
    """A `reusable` link may be used again until it expires."""

    path: str
    token: str
    purpose: LinkPurpose
    asked: datetime
    reusable: bool
    dead: bool = False


class SimulatedUser:
    """All sessions and links kept here are tested repeatedly until the end."""

    def __init__(self, stack: Stack, clock: Callable[[], datetime]) -> None:
        self.stack, self.clock = stack, clock
        self.email = stack.service.user("dweller")
        self.sessions: list[TrackedSession] = []
        self.links: list[MailedLink] = []
        self.claims: dict[str, datetime] = {}
        self.claimed: dict[str, str] = {}
        self.quiet: set[str] = set()
        self.proven = {self.user_id_of(self.email)}
        self.long_lived: TrackedSession | None = None
        self.answers: Counter[int] = Counter()

    def live(self) -> None:
        """Tests what has just expired first, because it is being purged now."""
        time.sleep(random.choice((0, 0.7)))
        for email, touched in list(self.claims.items()):
            self.come_back(email, touched)
        for link in [*self.links[-6:], *random.sample(self.links[:-6], min(3, len(self.links[:-6])))]:
            self.follow(link)
        for session in [*self.sessions[-4:], *random.sample(self.sessions[:-4], min(4, len(self.sessions[:-4])))]:
            self.refresh(session)
        self.refresh_long_lived_session()
        self.log_in(self.email)
        self.register()
        if random.random() < 0.5:
            self.move()

    def user_id_of(self, email: str) -> UUID:
        [row] = self.stack.sql("SELECT id FROM users WHERE email = $1", email)
        user_id: UUID = row["id"]
        return user_id

    def ask(self, path: str, session: TrackedSession | None = None, **body: str) -> httpx.Response:
        """Repeats the request if the machine is too busy."""
        headers = {} if session is None else bearer(session.pair["access_token"])

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
        """Whether what worked until now must still work; None if it is uncertain."""
        age = self.clock() - since
        if not still:
            return still
        return age < life if abs(age - life) > MARGIN else None

    # -- sessions ------------------------------------------------------------------------------------------

    def log_in(self, email: str) -> TrackedSession | None:
        answer = self.ask("/v1/login", login=email, password=PASSWORD)
        if answer.status_code == 401:
            return None
        self.sessions.append(TrackedSession(answer.json(), self.clock(), self.clock()))
        return self.sessions[-1]

    def refresh(self, session: TrackedSession) -> None:
        self.expect(self.works(not session.over, session.renewed, ACCESS), self.ask("/v1/me", session))
        alive = self.works(self.works(not session.over, session.renewed, IDLE), session.opened_at, MAX_AGE)
        answer = self.ask("/v1/refresh", refresh_token=session.pair["refresh_token"])
        self.expect(alive, answer)
        if answer.status_code != 200:
            session.over = True
            return
        session.pair, session.renewed = answer.json(), self.clock()
        if session is not self.long_lived and random.random() < 0.3:
            assert self.ask("/v1/logout", session).status_code == 204
            session.over = True

    def refresh_long_lived_session(self) -> None:
        """To a claim that is never proven, by one login that is always renewed in time."""
        if self.long_lived is not None and not self.long_lived.over:
            self.refresh(self.long_lived)
            return
        fresh = unique_email("loyal")
        assert self.ask("/v1/register", email=fresh, password=PASSWORD).status_code == 202
        self.long_lived = self.log_in(fresh)

    def expect(self, works: bool | None, answer: httpx.Response) -> None:
        result = "fine" if answer.status_code == 200 else code(answer)
        assert works is None or works == (result == "fine"), (answer.request.url.path, works, result)

    # -- claims and links ----------------------------------------------------------------------------------

    def letter(self, recipient: str, number: int, subject: str = "") -> str:
        """The token of the nth mail to this address."""

        def look() -> str | None:
            letters = [one for one in self.stack.smtp.mails(recipient) if subject in str(one["subject"])]
            return token_in(letters[number]) if len(letters) > number else None

        return eventually(look, within=60)

    def register(self) -> None:
        fresh, now = unique_email("claim"), self.clock()
        assert self.ask("/v1/register", email=fresh, password=PASSWORD).status_code == 202
        self.claims[fresh] = now
        if random.random() < 0.5:
            self.quiet.add(fresh)
        if random.random() < 0.5:
            self.links.append(MailedLink("/v1/verify", self.letter(fresh, 0), LinkPurpose.VERIFY, now, reusable=True))
            self.claimed[self.links[-1].token] = fresh

    def come_back(self, email: str, touched: datetime) -> None:
        """To a claim: with the password, or for another link. Whoever comes too late finds nothing or all of it."""
        is_kept, left = self.works(True, touched, UNVERIFIED_USER), touched + UNVERIFIED_USER - self.clock()
        quiet, near = email in self.quiet, abs(left) < LinkPurpose.VERIFY.lifetime
        if (quiet and not near) or random.random() < 0.5 - 0.4 * near:
            return
        if any(self.claimed.get(link.token) == email for link in self.links[-6:]):
            return  # it is left to that
        if is_kept and near:
            now, before = self.clock(), len(self.stack.smtp.mails(email))
            assert self.ask("/v1/verify/resend", email=email).status_code == 202
            self.links.append(
                MailedLink("/v1/verify", self.letter(email, before), LinkPurpose.VERIFY, now, reusable=True)
            )
            self.claimed[self.links[-1].token] = email
            return
        session = self.log_in(email)
        assert session is not None or not is_kept, f"{email} is gone after {self.clock() - touched}"
        if session is None:
            del self.claims[email]
        else:
            self.claims[email] = session.opened_at
            self.refresh(session)

    def move(self) -> None:
        """Change to another address and, perhaps, back again."""
        email, new = self.stack.service.user("mover"), unique_email("new")
        who, session = self.user_id_of(email), self.log_in(email)
        assert session is not None
        now = self.clock()
        assert self.ask("/v1/email/change", session, new_email=new, password=PASSWORD).status_code == 202
        confirm, restore = self.letter(new, 0, "Confirm"), self.letter(email, 0, "about to change")
        self.sessions.remove(session)
        self.links.append(MailedLink("/v1/email/confirm", restore, LinkPurpose.RESTORE, now, reusable=False))
        if random.random() < 0.5:
            assert self.ask("/v1/email/confirm", token=confirm).status_code == 200
        self.proven.add(who)

    def follow(self, link: MailedLink) -> None:
        works = self.works(not link.dead, link.asked, link.purpose.lifetime)
        answer = self.ask(link.path, token=link.token)
        self.expect(works, answer)
        if answer.status_code == 200:
            link.dead = not link.reusable
            if claim := self.claimed.get(link.token):
                self.claims.pop(claim, None)
                self.proven.add(self.user_id_of(claim))
        else:
            link.dead = True

"""Simulated users who continue through failures, and remember each acknowledged change."""

from collections import Counter
from uuid import uuid4

import httpx

from tests.support.fault_stack import Stack
from tests.support.rolling import bearer
from tests.support.service import PASSWORD, code, eventually, unique_email


class LoadUser:
    """Registers other users, logs in, refreshes, changes the password and logs out, at any process."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.email = stack.service.user("person")
        self.passwords = [PASSWORD]
        self.pair: dict[str, str] = {}
        self.registered: list[str] = []
        self.over: list[dict[str, str]] = []
        self.answers: Counter[int] = Counter()

    def ask(self, path: str, **body: str) -> httpx.Response | None:
        """None if it was refused for now, or if its result is unknown."""
        headers = bearer(self.pair["access_token"]) if self.pair else {}
        try:
            with self.stack.any() as api:
                answer = api.client.post(path, json=body, headers=headers)
        except httpx.TransportError:
            return None
        self.answers[answer.status_code] += 1
        if answer.status_code == 503:
            assert code(answer) in {"unavailable", "overloaded"}
            return None
        return answer

    def insist(self, path: str, **body: str) -> httpx.Response:
        return eventually(lambda: self.ask(path, **body), within=60)

    def log_in(self) -> None:
        """With the new password or the old one, if it is unknown which is valid."""
        answers = {word: self.insist("/v1/login", login=self.email, password=word) for word in self.passwords}
        (self.passwords,) = ([word] for word, answer in answers.items() if answer.status_code == 200)
        self.pair = answers[self.passwords[0]].json()

    def live(self) -> None:
        self.register()
        self.log_in()
        self.refresh()
        self.change_password()
        self.log_out()

    def register(self) -> None:
        fresh = unique_email("fresh")
        if (answer := self.ask("/v1/register", email=fresh, password=PASSWORD)) is not None:
            assert answer.status_code == 202, answer.text
            self.registered.append(fresh)

    def refresh(self) -> None:
        # A client that lost the response repeats the refresh with its old token, and gets the successor within ten
        # seconds; after that it is treated as theft.
        answer = self.insist("/v1/refresh", refresh_token=self.pair["refresh_token"])
        if answer.status_code == 401:
            assert code(answer) == "refresh_reused"
            self.over.append(self.pair)
            self.log_in()
        else:
            self.pair = passed(answer).json()

    def change_password(self) -> None:
        old, new = self.passwords[0], uuid4().hex
        self.passwords = [old, new]
        answer = self.ask("/v1/password/change", current_password=old, new_password=new)
        if answer is None:
            self.log_in()
        else:
            self.over.append(self.pair)
            self.passwords = [new]
            self.pair = passed(answer).json()

    def log_out(self) -> None:
        if (answer := self.ask("/v1/logout")) is not None:
            assert answer.status_code == 204, answer.text
            self.over.append(self.pair)

    def audit(self) -> None:
        """Raises AssertionError unless each acknowledged change holds."""
        assert set(self.answers) <= {200, 202, 204, 400, 401, 503}, self.answers
        for fresh in self.registered:
            assert len(self.stack.sql("SELECT id FROM users WHERE email = $1", fresh)) == 1, fresh
            assert len(self.stack.sql("SELECT id FROM mails WHERE recipient = $1", fresh)) == 1, fresh
        for pair in self.over:
            for api in self.stack.apis:
                revived = api.client.get("/v1/me", headers=bearer(pair["access_token"]))
                assert code(revived) == "token_revoked"
            with self.stack.any() as api:
                revived = api.client.post("/v1/refresh", json={"refresh_token": pair["refresh_token"]})
            assert code(revived) in {"session_ended", "refresh_reused"}
        self.log_in()


def passed(answer: httpx.Response) -> httpx.Response:
    assert answer.status_code == 200, answer.text
    return answer

"""A TOTP step, a recovery code or a challenge that is presented many times at once, to two processes, works once.

Rate limits are off, so that only the database decides. `ROUNDS=100` repeats it more often.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pyotp

from adapters.tokens.challenge_signer import ItsDangerousChallengeSigner
from domain.challenge import NONCE_LENGTH, Challenge, ChallengePurpose
from tests.support.authenticator import SoftwareAuthenticator
from tests.support.factor_users import add_passkey
from tests.support.fault_stack import Stack
from tests.support.service import Client
from tests.support.totp_app import TotpApp, add_totp

SECRET = "9b1f4c7e2d8a5063b7e91c4f6a2d8e0535c1"
SETTINGS = {"LATCHKEY_RATE_LIMITS": "off", "LATCHKEY_SECRET_KEY": SECRET}
ROUNDS = int(os.environ.get("ROUNDS", "20"))
TIMES = 200


def kind_of(answer: httpx.Response) -> str:
    return "accepted" if answer.status_code == 200 else str(answer.json()["code"])


class Crowd:
    """Sends requests to both processes at once."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._urls = [api.url for api in stack.apis]
        self.kinds = Counter[str]()

    async def __aenter__(self) -> "Crowd":
        # A connection for each request: the server closes idle ones, perhaps as the next request is sent.
        limits = httpx.Limits(max_connections=TIMES, max_keepalive_connections=0)
        self._clients = [httpx.AsyncClient(base_url=url, limits=limits, timeout=60) for url in self._urls]
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients:
            await client.aclose()

    def authorize(self, client: Client) -> None:
        """Refresh the tokens of the client and use them."""
        client.take(client.renew())
        for one in self._clients:
            one.headers["Authorization"] = client.headers["Authorization"]

    async def present(self, path: str, bodies: Sequence[dict[str, Any]]) -> list[httpx.Response]:
        """Each body at once, to one process and the other in turn."""
        return await asyncio.gather(
            *(self._decided(self._clients[number % 2], path, body) for number, body in enumerate(bodies))
        )

    async def _decided(self, client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> httpx.Response:
        """They wait for each other in the database. Those that wait too long are refused for now, and repeated."""
        while (answer := await client.post(path, json=body)).status_code == 503:
            self.kinds["repeated"] += 1
            await asyncio.sleep(random.uniform(0.1, 1))
        return answer

    async def assert_one_success(self, path: str, bodies: Sequence[dict[str, Any]], *, code: str) -> dict[str, Any]:
        """One of them is accepted and all others are refused with this code, and so are later ones. Returns the
        response; empty if it was lost, because the time for the request was over after the commit."""
        before = self._successes()
        answers = await self.present(path, bodies)
        kinds = Counter(map(kind_of, answers))
        assert self._successes() == before + 1, kinds
        # The challenge of the one that was accepted is used up too.
        assert kinds["accepted"] <= 1, kinds
        assert set(kinds) <= {"accepted", code, "challenge_invalid"}, kinds
        assert kinds[code] >= len(bodies) - 1, kinds
        late = Counter(map(kind_of, await self.present(path, bodies[:10])))
        assert set(late) <= {code, "challenge_invalid"}, late
        assert self._successes() == before + 1, late
        self.kinds.update(kinds)
        accepted = [answer.json() for answer in answers if answer.status_code == 200]
        document: dict[str, Any] = accepted[0] if accepted else {}
        return document

    def _successes(self) -> int:
        """How many logins and step-ups the database has recorded."""
        query = "SELECT count(*) FROM events WHERE action IN ('logged_in', 'stepped_up')"
        number: int = self._stack.sql(query)[0][0]
        return number


@dataclass
class Owner:
    """A user with an authenticator app."""

    stack: Stack
    client: Client
    app: TotpApp
    codes: list[str]

    @classmethod
    def on(cls, stack: Stack) -> "Owner":
        client = stack.client().log_in(stack.service.user("owner"))
        app, factor = add_totp(client)
        return cls(stack, client, app, factor["recovery_codes"])

    def challenges(self) -> list[str]:
        """Challenges of the second step of a login, as after the right password, which would take minutes here."""
        signer = ItsDangerousChallengeSigner(secrets=[SECRET.encode()])
        [(user_id, version)] = self.stack.sql(
            "SELECT id, credential_version FROM users WHERE email = $1", self.client.email
        )
        now = datetime.now(UTC).replace(microsecond=0)
        return [
            signer.sign(
                Challenge(
                    purpose=ChallengePurpose.LOGIN,
                    user_id=user_id,
                    version=version,
                    nonce=os.urandom(NONCE_LENGTH),
                    issued_at=now,
                )
            )
            for _ in range(TIMES)
        ]

    async def present(self, crowd: Crowd, number: int, factor: dict[str, str]) -> dict[str, Any]:
        """Present the factor in logins and in step-ups in turn. Returns the response of the one that was accepted."""
        if number % 2:
            return await crowd.assert_one_success("/v1/step-up", [factor] * TIMES, code="factor_invalid")
        logins = [{"challenge": challenge, **factor} for challenge in self.challenges()]
        return await crowd.assert_one_success("/v1/login/factor", logins, code="factor_invalid")


def test_one_totp_step_is_accepted_once(stack: Stack) -> None:
    owner = Owner.on(stack)

    async def rounds() -> Counter[str]:
        async with Crowd(stack) as crowd:
            for number in range(ROUNDS):
                # As if the time of a step had passed.
                stack.sql("UPDATE factors SET last_step = 0")
                crowd.authorize(owner.client)
                await owner.present(crowd, number, {"totp": pyotp.TOTP(owner.app.secret).now()})
        return crowd.kinds

    print(asyncio.run(rounds()))


def test_one_recovery_code_is_accepted_once(stack: Stack) -> None:
    owner = Owner.on(stack)

    async def rounds() -> Counter[str]:
        async with Crowd(stack) as crowd:
            for number in range(ROUNDS):
                crowd.authorize(owner.client)
                accepted = await owner.present(crowd, number, {"recovery_code": owner.codes.pop()})
                if accepted and len(owner.codes) < 5:
                    fresh = {"Authorization": f"Bearer {accepted['access_token']}"}
                    replaced = owner.client.post("/v1/factors/recovery-codes", headers=fresh)
                    owner.codes = replaced.json()["codes"]
        return crowd.kinds

    print(asyncio.run(rounds()))


def test_one_challenge_is_accepted_once(stack: Stack) -> None:
    client = stack.client().log_in(stack.service.user("owner"))
    authenticator = SoftwareAuthenticator(origin=stack.service.environ["LATCHKEY_PUBLIC_URL"], synced=True)
    add_passkey(client, authenticator)

    async def rounds() -> Counter[str]:
        async with Crowd(stack) as crowd:
            for _ in range(ROUNDS):
                offered = client.post("/v1/login/passkey/options").json()
                login = {"challenge": offered["challenge"], "credential": authenticator.get(offered["options"])}
                await crowd.assert_one_success("/v1/login/passkey", [login] * TIMES, code="challenge_invalid")
        return crowd.kinds

    print(asyncio.run(rounds()))

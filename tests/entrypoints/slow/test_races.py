"""Concurrent requests to two API processes. Each request opens a new connection, so both processes get some."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.support.service import PASSWORD, Service

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def anonymous_client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=service.url, limits=limits, timeout=30) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_twenty_concurrent_refreshes_get_one_successor(service: Service) -> None:
    member = service.member()
    refresh_token = member.pair["refresh_token"]
    async with anonymous_client(service) as client:
        for _ in range(20):
            requests = [client.post("/v1/refresh", json={"refresh_token": refresh_token}) for _ in range(20)]
            answers = await asyncio.gather(*requests)
            assert {answer.status_code for answer in answers} == {200}
            pairs = [answer.json() for answer in answers]
            assert len({pair["refresh_token"] for pair in pairs}) == 1
            assert len({pair["access_token"] for pair in pairs}) == 1
            assert pairs[0]["refresh_token"] != refresh_token
            refresh_token = pairs[0]["refresh_token"]
            assert (await client.get("/v1/me", headers=bearer(pairs[0]["access_token"]))).status_code == 200


async def test_no_process_accepts_the_token_after_a_logout(service: Service) -> None:
    member = service.member()
    accepted = 0
    async with anonymous_client(service) as client:
        for _ in range(25):
            pair = service.client().log_in(member.email).pair
            headers = bearer(pair["access_token"])
            before = await asyncio.gather(*(client.get("/v1/me", headers=headers) for _ in range(4)))
            assert {answer.status_code for answer in before} == {200}
            assert (await client.post("/v1/logout", headers=headers)).status_code == 204
            after = await asyncio.gather(*(client.get("/v1/me", headers=headers) for _ in range(16)))
            accepted += sum(answer.status_code != 401 for answer in after)
    assert accepted == 0


async def test_logout_concurrent_with_a_refresh_leaves_nothing_valid(service: Service) -> None:
    member = service.member()
    outcomes: Counter[int] = Counter()
    async with anonymous_client(service) as client:
        for _ in range(60):
            pair = service.client().log_in(member.email).pair
            refresh = {"refresh_token": pair["refresh_token"]}
            renewed, logged_out = await asyncio.gather(
                client.post("/v1/refresh", json=refresh),
                client.post("/v1/logout", headers=bearer(pair["access_token"])),
            )
            outcomes[renewed.status_code] += 1
            assert logged_out.status_code == 204
            living = [pair, *([renewed.json()] if renewed.status_code == 200 else [])]
            for one in living:
                assert (await client.get("/v1/me", headers=bearer(one["access_token"]))).status_code == 401
                again = await client.post("/v1/refresh", json={"refresh_token": one["refresh_token"]})
                assert again.status_code == 401
    assert set(outcomes) <= {200, 401}


async def test_one_of_forty_concurrent_resets_succeeds(service: Service) -> None:
    member = service.member()
    member.post("/v1/password/forgot", json={"email": member.email})
    token = service.token(member.email)
    passwords = [f"password of the racer {number}" for number in range(40)]
    async with anonymous_client(service) as client:

        async def reset(password: str) -> httpx.Response:
            body = {"token": token, "new_password": password, "confirm_password": password}
            while True:
                answer = await client.post("/v1/password/reset", json=body)
                if answer.status_code != 503:  # retried if the hash queue was full
                    return answer
                await asyncio.sleep(float(answer.headers["retry-after"]))

        answers = await asyncio.gather(*map(reset, passwords))
        assert Counter(answer.status_code for answer in answers) == {204: 1, 400: 39}
        winner = next(number for number, answer in enumerate(answers) if answer.status_code == 204)
        for number in (winner, (winner + 1) % 40):
            login = {"login": member.email, "password": passwords[number]}
            answer = await client.post("/v1/login", json=login)
            assert answer.status_code == (200 if number == winner else 401)
        old = await client.post("/v1/login", json={"login": member.email, "password": PASSWORD})
        assert old.status_code == 401


async def test_of_two_admins_who_leave_concurrently_one_remains(isolated_service: Service) -> None:
    isolated_service.start_api()
    async with anonymous_client(isolated_service) as client:
        one, other = isolated_service.admin(), isolated_service.admin()
        answers = await asyncio.gather(
            *(
                client.patch(
                    f"/v1/users/{admin.get('/v1/me').json()['id']}",
                    json={"role": "member"},
                    headers=dict(admin.headers),
                )
                for admin in (one, other)
            )
        )
        assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 1}

"""Time of a logout, and whether every process refuses the token after the response."""

import asyncio
import itertools
import json
import time

from tests.benchmarks.harness.crowd import Caller, percentile
from tests.benchmarks.harness.rig import bench_rig
from tests.benchmarks.harness.table import report
from tests.support.service import PASSWORD

ROUNDS, TIMES, AT_ONCE = 3, 150, 8


async def logged_in(url: str, emails: list[str]) -> list[str]:
    """So many access tokens."""
    waiting, tokens = iter(emails), list[str]()

    async def go_on() -> None:
        caller = Caller(url)
        for email in waiting:
            status, body = await caller.request("POST", "/v1/login", {"login": email, "password": PASSWORD})
            assert status == 200, body
            tokens.append(json.loads(body)["access_token"])
        caller.close()

    await asyncio.gather(*(go_on() for _ in range(AT_ONCE)))
    return tokens


async def log_out(urls: list[str], tokens: list[str]) -> tuple[list[float], list[float], int]:
    """Milliseconds until the response and until all processes have refused the token, and how often one accepted
    it."""
    callers = [Caller(url) for url in urls]
    answered, refused, let_in = list[float](), list[float](), 0
    for token, leaving in zip(tokens, itertools.cycle(callers), strict=False):
        welcome = [await caller.request("GET", "/v1/forward-auth", token=token) for caller in callers]
        assert [status for status, _ in welcome] == [200] * len(callers)
        started_at = time.perf_counter()
        status, body = await leaving.request("POST", "/v1/logout", token=token)
        answered.append((time.perf_counter() - started_at) * 1000)
        assert status == 204, body
        responses = await asyncio.gather(
            *(caller.request("GET", "/v1/forward-auth", token=token) for caller in callers)
        )
        refused.append((time.perf_counter() - started_at) * 1000)
        let_in += sum(status != 401 for status, _ in responses)
    for caller in callers:
        caller.close()
    return answered, refused, let_in


def main() -> None:
    with bench_rig() as rig:
        urls = [rig.service().url for _ in range(2)]
        emails = rig.add_users("leaving", TIMES)
        results = [asyncio.run(log_out(urls, asyncio.run(logged_in(urls[0], emails)))) for _ in range(ROUNDS)]
    middle, p99, refused = (
        [percentile(times, share) for times in column]
        for column, share in (
            ([answered for answered, _, _ in results], 0.5),
            ([answered for answered, _, _ in results], 0.99),
            ([until for _, until, _ in results], 0.99),
        )
    )
    note = f"{TIMES} a round, one by one, at two processes in turns"
    report("logout, median", middle, "ms", note=note)
    report("logout, p99", p99, "ms", most=10)
    report("logout until both processes refuse, p99", refused, "ms")
    report("requests accepted after logout", [float(let_in) for _, _, let_in in results], "times", most=0)


if __name__ == "__main__":
    main()

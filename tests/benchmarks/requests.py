"""Authenticated requests against a bare handler on the same server and against fastapi-users."""

import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.benchmarks.harness.machine import NO_REFERENCES, NO_WRK, REFERENCES, has_wrk
from tests.benchmarks.harness.rig import bench_rig, reference
from tests.benchmarks.harness.table import report, report_missing
from tests.benchmarks.harness.wrk import Load, cookie_script, token_script, wrk
from tests.support.service import PASSWORD, Client, unique_email
from tests.support.visitor import cookie_of

ROUNDS, PEOPLE = 3, 64
RATIO_TO_BARE, RATIO_TO_REFERENCE = (
    "to the bare handler at the same connections",
    "to fastapi-users' current user, 16 connections",
)


def measure(url: str, tokens: Path, cookies: Path, bare: str, reference_target: tuple[str, str] | None) -> None:
    """`tokens` and `cookies` are used in turn. `reference_target` is the URL of fastapi-users' route and a token for
    it."""
    targets: dict[str, tuple[str, str | Path, int]] = {
        "bare 16": (bare, tokens, 16),
        "forward-auth 16": (f"{url}/v1/forward-auth", tokens, 16),
        "me 16": (f"{url}/v1/me", tokens, 16),
        "bare 64": (bare, tokens, 64),
        "forward-auth 64": (f"{url}/v1/forward-auth", tokens, 64),
        "me 64": (f"{url}/v1/me", tokens, 64),
        "cookie 16": (f"{url}/v1/forward-auth", cookies, 16),
        "cookie 64": (f"{url}/v1/forward-auth", cookies, 64),
    }
    if reference_target is not None:
        targets["fastapi-users 16"] = (*reference_target, 16)
    results: dict[str, list[Load]] = {name: [] for name in targets}
    for where, by, connections in targets.values():
        wrk(where, by, connections=connections, seconds=1)  # warm-up
    for _ in range(ROUNDS):
        for name, (where, by, connections) in targets.items():
            results[name].append(wrk(where, by, connections=connections))
    rate = {name: [load.rate for load in loads] for name, loads in results.items()}
    p99 = {name: [load.p99 for load in loads] for name, loads in results.items()}
    for connections in (16, 64):
        bare_one, at = f"bare {connections}", f"at {connections}"
        report(f"bare handler {at}", rate[bare_one], "/s")
        report(f"bare handler {at}, p99", p99[bare_one], "ms")
        for what, least in (("forward-auth", 0.85), ("me", 0.50)):
            name = f"{what} {connections}"
            report(f"{what} {at}", rate[name], "/s", against=rate[bare_one], least=least, note=RATIO_TO_BARE)
            most = 2.0 if what == "forward-auth" else None
            report(f"{what} {at}, p99", p99[name], "ms", against=p99[bare_one], most=most)
        bearer, cookie = rate[f"forward-auth {connections}"], rate[f"cookie {connections}"]
        report(f"forward-auth by cookie {at}", cookie, "/s", against=bearer, least=0.95, note="to the same by bearer")
    if reference_target is None:
        report_missing("against fastapi-users", NO_REFERENCES)
        return
    peer = "fastapi-users 16"
    report("fastapi-users, current user", rate[peer], "/s")
    report("fastapi-users, current user, p99", p99[peer], "ms")
    for what, least in (("forward-auth", 12), ("me", 6)):
        name = f"{what} 16"
        report(f"{what} to fastapi-users", rate[name], "/s", against=rate[peer], least=least, note=RATIO_TO_REFERENCE)


def measure_sign_in_page(url: str) -> None:
    """`url` is that of two processes."""
    wrk(f"{url}/sign-in", connections=32, seconds=1)
    rates = [wrk(f"{url}/sign-in", connections=32).rate for _ in range(ROUNDS)]
    report("sign-in page, two processes", rates, "/s", least=3000)


def require_effective_logout(client: Client) -> None:
    """Check that the measured token is refused after a logout."""
    assert client.get("/v1/forward-auth").status_code == 200
    assert client.post("/v1/logout").status_code == 204
    for path in ("/v1/forward-auth", "/v1/me"):
        assert client.get(path).status_code == 401, f"{path} lets in who has logged out"


def registered(url: str) -> str:
    """Register a user at fastapi-users. Returns a token."""
    email = unique_email()
    with httpx.Client(base_url=url, timeout=30) as client:
        client.post("/register", json={"email": email, "password": PASSWORD}).raise_for_status()
        login = client.post("/login", data={"username": email, "password": PASSWORD})
        token: str = login.raise_for_status().json()["access_token"]
    return token


def main() -> None:
    if not has_wrk():
        report_missing("requests", NO_WRK)
        return
    with ExitStack() as stack:
        rig = stack.enter_context(bench_rig())
        service = rig.service()
        clients = [service.client().log_in(email) for email in rig.add_users("asking", PEOPLE)]
        folder = Path(stack.enter_context(TemporaryDirectory()))
        tokens = token_script([client.pair["access_token"] for client in clients], folder)
        bare = stack.enter_context(reference(sys.executable, "bare"))
        reference_target = None
        if REFERENCES.exists():
            url = stack.enter_context(reference(str(REFERENCES), "fastapi_users_app", DATABASE_URL=rig.database_url))
            reference_target = f"{url}/current", registered(url)
        cookies = cookie_script([cookie_of(service.url, client.email) for client in clients], folder)
        measure(service.url, tokens, cookies, bare, reference_target)
        measure_sign_in_page(rig.service(processes=2).url)
        require_effective_logout(clients[0])


if __name__ == "__main__":
    main()

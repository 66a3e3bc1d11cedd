"""Who is calling, asked again and again: against a bare handler on the same server, and against fastapi-users."""

import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.benchmarks.harness.house import house, reference
from tests.benchmarks.harness.machine import NO_REFERENCES, NO_WRK, REFERENCES, has_wrk
from tests.benchmarks.harness.table import lacking, report
from tests.benchmarks.harness.wrk import Load, in_turns, wrk
from tests.support.service import PASSWORD, Client, unique_email

ROUNDS, PEOPLE = 3, 64
OF_BARE, OF_THEIRS = "to the bare handler at the same connections", "to fastapi-users' current user, 16 connections"


def measure(url: str, everybody: Path, bare: str, theirs: tuple[str, str] | None) -> None:
    """`everybody` asks in turns; `theirs` is the address of fastapi-users' route, and a token for it."""
    asked: dict[str, tuple[str, str | Path, int]] = {
        "bare 16": (bare, everybody, 16),
        "forward-auth 16": (f"{url}/v1/forward-auth", everybody, 16),
        "me 16": (f"{url}/v1/me", everybody, 16),
        "bare 64": (bare, everybody, 64),
        "forward-auth 64": (f"{url}/v1/forward-auth", everybody, 64),
        "me 64": (f"{url}/v1/me", everybody, 64),
    }
    if theirs is not None:
        asked["fastapi-users 16"] = (*theirs, 16)
    found: dict[str, list[Load]] = {name: [] for name in asked}
    for where, by, connections in asked.values():
        wrk(where, by, connections=connections, seconds=1)  # warm
    for _ in range(ROUNDS):
        for name, (where, by, connections) in asked.items():
            found[name].append(wrk(where, by, connections=connections))
    rate = {name: [load.rate for load in loads] for name, loads in found.items()}
    p99 = {name: [load.p99 for load in loads] for name, loads in found.items()}
    for connections in (16, 64):
        bare_one, at = f"bare {connections}", f"at {connections}"
        report(f"bare handler {at}", rate[bare_one], "/s")
        report(f"bare handler {at}, p99", p99[bare_one], "ms")
        for what, least in (("forward-auth", 0.85), ("me", 0.50)):
            name = f"{what} {connections}"
            report(f"{what} {at}", rate[name], "/s", against=rate[bare_one], least=least, note=OF_BARE)
            most = 2.0 if what == "forward-auth" else None
            report(f"{what} {at}, p99", p99[name], "ms", against=p99[bare_one], most=most)
    if theirs is None:
        lacking("against fastapi-users", NO_REFERENCES)
        return
    peer = "fastapi-users 16"
    report("fastapi-users, current user", rate[peer], "/s")
    report("fastapi-users, current user, p99", p99[peer], "ms")
    for what, least in (("forward-auth", 12), ("me", 6)):
        name = f"{what} 16"
        report(f"{what} to fastapi-users", rate[name], "/s", against=rate[peer], least=least, note=OF_THEIRS)


def insist_that_logout_counts(client: Client) -> None:
    """The token that was just measured, and no other, is refused as soon as its session is over."""
    assert client.get("/v1/forward-auth").status_code == 200
    assert client.post("/v1/logout").status_code == 204
    for path in ("/v1/forward-auth", "/v1/me"):
        assert client.get(path).status_code == 401, f"{path} lets in who has logged out"


def registered(url: str) -> str:
    """A token of somebody at fastapi-users."""
    email = unique_email()
    with httpx.Client(base_url=url, timeout=30) as client:
        client.post("/register", json={"email": email, "password": PASSWORD}).raise_for_status()
        login = client.post("/login", data={"username": email, "password": PASSWORD})
        token: str = login.raise_for_status().json()["access_token"]
    return token


def main() -> None:
    if not has_wrk():
        lacking("requests", NO_WRK)
        return
    with ExitStack() as running:
        made = running.enter_context(house())
        service = made.service()
        clients = [service.client().log_in(email) for email in made.people("asking", PEOPLE)]
        folder = Path(running.enter_context(TemporaryDirectory()))
        everybody = in_turns([client.pair["access_token"] for client in clients], folder)
        bare = running.enter_context(reference(sys.executable, "bare"))
        theirs = None
        if REFERENCES.exists():
            url = running.enter_context(
                reference(str(REFERENCES), "fastapi_users_app", DATABASE_URL=made.database_url)
            )
            theirs = f"{url}/current", registered(url)
        measure(service.url, everybody, bare, theirs)
        insist_that_logout_counts(clients[0])


if __name__ == "__main__":
    main()

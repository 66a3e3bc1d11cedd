"""Rotation of keys and secrets under load: failed requests (aim: none), and the cost of reloadable keys for a
request."""

import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from adapters.tokens.jwt_codec import JwtCodec
from adapters.tokens.key_files import make_key
from adapters.tokens.key_store import ReloadingKeyStore
from domain.refusals import Refusal
from domain.role import Role
from domain.tokens import AccessToken
from entrypoints.devserver import engines
from tests.benchmarks.harness.table import report
from tests.entrypoints.conftest import migrate
from tests.support.rolling import Fleet, Load
from tests.support.service import Service

ROTATIONS, PEOPLE, DELAY = 5, 6, 2
ROUNDS, TIMES = 60, 200
OLD, NEW = "0ld-3f9c1e7a5b2d8046e9c3a7f1b5d2e8c4", "n3w-8c4e2d5b1f7a3c9e6408d2b5a7e1c9f3"


def cost(folder: Path) -> None:
    for _ in range(3):
        make_key(folder)
    keys = ReloadingKeyStore(folder, delay=timedelta(), clock=_now)
    fixed = keys.current()
    before, after = (
        JwtCodec(keys=current, issuer="us", clock=_now, horizon=timedelta(hours=1))
        for current in (lambda: fixed, keys.current)
    )
    now = _now()
    token = AccessToken(
        user_id=uuid4(),
        session_id=uuid4(),
        generation=1,
        role=Role.MEMBER,
        verified=True,
        issued_at=now,
        expires_at=now + timedelta(hours=1),
    )
    stranger = JwtCodec(
        keys=ReloadingKeyStore(make_key(folder / "other"), delay=timedelta(), clock=_now).current,
        issuer="us",
        clock=_now,
        horizon=timedelta(hours=1),
    )
    known, unknown = after.encode(token), stranger.encode(token)

    def refused(codec: JwtCodec) -> Callable[[], object]:
        def ask() -> None:
            with suppress(Refusal):
                codec.decode(unknown)

        return ask

    _compare("a cached token is decoded", lambda: before.decode(known), lambda: after.decode(known))
    _compare("a token is encoded", lambda: before.encode(token), lambda: after.encode(token))
    _compare("a token of an unknown key is refused", refused(before), refused(after))
    look = statistics.median(_times(keys.reload))
    report("reading a folder of three keys", [look], "µs", note="once a second")


def _compare(name: str, one: Callable[[], object], other: Callable[[], object]) -> None:
    """In turns, so that other load of the machine affects both."""
    both = [(_time(one), _time(other)) for _ in range(ROUNDS)]
    medians = [statistics.median(times) for times in zip(*both, strict=True)]
    report(name, [medians[1]], "µs", against=[medians[0]], note="relative to fixed keys")


def _time(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    for _ in range(TIMES):
        act()
    return (time.perf_counter() - began) / TIMES * 1e6


def _times(act: Callable[[], object]) -> list[float]:
    return [_time(act) for _ in range(ROUNDS // 10)]


def _now() -> datetime:
    return datetime.now(UTC)


def changed_under_load(service: Service) -> None:
    keys = service.folder / "keys"
    make_key(keys)
    service.environ |= {
        "LATCHKEY_SIGNING_KEYS": str(keys),
        "LATCHKEY_KEY_DELAY": str(DELAY),
        "LATCHKEY_SECRET_KEY": OLD,
    }
    people = [service.user("someone") for _ in range(PEOPLE)]
    with Fleet(service) as fleet:
        with Load(fleet, people) as load:
            for _ in range(ROTATIONS):
                service.cli("keys", "rotate").check_returncode()
                time.sleep(DELAY + 2)
        _say(f"{ROTATIONS} rotations, {len(load.signers)} keys that signed", load)
        with Load(fleet, people) as load:
            for secrets in (f"{OLD},{NEW}", f"{NEW},{OLD}"):
                fleet.replace_each(LATCHKEY_SECRET_KEY=secrets)
        _say("a secret replaced in two steps", load)


def _say(what: str, load: Load) -> None:
    note = f"of {load.answers.total():,} requests; two processes, {PEOPLE} people"
    report(f"{what}: failures", [float(len(load.unexpected))], "", most=0, note=note)
    for answer, times in sorted(load.answers.items()):
        print(f"    {answer:28}{times:>8,}")
    for failure in load.unexpected[:5]:
        print(f"    {failure}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        cost(home / "keys")
        with engines.postgres(home / "pg", durable=False) as postgres, engines.valkey(home / "valkey") as valkey:
            migrate(postgres.url)
            service = Service(home / "service", postgres.url, valkey.url)
            service.folder.mkdir()
            changed_under_load(service)


if __name__ == "__main__":
    main()

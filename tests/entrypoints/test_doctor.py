"""`latchkey doctor` reports the faults of each dependency, and none for a healthy service. The faults are real."""

import asyncio
import os
import re
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from redis.asyncio import Redis

from adapters.passwords.argon2_hasher import Argon2Hasher
from entrypoints.cli.doctor.checks import check_all
from entrypoints.cli.doctor.clocks import compare_clocks
from entrypoints.cli.doctor.database import check_database, judge_version
from entrypoints.cli.doctor.environment import check_keys, check_public_url, check_smtp
from entrypoints.cli.doctor.factors import check_factors, judge_secrets
from entrypoints.cli.doctor.findings import Finding, State
from entrypoints.cli.doctor.hashing import STRONGER_COSTS, check_hashing, is_prebuilt, judge_hashing
from entrypoints.cli.doctor.mails import check_mails
from entrypoints.cli.doctor.redis import check_redis
from entrypoints.cli.doctor.settings import check_settings
from entrypoints.devserver import engines
from entrypoints.revisions import head
from entrypoints.settings import Settings, load
from entrypoints.settings.passwords import Cost, argon2
from tests.entrypoints.conftest import migrate
from tests.support.certificates import Authority
from tests.support.key_files import public_pem
from tests.support.service import ROOT, DatabaseFactory, Service, free_port
from tests.support.smtp_servers import honest, scripted
from tests.support.stored_secrets import store_secret

pytestmark = pytest.mark.anyio

SECRET = "hunter2hunter2"


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def environ(databases: DatabaseFactory, tmp_path: Path) -> dict[str, str]:
    database_url, redis_url = databases()
    return {
        "LATCHKEY_ENV": "development",
        "LATCHKEY_DATABASE_URL": database_url,
        "LATCHKEY_REDIS_URL": redis_url,
        "LATCHKEY_DATA_DIR": str(tmp_path / "data"),
        "LATCHKEY_MAIL_DIR": str(tmp_path / "mail"),
    }


@pytest.fixture(scope="module")
def own_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[engines.Valkey]:
    """A Valkey that a test may configure and stop."""
    with engines.valkey(tmp_path_factory.mktemp("own_valkey")) as started:
        yield started


async def database(environ: Mapping[str, str], *, ahead: timedelta = timedelta()) -> list[Finding]:
    return [it async for it in check_database(load(environ), lambda: now() + ahead)]


async def redis(environ: Mapping[str, str], url: str, *, ahead: timedelta = timedelta()) -> list[Finding]:
    settings = load({**environ, "LATCHKEY_REDIS_URL": url})
    return [it async for it in check_redis(settings, lambda: now() + ahead)]


async def smtp(environ: Mapping[str, str], url: str) -> list[Finding]:
    return [it async for it in check_smtp(load({**environ, "LATCHKEY_SMTP_URL": url}))]


async def public_url(settings: Settings) -> list[Finding]:
    return [it async for it in check_public_url(settings, now)]


def finding_with(findings: list[Finding], words: str) -> Finding:
    """The one finding that contains these words."""
    [finding] = [it for it in findings if words in it.text]
    return finding


def problems_in(findings: list[Finding]) -> list[tuple[State, str]]:
    return [(it.state, it.text) for it in findings if it.state is not State.OK]


async def execute(environ: Mapping[str, str], *statements: str) -> str:
    """Run statements in the database of the service, and return its name."""
    connection = await asyncpg.connect(environ["LATCHKEY_DATABASE_URL"])
    try:
        name: str = await connection.fetchval("SELECT current_database()")
        for statement in statements:
            await connection.execute(statement.replace("DATABASE_NAME", f'"{name}"'))
    finally:
        await connection.close()
    return name


# -- the command ---------------------------------------------------------------------------------------


async def doctor(environ: Mapping[str, str]) -> tuple[int | None, list[str]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "entrypoints.cli", "doctor"),
        cwd=ROOT,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode().splitlines()


async def test_healthy_service_has_no_findings(environ: dict[str, str], tmp_path: Path, service: Service) -> None:
    with engines.postgres(tmp_path / "own") as durable:
        migrate(durable.url)
        async with honest() as inbox:
            made = {
                **{"LATCHKEY_DATABASE_URL": durable.url, "LATCHKEY_SMTP_URL": f"smtp://127.0.0.1:{inbox.port}"},
                # The keys and the URL of a running service.
                "LATCHKEY_SIGNING_KEYS": str(Path(service.environ["LATCHKEY_DATA_DIR"]) / "keys"),
                "LATCHKEY_PUBLIC_URL": service.url,
            }
            status, lines = await doctor({**environ, **made})
            assert inbox.envelopes == []
        # The speed of a machine that runs many tests at the same time means nothing.
        doubts = [line for line in lines if not line.startswith("ok ") and " takes " not in line]
        assert (status, doubts) == (0, [])
        parts = [line.split()[1] for line in lines]
        assert set(parts) == {
            "settings",
            "database",
            "mails",
            "factors",
            "redis",
            "clock",
            "smtp",
            "keys",
            "public",
            "passwords",
        }
        assert [line for line in lines if "logins a second" in line]
        durable.stop()
        status, lines = await doctor({**environ, **made, "LATCHKEY_SMTP_URL": f"smtp://127.0.0.1:{inbox.port}"})
    assert status == 1
    assert [line.split()[1] for line in lines if line.startswith("wrong")] == ["database", "smtp"]
    assert [line for line in lines if "Traceback" in line] == []


async def test_doctor_names_unreadable_settings(environ: dict[str, str]) -> None:
    del environ["LATCHKEY_DATABASE_URL"]
    status, lines = await doctor({**environ, "LATCHKEY_SECRET_KEY": SECRET, "LATCHKEY_PORT": "eighty"})
    assert status == 1
    *found, hint = lines
    assert [line.split()[:3] for line in found] == [
        ["wrong", "settings", f"LATCHKEY_{name}:"] for name in ("DATABASE_URL", "SECRET_KEY", "PORT")
    ]
    assert "LATCHKEY_DATA_DIR" in hint
    assert SECRET not in " ".join(lines)


async def test_settings_are_read_as_by_the_service(environ: dict[str, str]) -> None:
    del environ["LATCHKEY_ENV"]
    _, lines = await doctor(environ)
    missing = "LATCHKEY_PUBLIC_URL: must be set"
    assert missing in " ".join(lines)
    del environ["LATCHKEY_DATABASE_URL"]
    _, lines = await doctor(environ)
    assert missing not in " ".join(lines)


async def test_every_check_runs_and_no_secret_is_shown(environ: dict[str, str], tmp_path: Path) -> None:
    nowhere = f"nobody:{SECRET}@127.0.0.1:{free_port()}"
    settings = load(
        {
            **environ,
            "LATCHKEY_DATABASE_URL": f"postgresql://{nowhere}/none",
            "LATCHKEY_REDIS_URL": f"redis://{nowhere}/0",
            "LATCHKEY_SMTP_URL": f"smtp://{nowhere}?tls=none",
            "LATCHKEY_SECRET_KEY": "v7Qd2kXw9RzN4bTf6HsJ1mYc8LpG3aUe5ViD0oKq_",
            "LATCHKEY_PUBLIC_URL": f"http://127.0.0.1:{free_port()}",
        }
    )
    for key in settings.signing_keys.iterdir():
        key.unlink()
    findings = [it async for it in check_all(settings)]
    assert [it.part for it in findings if it.state is State.ERROR] == [
        "database",
        "redis",
        "smtp",
        "keys",
        "public url",
    ]
    assert findings[-1].part == "passwords"
    text = "\n".join(map(str, findings))
    assert SECRET not in text
    assert "v7Qd2kXw9R" not in text
    assert len(text.splitlines()) == len(findings)


def test_finding_is_one_line_for_any_server_response() -> None:
    assert str(Finding.error("redis", "a\r\nok \x1b[31m\u2028b\x85c")) == "wrong    redis       a  ok  [31m b c"


# -- settings ------------------------------------------------------------------------------------------

PRODUCTION = {
    "LATCHKEY_ENV": "production",
    "LATCHKEY_PUBLIC_URL": "https://accounts.example.org",
    "LATCHKEY_SECRET_KEY": "v7Qd2kXw9RzN4bTf6HsJ1mYc8LpG3aUe5ViD0oKq_",
    "LATCHKEY_ENCRYPTION_KEYS": "bR5tZ0nYw3LxQ8fKc6VhJ1mTd9SgP2aUe7EiC4oMq_",
    "LATCHKEY_SMTP_URL": "smtp://mail.example.org",
    "LATCHKEY_TRUSTED_PROXIES": "10.0.0.0/24",
}


@pytest.mark.parametrize(
    ("also", "state", "text"),
    [
        ({"LATCHKEY_PUBLIC_URL": "https://accounts.example.org"}, State.ERROR, "set LATCHKEY_ENV=production"),
        ({"LATCHKEY_HOST": "0.0.0.0"}, State.WARNING, "listening on 0.0.0.0"),
        ({"LATCHKEY_DATABSE_URL": SECRET}, State.WARNING, "LATCHKEY_DATABSE_URL is not a known setting"),
        ({"LATCHKEY_PASSWORD_MIN_LENGTH": "8"}, State.WARNING, "LATCHKEY_PASSWORD_MIN_LENGTH is 8"),
        ({"LATCHKEY_RATE_LIMITS": "off"}, State.WARNING, "LATCHKEY_RATE_LIMITS is off"),
        ({"LATCHKEY_MAIL_DIR": ""}, State.ERROR, "set LATCHKEY_SMTP_URL"),
        ({**PRODUCTION, "LATCHKEY_SMTP_URL": ""}, State.WARNING, "LATCHKEY_MAIL_DIR"),
        ({**PRODUCTION, "LATCHKEY_TRUSTED_PROXIES": ""}, State.WARNING, "no LATCHKEY_TRUSTED_PROXIES"),
        ({"LATCHKEY_TRUSTED_PROXIES": "10.0.0.1, 0.0.0.0/0"}, State.ERROR, "trusts 0.0.0.0/0"),
        ({"LATCHKEY_TRUSTED_PROXIES": "::/0"}, State.ERROR, "trusts ::/0"),
        (
            {"LATCHKEY_PROTECTED_ORIGINS": "http://localhost:9000, http://127.0.0.1:9000"},
            State.WARNING,
            "browsers send the session cookie to localhost only",
        ),
        (
            {"LATCHKEY_PROTECTED_ORIGINS": "http://localhost:8000"},
            State.WARNING,
            "scripts of a service there can act for its visitors",
        ),
        ({**PRODUCTION, "LATCHKEY_PROCESSES": "1"}, State.OK, "production, one process"),
        ({**PRODUCTION, "LATCHKEY_PROCESSES": "4"}, State.OK, "production, 4 processes"),
        ({}, State.OK, "development, for this machine alone"),
    ],
    ids=str,
)
async def test_weak_and_unknown_settings_are_reported(
    environ: dict[str, str], also: dict[str, str], state: State, text: str
) -> None:
    keys = str(load(environ).signing_keys)
    findings = list(check_settings(load({**environ, "LATCHKEY_SIGNING_KEYS": keys, **also})))
    assert finding_with(findings, text).state is state
    others = [it for it in findings if text not in it.text]
    assert all(it.state is State.OK for it in others) or "PUBLIC_URL" in str(also)
    assert SECRET not in str(findings)


def test_doctor_names_a_folder_of_breached_passwords_without_range_files(
    environ: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "ranges"
    settings = load({**environ, "LATCHKEY_BREACHED_PASSWORDS": str(folder)})
    assert finding_with(list(check_settings(settings)), "No such file").state is State.WARNING
    folder.mkdir()
    (folder / "README").touch()
    assert finding_with(list(check_settings(settings)), "no range files").state is State.WARNING
    (folder / "21BD1.txt").touch()
    assert finding_with(list(check_settings(settings)), str(folder)).state is State.OK


# -- the database --------------------------------------------------------------------------------------


async def test_doctor_reports_an_unreachable_or_refusing_database(environ: dict[str, str]) -> None:
    url = environ["LATCHKEY_DATABASE_URL"]
    for broken in (
        re.sub(r":\d+/", f":{free_port()}/", url),
        re.sub(r"://\w+:[^@]*@", f"://latchkey:{SECRET}@", url),
        re.sub(r"/\w+$", "/nowhere", url),
        f"postgresql://nobody:{SECRET}@nowhere.invalid/none",
    ):
        [found] = await database({**environ, "LATCHKEY_DATABASE_URL": broken})
        assert (found.state, found.part) == (State.ERROR, "database")
        assert "refuses the connection" in found.text
        assert SECRET not in found.text


async def test_doctor_reports_a_missing_or_incompatible_schema(environ: dict[str, str]) -> None:
    await execute(environ, f"COMMENT ON TABLE alembic_version IS '{head()} newer'")
    await execute(environ, "UPDATE alembic_version SET version_num = 'newer'")
    assert finding_with(await database(environ), "newer than this version and compatible with it").state is State.OK
    await execute(environ, "UPDATE alembic_version SET version_num = 'elsewhere'")
    found = finding_with(await database(environ), "make migrate")
    assert found.state is State.ERROR
    assert f"the schema is elsewhere, this version needs {head()}" in found.text
    await execute(environ, "DROP TABLE alembic_version")
    assert finding_with(await database(environ), "make migrate").text.startswith("there is no schema")


async def test_database_that_loses_or_refuses_writes_is_reported(environ: dict[str, str]) -> None:
    assert (
        finding_with(await database(environ), "fsync is off").state is State.ERROR
    )  # the setting of the test database
    for mode, state in (("off", State.ERROR), ("local", State.ERROR), ("remote_write", State.ERROR)):
        await execute(environ, f"ALTER DATABASE DATABASE_NAME SET synchronous_commit = {mode}")
        assert finding_with(await database(environ), f"synchronous_commit is {mode}").state is state
    await execute(environ, "ALTER DATABASE DATABASE_NAME SET default_transaction_read_only = on")
    assert finding_with(await database(environ), "does not accept writes").state is State.ERROR


async def test_doctor_reports_too_few_database_connections(environ: dict[str, str]) -> None:
    assert finding_with(await database(environ), "there is room for 197").state is State.OK
    crowd = {**environ, "LATCHKEY_PROCESSES": "19"}
    assert finding_with(await database(crowd), "may open 200 connections").state is State.ERROR
    assert finding_with(await database({**environ, "LATCHKEY_PROCESSES": "18"}), "may open 190").state is State.OK
    await execute(environ, "ALTER DATABASE DATABASE_NAME CONNECTION LIMIT 19")
    found = finding_with(await database(environ), "there is room for 19:")
    assert found.state is State.ERROR
    assert "20 connections" in found.text


def test_doctor_warns_about_an_old_database_version() -> None:
    assert judge_version(17, "17.4", "here").state is State.WARNING
    assert judge_version(18, "18.0", "here").state is State.OK


@asynccontextmanager
async def slow_proxy(url: str, seconds: float) -> AsyncIterator[str]:
    """The URL of a proxy that delays everything by these seconds."""
    there = re.search(r"@([\d.]+):(\d+)", url)
    assert there is not None

    async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            await asyncio.sleep(seconds)
            sink.write(data)
        sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection(there[1], int(there[2]))
        await asyncio.gather(carry(reader, forth), carry(back, writer))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield url.replace(there[0], f"@127.0.0.1:{server.sockets[0].getsockname()[1]}")


async def test_doctor_warns_about_a_slow_database_round_trip(environ: dict[str, str]) -> None:
    async with slow_proxy(environ["LATCHKEY_DATABASE_URL"], 0.02) as url:
        found = finding_with(await database({**environ, "LATCHKEY_DATABASE_URL": url}), "round trip")
        assert found.state is State.WARNING
        assert "closer to PostgreSQL" in found.text


# -- mails ---------------------------------------------------------------------------------------------

INSERT_MAILS = """
INSERT INTO mails (id, kind, recipient, created_at, due_at, attempts, outcome, note) VALUES
(gen_random_uuid(), 'reset', 'ada@example.org', now() - interval '{age}', now() - interval '{late}', 3, {outcome},
 '{note}')
"""


async def mails(environ: Mapping[str, str], **row: str) -> list[Finding]:
    if row:
        await execute(
            environ, INSERT_MAILS.format(**{"age": "0 s", "late": "0 s", "outcome": "NULL", "note": ""} | row)
        )
    return [it async for it in check_mails(load(environ), now)]


async def test_doctor_reports_pending_mails_and_the_reason(environ: dict[str, str]) -> None:
    [found] = await mails(environ)
    assert (found.state, found.text) == (State.OK, "no mail is waiting")
    [found] = await mails(environ, age="3 hours", outcome="'parked'", note="550 no")
    assert (found.state, found.text) == (State.OK, "no mail is waiting; 1 given up, see `mail list`")
    [found] = await mails(environ, age="20 s")
    assert (found.state, found.part) == (State.OK, "mails")
    assert re.fullmatch(r"1 waiting, the oldest for \d\d s; 1 given up, see `mail list`", found.text)
    [found] = await mails(environ, age="5 minutes", late="-4 minutes", note="SMTP RCPT: 450 <ada@example.org> busy")
    assert found.state is State.WARNING
    assert found.text.startswith(
        "2 waiting, the oldest for 5 min; the latest note: SMTP RCPT: 450 … busy; 1 given up"
    )
    assert "but it is not accepted: see LATCHKEY_SMTP_URL" in found.text
    [found] = await mails(environ, age="3 hours", late="61 seconds")
    assert found.state is State.WARNING
    assert found.text.startswith("3 waiting, the oldest for 3 h;")
    assert "due for 61 s and not attempted: check that enough workers are running" in found.text


async def test_doctor_skips_mails_without_a_database(environ: dict[str, str]) -> None:
    url = re.sub(r":\d+/", f":{free_port()}/", environ["LATCHKEY_DATABASE_URL"])
    assert await mails({**environ, "LATCHKEY_DATABASE_URL": url}) == []


# -- second factors ------------------------------------------------------------------------------------

NEW, OLD = "v7Qd2kXw9RzN4bTf6HsJ1mYc8LpG3aUe5ViD0oKq_", "bR5tZ0nYw3LxQ8fKc6VhJ1mTd9SgP2aUe7EiC4oMq_"


async def factors(environ: Mapping[str, str], **also: str) -> list[Finding]:
    settings = load({**environ, **{f"LATCHKEY_{name}": value for name, value in also.items()}})
    return [it async for it in check_factors(settings)]


def test_doctor_warns_of_an_installation_without_encryption_keys() -> None:
    found = judge_secrets({}, ())
    assert (found.state, "set LATCHKEY_ENCRYPTION_KEYS" in found.text) == (State.WARNING, True)
    assert judge_secrets({b"header": 1}, ()).state is State.ERROR


async def test_doctor_finds_secrets_whose_key_is_missing(environ: dict[str, str]) -> None:
    both, missing = f"{NEW},{OLD}", "are not in LATCHKEY_ENCRYPTION_KEYS"
    assert finding_with(await factors(environ, ENCRYPTION_KEYS=NEW), "0 TOTP secrets").state is State.OK
    await store_secret(environ["LATCHKEY_DATABASE_URL"], OLD)
    found = finding_with(await factors(environ, ENCRYPTION_KEYS=NEW), missing)
    assert (found.state, found.part) == (State.ERROR, "factors")
    assert "the keys of 1 TOTP secret" in found.text
    found = finding_with(await factors(environ, ENCRYPTION_KEYS=both), "under an older key")
    assert (found.state, "run `encryption-keys rotate`" in found.text) == (State.WARNING, True)
    await store_secret(environ["LATCHKEY_DATABASE_URL"], NEW)
    await store_secret(environ["LATCHKEY_DATABASE_URL"], NEW)
    found = finding_with(await factors(environ, ENCRYPTION_KEYS=OLD), missing)
    assert "the keys of 2 TOTP secrets" in found.text
    await execute(environ, "DELETE FROM factors")
    await store_secret(environ["LATCHKEY_DATABASE_URL"], NEW)
    findings = await factors(environ, ENCRYPTION_KEYS=both)
    found = finding_with(findings, "under the newest key")
    assert (found.state, "1 older key encrypts nothing" in found.text) == (State.OK, True)
    assert not any(key in str(findings) for key in (NEW, OLD))


async def test_doctor_says_how_to_enable_second_factors(environ: dict[str, str]) -> None:
    assert finding_with(await factors(environ), "can add second factors").state is State.OK
    await execute(environ, "DELETE FROM factor_enrolment")
    found = finding_with(await factors(environ), "users cannot add second factors yet")
    assert (found.state, "run `factors enable`" in found.text) == (State.WARNING, True)
    found = finding_with(await factors(environ, REQUIRE_FACTOR="admin"), "cannot add second factors yet")
    assert (found.state, "LATCHKEY_REQUIRE_FACTOR locks users out" in found.text) == (State.ERROR, True)


@pytest.mark.parametrize(
    ("url", "also", "state", "text"),
    [
        ("http://localhost:8000", {}, State.OK, "passkeys belong to localhost, at http://localhost:8000"),
        (
            "https://accounts.example.org/x",
            {"RP_ID": "example.org", "PASSKEY_ORIGINS": "https://app.example.org"},
            State.OK,
            "passkeys belong to example.org, at https://accounts.example.org, https://app.example.org",
        ),
        ("http://127.0.0.1:8000", {}, State.WARNING, "no IP address: set LATCHKEY_PUBLIC_URL to a domain"),
        ("https://192.0.2.1", {}, State.WARNING, "passkeys do not work at https://192.0.2.1"),
        ("https://[2001:db8::1]", {}, State.WARNING, "no IP address"),
        ("http://laptop.example", {}, State.WARNING, "at https:// and localhost only"),
    ],
)
async def test_doctor_says_where_passkeys_work(
    environ: dict[str, str], url: str, also: dict[str, str], state: State, text: str
) -> None:
    found, *_ = await factors(environ, PUBLIC_URL=url, **also)
    assert (found.state, found.part) == (state, "factors")
    assert text in found.text


# -- Redis ---------------------------------------------------------------------------------------------


async def test_doctor_reports_an_unreachable_or_refusing_redis(
    environ: dict[str, str], own_valkey: engines.Valkey
) -> None:
    [found] = await redis(environ, re.sub(r":[^:@]*@", f":{SECRET}@", own_valkey.url))
    assert (found.state, found.part) == (State.ERROR, "redis")
    assert "refuses the connection" in found.text
    assert SECRET not in found.text
    own_valkey.stop()
    [found] = await redis(environ, own_valkey.url)
    assert found.state is State.ERROR
    assert "does not answer" in found.text
    own_valkey.start()
    assert problems_in(await redis(environ, own_valkey.url)) == []


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_doctor_reports_an_evicting_redis(
    environ: dict[str, str], own_valkey: engines.Valkey, policy: str
) -> None:
    async with Redis.from_url(own_valkey.url) as client:
        await client.config_set("maxmemory-policy", policy)
        found = finding_with(await redis(environ, own_valkey.url), policy)
        assert found.state is State.ERROR
        assert "set maxmemory-policy to noeviction" in found.text
        await client.config_set("maxmemory-policy", "noeviction")
    assert finding_with(await redis(environ, own_valkey.url), "noeviction").state is State.OK


@pytest.mark.parametrize(
    ("rights", "refused"),
    [
        ("~* +@all", []),
        *((f"~* +@all -{name.lower()}", [name]) for name in ("EVAL", "EVALSHA", "INFO", "MGET", "TIME")),
        ("~* +@all -set", ["EVAL", "EVALSHA"]),
        ("~{latchkey}:* +@all", []),
        ("~latchkey:* +@all", ["MGET", "EVAL", "EVALSHA"]),
    ],
)
async def test_redis_without_needed_permissions_is_reported(
    environ: dict[str, str], own_valkey: engines.Valkey, rights: str, refused: list[str]
) -> None:
    async with Redis.from_url(own_valkey.url) as client:
        command: Callable[..., Awaitable[object]] = client.execute_command  # untyped where it comes from
        await command("ACL", "SETUSER", "limited", "reset", "on", f">{SECRET}", *rights.split())
        findings = await redis(environ, re.sub(r"://[^@]*@", f"://limited:{SECRET}@", own_valkey.url))
        assert [text.split()[0] for _, text in problems_in(findings)] == refused
        assert all("allow it for this user" in text for _, text in problems_in(findings))
        assert SECRET not in str(findings)
        assert await client.dbsize() == 0


# -- clocks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead", "state", "said"),
    [
        (10, State.WARNING, "s ahead of"),
        (-10, State.WARNING, "s behind"),
        (60, State.ERROR, "s ahead of"),
        (-60, State.ERROR, "s behind"),
    ],
)
async def test_doctor_reports_clock_differences(
    environ: dict[str, str], own_valkey: engines.Valkey, ahead: int, state: State, said: str
) -> None:
    shifted = timedelta(seconds=ahead)
    for name, findings in (
        ("PostgreSQL", await database(environ, ahead=shifted)),
        ("Redis", await redis(environ, own_valkey.url, ahead=shifted)),
    ):
        found = finding_with(findings, f"{said} {name}")
        assert (found.state, found.part) == (state, "clock")
        assert "NTP" in found.text


def test_network_latency_is_no_clock_difference() -> None:
    sent_at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    for seconds in (0, 20, 40):
        finding = compare_clocks(
            "Redis",
            sent_at + timedelta(seconds=seconds),
            sent_at=sent_at,
            received_at=sent_at + timedelta(seconds=40),
        )
        assert finding == Finding.ok("clock", "this machine and Redis have the same time")


async def test_doctor_reports_revocations_missing_from_the_database(
    environ: dict[str, str], own_valkey: engines.Valkey
) -> None:
    client = Redis.from_url(own_valkey.url)
    try:
        assert finding_with(await redis(environ, own_valkey.url), "has every revocation").state is State.OK
        await client.set("{latchkey}:floor:" + UUID(int=7).hex, 2**31 - 1)
        found = finding_with(await redis(environ, own_valkey.url), "restored to an older state")
        assert (found.state, found.text.split()[0]) == (State.ERROR, "1")
    finally:
        await client.flushall()
        await client.aclose()


# -- mail ----------------------------------------------------------------------------------------------


async def test_unreachable_mail_server_is_reported(environ: dict[str, str], tmp_path: Path) -> None:
    [finding] = await smtp(environ, f"smtp://127.0.0.1:{free_port()}")
    assert (finding.state, finding.part) == (State.ERROR, "smtp")
    async with scripted(EHLO="250 hello") as server:
        [finding] = await smtp(environ, f"smtp://localhost:{server.port}?tls=starttls")
        assert (finding.state, "tls=starttls" in finding.text) == (State.ERROR, True)
        assert not [line for line in server.heard if line.startswith(("MAIL", "AUTH"))]
    async with scripted(HI="554 go away") as server:
        [finding] = await smtp(environ, f"smtp://localhost:{server.port}?tls=none")
        assert finding.state is State.ERROR
    async with honest(implicit=Authority(tmp_path).server("localhost")) as inbox:
        [finding] = await smtp(environ, f"smtps://localhost:{inbox.port}")
        assert (finding.state, "CERTIFICATE_VERIFY_FAILED" in finding.text) == (State.ERROR, True)


async def test_doctor_reports_a_refused_smtp_login(environ: dict[str, str]) -> None:
    async with scripted(EHLO="250-hello\r\n250 AUTH PLAIN", AUTH=f"535 no {SECRET}") as server:
        [found] = await smtp(environ, f"smtp://ada:{SECRET}@localhost:{server.port}?tls=none")
        assert (found.state, "535" in found.text) == (State.ERROR, True)
        assert SECRET not in found.text
    async with scripted(EHLO="250-hello\r\n250 AUTH PLAIN", AUTH="235 welcome") as server:
        [found] = await smtp(environ, f"smtp://ada:{SECRET}@localhost:{server.port}?tls=none")
        assert (found.state, "accepts the login" in found.text) == (State.OK, True)
        assert [line.split()[0] for line in server.heard] == ["EHLO", "AUTH", "MAIL", "QUIT"]


async def test_doctor_reports_a_refused_sender(environ: dict[str, str]) -> None:
    async with scripted(MAIL="550 5.7.60 client may not send as this sender") as server:
        [found] = await smtp(environ, f"smtp://localhost:{server.port}")
        assert (found.state, "5.7.60" in found.text, "LATCHKEY_MAIL_FROM" in found.text) == (State.ERROR, True, True)


# -- keys, address, speed ------------------------------------------------------------------------------


async def test_doctor_reports_keys_readable_by_others(environ: dict[str, str]) -> None:
    settings = load(environ)
    [key] = settings.signing_keys.iterdir()
    half = load_pem_private_key(key.read_bytes(), password=None)
    assert isinstance(half, EllipticCurvePrivateKey)
    for name, public in (("half", half), ("other", Ed25519PrivateKey.generate())):
        file = settings.signing_keys / f"{name}.pem"
        file.write_bytes(public_pem(public))
        file.chmod(0o644)
    [found] = check_keys(settings, now)
    assert (found.state, found.part) == (State.OK, "keys")
    assert re.search(r"\S{43} \(ES256\) signs, 2 verify", found.text)
    for mode, state in ((0o644, State.ERROR), (0o604, State.ERROR), (0o640, State.WARNING), (0o400, None)):
        key.chmod(mode)
        findings = list(check_keys(settings, now))
        assert [it.state for it in findings[1:]] == ([state] if state else [])
        if state is State.ERROR:
            assert f"chmod 600 {key}" in findings[1].text
    assert stat.S_IMODE(key.stat().st_mode) == 0o400


@asynccontextmanager
async def answering(status: str, body: str) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_doctor_reports_a_public_url_that_is_not_this_service(
    environ: dict[str, str], service: Service, tmp_path: Path
) -> None:
    async def at(url: str, **more: str) -> Finding:
        [found] = await public_url(load({**environ, "LATCHKEY_PUBLIC_URL": url, **more}))
        assert found.part == "public url"
        return found

    keys = str(Path(service.environ["LATCHKEY_DATA_DIR"]) / "keys")
    assert (await at(service.url, LATCHKEY_SIGNING_KEYS=keys)).state is State.OK
    assert "other keys" in (await at(service.url)).text
    assert (await at(service.url)).state is State.ERROR
    unreachable = await at(f"http://127.0.0.1:{free_port()}")
    assert (unreachable.state, "set LATCHKEY_PORT here too" in unreachable.text) == (State.WARNING, True)
    for status, body, said in (
        ("200 fine", "<html>", "is not this service"),
        ("200 fine", "[]", "is not this service"),
        ("200 fine", '{"keys": [{}]}', "is not this service"),
        ("404 none", "", "answers with 404"),
        ("502 no", "", "answers with 502"),
    ):
        async with answering(status, body) as url:
            found = await at(url)
            assert (found.state, said in found.text) == (State.ERROR, True), found

    async with honest(implicit=Authority(tmp_path).server("localhost")) as untrusted:
        found = await at(f"https://localhost:{untrusted.port}")
        assert (found.state, "CERTIFICATE_VERIFY_FAILED" in found.text) == (State.ERROR, True)


DEFAULT = Cost(19_456, 2, 1)


async def test_doctor_warns_about_slow_password_hashing() -> None:
    found, *_ = [it async for it in check_hashing(Argon2Hasher(threads=1), DEFAULT, slow=60)]
    assert (found.state, found.part) == (State.OK, "passwords")
    [found] = [it async for it in check_hashing(Argon2Hasher(threads=1), DEFAULT, slow=0.000_1)]
    assert found.state is State.WARNING
    assert re.search(r"a hash takes \d+ ms, so \d+ cores allow at most \d+ logins a second", found.text)
    assert "(m=19456,t=2,p=1)" in found.text


def test_proposed_hash_cost_is_affordable() -> None:
    def proposed(milliseconds: float, cost: Cost = DEFAULT, *, compilable: bool = False) -> list[str]:
        findings = judge_hashing(milliseconds / 1000, cost, cores=4, compilable=compilable)
        assert all(it.state is State.OK for it in findings)
        return [it.text for it in findings[1:]]

    [native] = proposed(22, compilable=True)
    assert "`make native`" in native
    [dearer] = proposed(10)
    setting = re.search(r"LATCHKEY_ARGON2=(\S+) takes about (\d+) ms and (\d+) MiB .* at most (\d+) logins", dearer)
    assert setting is not None
    assert setting.groups() == ("m=65536,t=2,p=1", "34", "64", "119")
    for cost in STRONGER_COSTS:
        assert argon2(str(cost)) == cost
    assert "LATCHKEY_ARGON2=m=32768,t=2,p=1 takes about 39 ms" in " ".join(proposed(23))
    assert "LATCHKEY_ARGON2=m=32768,t=2,p=1 takes about 49 ms" in " ".join(proposed(29))
    assert proposed(30) == []
    assert proposed(19.9, Cost(98_304, 3, 1)) == []
    slow = judge_hashing(0.6, DEFAULT, cores=4, compilable=True)
    assert [(it.state, "`make native`" in it.text) for it in slow] == [(State.WARNING, True)]


def test_compiled_library_is_distinguished_from_a_wheel() -> None:
    assert is_prebuilt("Tag: cp310-abi3-manylinux_2_26_x86_64\nTag: cp310-abi3-manylinux_2_28_x86_64")
    assert not is_prebuilt("Tag: cp310-abi3-linux_x86_64")

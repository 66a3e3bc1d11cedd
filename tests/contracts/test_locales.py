"""Databases of locales in which I is not the capital of i: logins are case-insensitive there as well."""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from adapters.memory.revocations import MemoryBlocklist
from adapters.postgres.database import Database
from adapters.postgres.revocations import PostgresRevocationStore
from adapters.postgres.session_renewals import PostgresRenewals
from adapters.postgres.unit_of_work import PostgresStore
from adapters.postgres.user_lookup import PostgresUserLookup
from entrypoints.devserver import engines, postgres_engine
from tests.conftest import ROOT
from tests.support.programs import lacking, program
from tests.support.store_harness import NOW, SpyingBlocklist, StoreHarness, claim

pytestmark = pytest.mark.anyio


LOCALES = ["tr_TR", "az_AZ", "lt_LT"]
SOURCES = Path("/usr/share/i18n/locales")


@pytest.fixture(scope="module")
def locale_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[engines.Postgres]:
    """A server with these locales."""
    localedef = program("localedef", "libc-bin")
    for name in LOCALES:
        if not (SOURCES / name).exists():
            lacking(f"the locale {name}", "apt-get install locales")
    with tempfile.TemporaryDirectory() as made, pytest.MonkeyPatch.context() as patch:
        Path(made).chmod(0o755)
        for name in LOCALES:
            subprocess.run([localedef, "-i", name, "-f", "UTF-8", f"{made}/{name}.UTF-8"], check=True)
        patch.setattr(postgres_engine, "ENVIRON", {**postgres_engine.ENVIRON, "LOCPATH": made})
        with engines.postgres(tmp_path_factory.mktemp("abroad"), durable=False) as started:
            yield started


@pytest.fixture(params=LOCALES)
async def url(request: pytest.FixtureRequest, locale_server: engines.Postgres) -> str:
    """The URL of a migrated database with the locale."""
    admin = await asyncpg.connect(locale_server.url)
    try:
        await admin.execute(
            f"CREATE DATABASE {request.param} TEMPLATE template0 LOCALE_PROVIDER libc LOCALE '{request.param}.UTF-8'"
        )
    finally:
        await admin.close()
    url = locale_server.url_of(request.param.lower())
    migrate = [sys.executable, "-m", "alembic", "upgrade", "head"]
    await asyncio.to_thread(subprocess.run, migrate, cwd=ROOT, env={"LATCHKEY_DATABASE_URL": url}, check=True)
    return url


async def test_usernames_are_case_insensitive_in_every_locale(url: str) -> None:
    database = Database(url)
    try:
        store = PostgresStore(database, blocklist=MemoryBlocklist(), nudge=lambda _: None)
        harness = StoreHarness(
            store, PostgresRenewals(database), PostgresRevocationStore(database), SpyingBlocklist(), []
        )
        user = await harness.user("INGRID@example.org".lower(), username="INGRID")
        directory = PostgresUserLookup(database)
        async with database.connection() as connection:
            letter = await connection.fetch_value(text("SELECT lower('I')"))
        assert (letter == "i") is url.endswith("lt_lt"), "the database is not of that locale"
        for login in ("INGRID", "ingrid", "Ingrid", "ingrid@example.org"):
            assert await directory.candidates(login) == [user]
        other = await harness.user("iris@example.org", username="iris")
        async with harness.begin() as work:
            assert await work.users.rename(other.id, "ingrid") is None
            assert [it.user for it in await work.users.page(query="ingr", role=None, limit=9, after=None)] == [user]
            imported = claim("ida@example.org", username="InGrId")
            [inserted] = await work.users.bulk_insert([imported], now=NOW)
            assert inserted.username is None
    finally:
        await database.close()

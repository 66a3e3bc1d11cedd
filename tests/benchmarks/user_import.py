"""Rate of an import of users against COPY, which writes the same rows without checks."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from hashlib import md5
from pathlib import Path

import asyncpg

from entrypoints.devserver import engines
from tests.benchmarks.harness.table import report
from tests.entrypoints.conftest import migrate

ROWS, WEAK, ROUNDS = 100_000, 300, 3
TABLES = ("users", "events", "arrivals", "deletions")


def write(path: Path, rows: int, password_hash: str) -> None:
    with path.open("w") as file:
        for number in range(rows):
            row = {
                "email": f"user{number}@example.org",
                "username": f"name{number}" if number % 2 else None,
                "password_hash": password_hash,
                "verified": number % 20 > 0,
                "created_at": "2024-05-06T07:08:09Z",
            }
            file.write(json.dumps(row) + "\n")


def run_import(path: Path, url: str) -> float:
    """Rows a second, including the start of the process."""
    environ = {
        **os.environ,
        "LATCHKEY_ENV": "development",
        "LATCHKEY_DATABASE_URL": url,
        "LATCHKEY_REDIS_URL": "redis://127.0.0.1:1/0",
        "LATCHKEY_DATA_DIR": str(path.parent / "data"),
    }
    command = [sys.executable, "-m", "entrypoints.cli", "users", "import", str(path)]
    began = time.perf_counter()
    subprocess.run(command, env=environ, check=True, capture_output=True)
    with path.open() as file:
        return sum(1 for _ in file) / (time.perf_counter() - began)


async def emptied(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(f"TRUNCATE {', '.join(TABLES)} CASCADE")
    await connection.close()


async def copied(url: str) -> float:
    """Rows a second of COPY of the imported rows into the same tables with the same indexes."""
    connection = await asyncpg.connect(url)
    rows_by_table = {
        table: [tuple(row) for row in await connection.fetch(f"SELECT * FROM {table}")] for table in TABLES
    }
    await connection.execute(f"TRUNCATE {', '.join(TABLES)} CASCADE")
    began = time.perf_counter()
    async with connection.transaction():
        for table, rows in rows_by_table.items():
            await connection.copy_records_to_table(table, records=rows)
    took = time.perf_counter() - began
    await connection.close()
    return len(rows_by_table["users"]) / took


def measure(url: str, folder: Path) -> None:
    strong, weak = folder / "strong.jsonl", folder / "weak.jsonl"
    write(strong, ROWS, "pbkdf2_sha256$10000$kjVJaVz6qsnJ$5yPHw3rwJGECpUf70daLGhOrQ5+AMxIJdz1c3bqK1Rs=")
    write(weak, WEAK, md5(b"secret", usedforsecurity=False).hexdigest())
    rates_by_name: dict[str, list[float]] = {
        "COPY": [],
        "import": [],
        "import again": [],
        "import of weak hashes": [],
    }
    for _ in range(ROUNDS):
        asyncio.run(emptied(url))
        rates_by_name["import"].append(run_import(strong, url))
        rates_by_name["import again"].append(run_import(strong, url))
        rates_by_name["COPY"].append(asyncio.run(copied(url)))
        asyncio.run(emptied(url))
        rates_by_name["import of weak hashes"].append(run_import(weak, url))
    for name, rates in rates_by_name.items():
        report(f"{name}, rows", rates, "/s", least=5000 if name == "import" else None)


def main() -> None:
    with tempfile.TemporaryDirectory() as name, engines.postgres(Path(name) / "pg", durable=False) as postgres:
        migrate(postgres.url)
        measure(postgres.url, Path(name))


if __name__ == "__main__":
    main()

"""`latchkey users import`, run as operators run it."""

import asyncio
import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from domain.role import Role
from tests.support.foreign_hashes import STRONG, WEAK
from tests.support.service import ROOT, Service, code, eventually, unique_email
from tests.support.sweeping import fetch

DJANGO = "pbkdf2_sha256$10000$kjVJaVz6qsnJ$5yPHw3rwJGECpUf70daLGhOrQ5+AMxIJdz1c3bqK1Rs="
"""The hash of «not a password»."""


def ask(service: Service, question: str, *values: object) -> list[Any]:
    return asyncio.run(fetch(service, question, *values))


def write_users(folder: Path, rows: Iterable[Mapping[str, object]], name: str = "users.jsonl") -> str:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_imported_user_keeps_the_password_and_gets_an_own_hash(service: Service, tmp_path: Path) -> None:
    vectors = [vector for vector in (*STRONG, *WEAK) if vector.password]
    emails = [unique_email("moved") for _ in vectors]
    rows = [
        {"email": email, "password_hash": vector.row, "verified": True}
        for email, vector in zip(emails, vectors, strict=True)
    ]
    done = service.cli("users", "import", write_users(tmp_path, rows))
    assert (done.returncode, done.stdout) == (0, f"{len(rows)} imported, 0 imported before, 0 listed\n")
    hashes = "SELECT password_hash FROM users WHERE email = ANY($1)"
    bare = {vector.row.lower() for vector in WEAK}
    assert not any(row["password_hash"].lower() in bare for row in ask(service, hashes, emails))
    some = [0, len(vectors) - 1, next(n for n, vector in enumerate(vectors) if "fbscrypt" in vector.row)]
    for number in some:
        service.client().log_in(emails[number], vectors[number].password)
        client = service.client().log_in(emails[number], vectors[number].password)
        assert client.get("/v1/me").json()["verified"] is True
    kept = [row["password_hash"] for row in ask(service, hashes, [emails[number] for number in some])]
    assert all(text.startswith("$argon2id$") for text in kept)
    wrong = service.client().post("/v1/login", json={"login": emails[1], "password": "another password"})
    assert code(wrong) == "invalid_credentials"


def test_refused_rows_are_listed_with_their_line(service: Service, tmp_path: Path) -> None:
    holder, guest, boss = unique_email("holder"), unique_email("guest"), unique_email("boss")
    taken = holder.split("@")[0].replace("holder", "name")
    service.user(holder, username=taken)
    path = tmp_path / "users.csv"
    path.write_text(
        "email,username,password_hash,role,verified,disabled,created_at\r\n"
        f"{guest},{taken.upper()},{DJANGO},,true,,2019-05-06T07:08:09Z\r\n"
        f"{holder},,{DJANGO},,true,,\r\n"
        f"{boss},,{DJANGO},admin,true,,\r\n"
        "nobody,,,,,,\r\n"
        f"{unique_email()},,hunter2,,,,\r\n"
        f"{unique_email()},,,,perhaps,,\r\n"
    )
    listed = [
        "line 2: This username is already in use; the user was imported without it.",
        "line 3: Another user already has this address.",
        "line 4: The role admin is higher than --highest-role allows.",
        "line 5: This is not a valid e-mail address.",
        "line 6: This password hash is not supported.",
        "line 7: verified is neither true nor false.",
    ]
    done = service.cli("users", "import", str(path))
    nameless = "1 of them without their username"
    assert (done.returncode, done.stdout) == (1, f"1 imported, 0 imported before, 6 listed, {nameless}\n")
    assert done.stderr.splitlines()[:6] == listed
    assert re.fullmatch(r"100%  6 rows, \d+ a second", done.stderr.splitlines()[6])
    assert "hunter2" not in done.stderr
    user = service.client().log_in(guest, "not a password").get("/v1/me").json()
    assert (user["username"], user["created_at"]) == (None, "2019-05-06T07:08:09Z")

    there = tmp_path / "listed.txt"
    there.write_text("line 0: from before\n")
    again = service.cli("users", "import", str(path), "--list", str(there), "--highest-role", "admin")
    assert (again.returncode, again.stdout) == (1, "1 imported, 1 imported before, 4 listed\n")
    assert there.read_text().splitlines() == ["line 0: from before", listed[1], *listed[3:]]
    [row] = ask(service, "SELECT role FROM users WHERE email = $1", boss)
    assert row["role"] == Role.ADMIN


def test_byte_order_mark_is_ignored(service: Service, tmp_path: Path) -> None:
    for name, text in (("users.csv", "email,verified\r\n{},true\r\n"), ("users.jsonl", '{{"email": "{}"}}\r\n')):
        email = unique_email("marked")
        (tmp_path / name).write_text("\ufeff" + text.format(email), encoding="utf-8")
        done = service.cli("users", "import", str(tmp_path / name), "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {"read": 1, "added": 1, "known": 0, "listed": 0, "nameless": 0}
        (tmp_path / name).write_text(text.format(email), encoding="utf-16")
        refused = service.cli("users", "import", str(tmp_path / name))
        assert (refused.returncode, refused.stdout) == (2, "")
        assert refused.stderr.endswith(": this is UTF-16, as PowerShell writes it; save it as UTF-8\n")


MANY = 8_000


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_interrupted_and_repeated_import_adds_each_user_once(
    isolated_service: Service, tmp_path: Path, how: signal.Signals
) -> None:
    rows = ({"email": f"u{n}@example.org", "password_hash": DJANGO, "verified": n % 2 > 0} for n in range(MANY))
    path = write_users(tmp_path, rows)
    command = [sys.executable, "-m", "entrypoints.cli", "users", "import", path]
    environ = {**os.environ, **isolated_service.environ}
    running = subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )

    def count() -> int:
        number: int = ask(isolated_service, "SELECT count(*) FROM users")[0]["count"]
        return number

    try:
        eventually(count)
    finally:
        running.send_signal(how)
        output = running.communicate(timeout=30)
    there = count()
    assert 0 < there < MANY
    if how is signal.SIGINT:
        came = f"{there:,} imported, 0 imported before, 0 listed\n"
        assert (running.returncode, *output) == (1, came, "Stopped. Run it again for the rest.\n")
    again = isolated_service.cli("users", "import", path)
    rest = f"{MANY - there:,} imported, {there:,} imported before, 0 listed\n"
    assert (again.returncode, again.stdout) == (0, rest)
    assert count() == MANY
    events = "SELECT count(*), count(DISTINCT user_id) AS users FROM events WHERE action = 'imported'"
    [event_counts] = ask(isolated_service, events)
    assert (event_counts["count"], event_counts["users"]) == (MANY, MANY)


def test_failed_import_shows_how_to_continue(isolated_service: Service, tmp_path: Path) -> None:
    isolated_service.environ["LATCHKEY_DATABASE_URL"] = "postgresql://nobody:hunter2@127.0.0.1:1/none"
    done = isolated_service.cli("users", "import", write_users(tmp_path, [{"email": "a@example.org"}]))
    assert (done.returncode, done.stdout) == (1, "0 imported, 0 imported before, 0 listed\n")
    assert done.stderr.startswith("unavailable: ")
    assert done.stderr.endswith("Run it again for the rest.\n")
    assert "hunter2" not in done.stderr


def test_invalid_file_is_refused_in_one_line(isolated_service: Service, tmp_path: Path) -> None:
    csv = tmp_path / "users.csv"
    csv.write_text("mail\na@example.org\n")
    lines = write_users(tmp_path, [{"email": "a@example.org"}])
    for arguments, message in (
        ([str(tmp_path / "none")], "No such file"),
        ([str(csv)], "the first row names 'mail'"),
        ([lines, "--format", "firebase"], "--firebase-parameters"),
    ):
        refused = isolated_service.cli("users", "import", *arguments)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert message in refused.stderr
        assert refused.stderr.count("\n") == 1


def test_terminal_shows_a_progress_bar(isolated_service: Service, tmp_path: Path) -> None:
    rows = [{"email": f"u{n}@example.org"} for n in range(1200)] + [{"email": "nobody"}]
    command = [sys.executable, "-m", "entrypoints.cli", "users", "import", write_users(tmp_path, rows)]
    controller, terminal_end = pty.openpty()
    with os.fdopen(controller, "rb", buffering=0) as watched:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **isolated_service.environ},
            stdout=subprocess.PIPE,
            stderr=terminal_end,
            check=False,
        )
        os.close(terminal_end)
        shown = watched.read(100_000).decode()
    assert (done.returncode, done.stdout) == (1, b"1,200 imported, 0 imported before, 1 listed\n")
    shown = re.sub(r"\x1b\[\?25[hl]", "", shown)  # the cursor is hidden during the import
    assert "\r[" in shown
    assert "\r\x1b[Kline 1201: This is not" in shown
    assert re.search(r"\r\[#{30}\] 100%  1,201 rows, [\d,]+ a second *\r\n$", shown)

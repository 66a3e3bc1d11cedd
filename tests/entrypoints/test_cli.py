"""The command line of operators, run as separate processes."""

import asyncio
import json
import os
import pty
import re
import shlex
import subprocess
import sys
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import bcrypt
import pytest

from domain.role import Role
from tests.support.operator_commands import run_command
from tests.support.service import PASSWORD, ROOT, Service, code, eventually, unique_email
from tests.support.sweeping import fetch


def ask(service: Service, question: str, *values: object) -> list[Any]:
    return asyncio.run(fetch(service, question, *values))


def test_operator_creates_the_first_admin(service: Service) -> None:
    email = unique_email("root")
    made = service.cli(
        "users", "create", "--email", email.upper(), "--role", "admin", "--verified", stdin=f"{PASSWORD}\n"
    )
    assert (made.returncode, made.stderr) == (0, "")
    admin = service.client().log_in(email)
    user = admin.get("/v1/me").json()
    assert (user["id"], user["email"]) == (made.stdout.strip(), email)
    assert (user["role"], user["verified"]) == ("admin", True)
    assert admin.get("/v1/users").status_code == 200
    assert ask(service, "SELECT 1 FROM mails WHERE recipient = $1", email) == []
    again = service.cli("users", "create", "--email", email, stdin=f"{PASSWORD}\n")
    assert (again.returncode, again.stdout) == (1, "")
    assert "already" in again.stderr


def cli(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    done = run_command(environ, *arguments, stdin=PASSWORD.encode())
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def test_migrate_reads_its_environment_from_a_file(service: Service, tmp_path: Path) -> None:
    (tmp_path / "env").write_text("development\n")
    environ = {**service.environ, "LATCHKEY_ENV_FILE": str(tmp_path / "env")}
    del environ["LATCHKEY_ENV"]
    done = cli(environ, "migrate")
    assert (done.returncode, done.stderr) == (0, "")


def test_command_without_a_database_names_the_one_of_make_run(service: Service, tmp_path: Path) -> None:
    engines = {name: service.environ[name] for name in ("LATCHKEY_DATABASE_URL", "LATCHKEY_REDIS_URL")}
    (tmp_path / "running.json").write_text(json.dumps(engines))
    email = unique_email("local")
    made = cli({"LATCHKEY_DATA_DIR": str(tmp_path)}, "users", "create", "--email", email)
    assert (made.returncode, made.stderr) == (0, f"development: {tmp_path}\n")
    [user] = ask(service, "SELECT id FROM users WHERE email = $1", email)
    assert made.stdout == f"{user['id']}\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LATCHKEY_SECRET_KEY", "0123456789abcdef0123456789abcdef"),
        ("LATCHKEY_SIGNING_KEYS", "/etc/latchkey/keys"),
        ("LATCHKEY_PUBLIC_URL", "https://accounts.example.org"),
        ("LATCHKEY_ENCRYPTION_KEYS", "0123456789abcdef0123456789abcdef"),
    ],
)
def test_commands_refuse_the_development_database_with_production_settings(name: str, value: str) -> None:
    refused = cli({name: value}, "users", "create", "--email", "root@example.org", "--role", "admin", "--verified")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"LATCHKEY_DATABASE_URL: must be set when {name} is set. ")
    refused = cli({name: value}, "doctor")
    assert (refused.returncode, refused.stderr) == (1, "")
    assert refused.stdout.startswith(f"wrong    settings    LATCHKEY_DATABASE_URL: must be set when {name} is set. ")


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (("DATABASE_URL",), ("REDIS_URL", "PUBLIC_URL", "SECRET_KEY", "SIGNING_KEYS")),
        (("DATABASE_URL", "ENV"), ("REDIS_URL",)),
        (("REDIS_URL",), ("DATABASE_URL",)),
        (("REDIS_URL", "ENV"), ("DATABASE_URL",)),
        (("DATABASE_URL", "SECRET_KEY"), ("REDIS_URL", "PUBLIC_URL", "SIGNING_KEYS")),
        (("DATABASE_URL", "REDIS_URL"), ("PUBLIC_URL", "SECRET_KEY", "SIGNING_KEYS")),
        (("REDIS_URL", "SECRET_KEY"), ("DATABASE_URL",)),
        (("SMTP_URL", "SECRET_KEY"), ("DATABASE_URL",)),
    ],
    ids=str,
)
def test_partial_environment_is_not_completed_from_make_run(
    service: Service,
    tmp_path: Path,
    given: tuple[str, ...],
    missing: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Runs while `make run` is up in the folder, so its connection URLs are found there."""
    engines = {name: service.environ[name] for name in ("LATCHKEY_DATABASE_URL", "LATCHKEY_REDIS_URL")}
    data = tmp_path / "data"
    data.mkdir()
    (data / "running.json").write_text(json.dumps({**engines, "LATCHKEY_SMTP_URL": "smtp://127.0.0.1:1"}))
    values = {
        "DATABASE_URL": "postgresql://nobody:x@127.0.0.1:1/other",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "SMTP_URL": "smtp://127.0.0.1:2",
        "SECRET_KEY": "2b7e151628aed2a6abf7158809cf4f3c",
        "ENV": "development",
    }
    in_folder = {"LATCHKEY_DATA_DIR": str(data)} if "SECRET_KEY" not in given else {}
    environ = in_folder | {f"LATCHKEY_{name}": values[name] for name in given}
    for command in ("users find", "doctor"):
        refused = cli(environ, *command.split())
        assert refused.returncode == 1
        output = refused.stderr + refused.stdout
        assert re.findall("LATCHKEY_([A-Z_]+): must be set", output) == list(missing)


def test_commands_accept_the_explicit_urls_of_make_run(service: Service, tmp_path: Path) -> None:
    engines = {name: service.environ[name] for name in ("LATCHKEY_DATABASE_URL", "LATCHKEY_REDIS_URL")}
    (tmp_path / "running.json").write_text(json.dumps(engines))
    here = {"LATCHKEY_ENV": "development", "LATCHKEY_DATA_DIR": str(tmp_path)}
    for name, value in engines.items():
        assert cli({**here, name: value}, "users", "find").returncode == 0


def test_key_rotation_requires_signing_keys_if_other_settings_are_set(tmp_path: Path) -> None:
    for name in ("LATCHKEY_SECRET_KEY", "LATCHKEY_DATABASE_URL"):
        refused = cli({name: "postgresql://127.0.0.1/accounts"}, "keys", "rotate")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.startswith(f"LATCHKEY_SIGNING_KEYS: must be set when {name} is set. ")
    (tmp_path / "keys").mkdir()
    made = cli({"LATCHKEY_DATA_DIR": str(tmp_path)}, "keys", "rotate")
    assert (made.returncode, made.stderr) == (0, f"development: {tmp_path / 'keys'}\n")
    assert cli({"LATCHKEY_DATA_DIR": str(tmp_path)}, "keys").stdout == made.stdout


@pytest.mark.parametrize("command", ["mail list", "sessions list --email ada@example.org", "clients"])
def test_unmigrated_database_is_reported(isolated_service: Service, command: str) -> None:
    ask(isolated_service, "DROP SCHEMA public CASCADE")
    ask(isolated_service, "CREATE SCHEMA public")
    refused = isolated_service.cli(*command.split())
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("The database has no schema yet, this version needs ")
    assert refused.stderr.endswith(" Run `make migrate`.\n")


@pytest.mark.parametrize(("again", "said"), [(PASSWORD, ""), ("another", "The two passwords do not match.\r\n")])
def test_typed_password_is_confirmed_and_not_echoed(service: Service, again: str, said: str) -> None:
    email = unique_email("typist")
    command = [sys.executable, "-m", "entrypoints.cli", "users", "create", "--email", email, "--verified"]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **service.environ},
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        start_new_session=True,  # so that the terminal of the developer is not used
    )
    os.close(theirs)
    with os.fdopen(ours, "r+b", buffering=0) as terminal:
        shown = b""
        for prompt, typed in ((b"Password: ", PASSWORD), (b"Again: ", again)):
            while not shown.endswith(prompt):
                shown += terminal.read(1000)
            terminal.write(f"{typed}\n".encode())
        assert process.wait(60) == bool(said)
        with suppress(OSError):  # a terminal whose other end is closed raises this
            while more := terminal.read(1000):
                shown += more
    assert PASSWORD.encode() not in shown
    assert shown.decode().endswith(said)
    if not said:
        service.client().log_in(email)


def piped(service: Service, *arguments: str, stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "entrypoints.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, **service.environ},
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("stdin", "password"),
    [
        (b"\xef\xbb\xbfa long walk to the lighthouse\n", "a long walk to the lighthouse"),
        (b"a long walk to the lighthouse\r\n", "a long walk to the lighthouse"),
        (b"\xef\xbb\xbfa long walk to the lighthouse", "a long walk to the lighthouse"),
        (b" a long walk to the lighthouse \nanother line\n", " a long walk to the lighthouse "),
        (
            "дом дерево небо лес \U0001f469\u200d\U0001f680\n".encode(),
            "дом дерево небо лес \U0001f469\u200d\U0001f680",
        ),
    ],
)
@pytest.mark.parametrize("locale", ["C.UTF-8", "POSIX"])
def test_password_from_a_pipe_works_at_login(
    service: Service, stdin: bytes, password: str, locale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    email = unique_email("piper")
    made = piped(service, "users", "create", "--email", email, "--verified", stdin=stdin)
    assert (made.returncode, made.stderr) == (0, b"")
    service.client().log_in(email, password)


@pytest.mark.parametrize(
    ("stdin", "said"),
    [
        (b"a long walk\0to the lighthouse\n", b"U+0000"),
        (b"a long walk\tto the lighthouse\n", b"U+0009"),
        (b"a long walk to the lighthouse\x1b[D\n", b"U+001B"),
        (b"a long walk to the lighthouse\r\r\n", b"U+000D"),
        (b"a long walk to the lighthouse\r", b"U+000D"),
        (b"a long walk\xef\xbb\xbf to the lighthouse\n", b"U+FEFF"),
        (b"\xef\xbb\xbf\xef\xbb\xbfa long walk to the lighthouse\n", b"U+FEFF"),
        (b"a long walk\xe2\x80\x8b to the lighthouse\n", b"U+200B"),
        (b"a long walk\xc2\x85 to the lighthouse\n", b"U+0085"),
        (b"a long walk\xef\xbf\xbf to the lighthouse\n", b"U+FFFF"),
        (b"a long walk\xed\xa0\x80 to the lighthouse\n", b"not valid UTF-8"),
        (b"a long walk\xff to the lighthouse\n", b"not valid UTF-8"),
        ("a long walk to the lighthouse\n".encode("utf-16"), b"not valid UTF-8"),
        ("a long walk to the lighthouse\n".encode("utf-16-be"), b"U+0000"),
        (b"\xef\xbb\xbf\r\n", b"No password was given on standard input"),
    ],
)
def test_unusable_password_input_is_refused(service: Service, stdin: bytes, said: bytes) -> None:
    email = unique_email("untypable")
    environ = {**os.environ, **service.environ}
    refused = run_command(environ, "users", "create", "--email", email, "--verified", stdin=stdin)
    assert (refused.returncode, refused.stdout) == (1, b"")
    assert said in refused.stderr
    assert b"Traceback" not in refused.stderr
    assert ask(service, "SELECT 1 FROM users WHERE email = $1", email) == []


def test_username_on_the_command_line_is_taken_literally(service: Service) -> None:
    email = unique_email("pasted")
    for name in (f"\ufeff{email}", f" {email} ", f"{email}\n"):
        assert service.cli("users", "create", "--email", name, "--verified", stdin=PASSWORD).returncode in {0, 1}
    [user] = json.loads(service.cli("users", "find", f"\ufeff{email}\n", "--json").stdout)
    assert user["email"] == email
    assert service.cli("sessions", "list", "--email", f" {email}").returncode == 0
    for bad in ("a\ufeffb@example.org", "a\x07b@example.org"):
        refused = piped(service, "users", "create", "--email", bad, stdin=PASSWORD.encode())
        assert (refused.returncode, refused.stdout) == (1, b"")
        assert refused.stderr.startswith(b"email_invalid: ")
    for arguments in (("users", "find", "\udcff"), ("clients", "add", "--name", "a\udcff")):
        refused = piped(service, *arguments, stdin=b"")
        assert (refused.returncode, refused.stdout) == (2, b"")
        assert b"is not valid UTF-8" in refused.stderr


def test_an_unverified_user_gets_a_mail_with_a_link(service: Service) -> None:
    email = unique_email("invited")
    name = email.split("@")[0]
    made = service.cli("users", "create", "--email", email, "--username", name, stdin=PASSWORD)
    assert (made.returncode, made.stderr) == (0, "")
    [mail] = ask(service, "SELECT kind, user_id FROM mails WHERE recipient = $1", email)
    assert (mail["kind"], str(mail["user_id"])) == ("verify", made.stdout.strip())
    client = service.client()
    user = client.post("/v1/verify", json={"token": service.token(email)}).json()
    assert (user["username"], user["role"], user["verified"]) == (name, "member", True)
    client.log_in(name)


def test_bcrypt_hash_is_imported_and_replaced_at_the_first_login(service: Service) -> None:
    email = unique_email("moved")
    planted = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    assert planted.startswith("$2b$")
    made = service.cli("users", "create", "--email", email, "--verified", "--password-hash", planted)
    assert (made.returncode, made.stderr) == (0, "")
    [row] = ask(service, "SELECT password_hash FROM users WHERE email = $1", email)
    assert row["password_hash"] == planted
    service.client().log_in(email, "secret")
    [row] = ask(service, "SELECT password_hash FROM users WHERE email = $1", email)
    assert row["password_hash"].startswith("$argon2id$")
    service.client().log_in(email, "secret")


@pytest.mark.parametrize(
    ("arguments", "stdin", "status", "said"),
    [
        (["--email", "nobody", "--verified"], PASSWORD, 1, "email_invalid"),
        (["--email", "empty@example.org"], "", 1, "No password was given on standard input"),
        (["--email", "x@example.org", "--password-hash", "secret"], "", 2, "--password-hash"),
        (["--email", "x@example.org", "--role", "king"], PASSWORD, 2, "must be one of member, moderator, admin"),
    ],
    ids=str,
)
def test_invalid_user_is_refused_with_a_reason(
    service: Service, arguments: list[str], stdin: str, status: int, said: str
) -> None:
    refused = service.cli("users", "create", *arguments, stdin=stdin)
    assert (refused.returncode, refused.stdout) == (status, "")
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
    assert PASSWORD not in refused.stderr
    assert ask(service, "SELECT 1 FROM users WHERE email LIKE '%@example.org' AND email NOT LIKE '%.%@%'") == []


def test_a_granted_role_takes_effect_at_the_next_request(service: Service) -> None:
    client = service.member()
    granted = service.cli("users", "grant", "--email", client.email, "--role", "moderator")
    assert (granted.returncode, granted.stdout) == (0, f"{client.email} is moderator\n")
    assert code(client.get("/v1/me")) == "token_revoked"
    client.take(client.renew())
    assert client.get("/v1/users").status_code == 200


def test_role_for_an_unverified_user_is_refused_with_a_hint(service: Service) -> None:
    email = unique_email("claim")
    assert service.client().post("/v1/register", json={"email": email, "password": PASSWORD}).status_code == 202
    refused = service.cli("users", "grant", "--email", email, "--role", "moderator")
    assert (refused.returncode, refused.stdout) == (1, "")
    [line] = refused.stderr.splitlines()
    assert line.startswith("not_verified: This address is not verified, so anyone may have registered it. ")
    assert "follow" in line
    assert "users create --verified" in line


def test_operator_cannot_remove_the_last_admin(isolated_service: Service) -> None:
    email = "only@example.org"
    isolated_service.user(email, role=Role.ADMIN)
    created = isolated_service.cli(
        "users", "create", "--email", "unverified@example.org", "--role", "admin", stdin=PASSWORD
    )
    assert created.returncode == 0
    refused = isolated_service.cli("users", "grant", "--email", email, "--role", "member")
    assert refused.returncode == 1
    assert "last_admin" in refused.stderr


def test_parked_mails_are_listed_and_redriven(service: Service) -> None:
    client = service.member()
    client.post("/v1/password/forgot", json={"email": client.email})
    service.mail(client.email)
    settled = "SELECT id FROM mails WHERE recipient = $1 AND outcome IS NOT NULL"
    [row] = eventually(lambda: ask(service, settled, client.email))
    ask(service, "UPDATE mails SET outcome = 'parked', note = '550 no such user' WHERE id = $1", row["id"])
    listed = service.cli("mail", "list", "--json")
    assert listed.returncode == 0
    [mail] = [mail for mail in json.loads(listed.stdout) if mail["recipient"] == client.email]
    mail_id = mail["id"]
    assert mail.pop("created_at").endswith("Z")
    assert mail == {"id": str(row["id"]), "kind": "reset", "recipient": client.email, "note": "550 no such user"}
    assert service.cli("mail", "redrive", mail_id).returncode == 0
    assert len(eventually(lambda: ask(service, f"{settled} AND outcome <> 'parked'", client.email))) == 1
    refused = service.cli("mail", "redrive", mail_id)
    assert (refused.returncode, refused.stderr) == (1, "No parked mail has this id.\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("create-user --email ada@example.org", "`users create`"),
        ("grant --email ada@example.org --role admin", "`users grant`"),
        ("import-users users.csv", "`users import`"),
        ("mails", "`mail list`"),
        ("mails redrive --help", "`mail redrive`"),
    ],
)
def test_renamed_command_exits_2_and_names_the_new_one(old: str, new: str) -> None:
    refused = cli({}, *old.split())
    assert (refused.returncode, refused.stdout) == (2, "")
    [line] = refused.stderr.splitlines()
    assert new in line


@pytest.mark.parametrize(
    "command",
    ["frobnicate", "users", "users frobnicate", "users find --verbose", "mail list --js", "doctor now", "--wat", ""],
)
def test_unknown_commands_and_options_exit_2(command: str) -> None:
    refused = cli({}, *command.split())
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "Traceback" not in refused.stderr


def test_version_is_that_of_the_project() -> None:
    process = cli({}, "--version")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (process.returncode, process.stdout) == (0, f"latchkey {project['version']}\n")


@pytest.mark.parametrize("command", ["users find", "mail list", "mail", "clients list", "clients", "keys list"])
def test_list_commands_report_that_there_are_no_rows(isolated_service: Service, tmp_path: Path, command: str) -> None:
    if command == "keys list":
        isolated_service.environ["LATCHKEY_SIGNING_KEYS"] = str(tmp_path)
    listed = isolated_service.cli(*command.split())
    assert (listed.returncode, listed.stderr) == (0, "")
    assert re.fullmatch(r"(No|There are no) .*\.\n", listed.stdout)
    if " " in command:
        as_json = isolated_service.cli(*command.split(), "--json")
        assert (as_json.returncode, as_json.stdout, as_json.stderr) == (0, "[]\n", "")


def test_a_list_has_headers_over_its_columns(service: Service) -> None:
    member = service.member()
    listed = service.cli("users", "find", member.email)
    header, row = listed.stdout.splitlines()
    assert re.split("  +", header) == [
        "ID",
        "EMAIL",
        "USERNAME",
        "ROLE",
        "VERIFIED",
        "DISABLED",
        "CREATED_AT",
        "FACTORS",
    ]
    assert re.split("  +", row)[1:6] == [member.email, "-", "member", "yes", "no"]
    assert all(row[at - 1] == " " for at in (header.index(name) for name in ("EMAIL", "ROLE", "DISABLED")))
    listed = service.cli("sessions", "list", "--email", member.email)
    header, row = listed.stdout.splitlines()
    assert header.split() == ["ID", "CREATED_AT", "LAST_USED_AT", "IP", "USER_AGENT"]
    assert row.startswith(member.pair["session_id"])


def test_a_user_is_found_disabled_enabled_and_deleted(service: Service) -> None:
    email, name = unique_email("subject"), f"subject{uuid4().hex[:8]}"
    service.user(email, username=name)
    client = service.client().log_in(email)
    user = client.get("/v1/me").json()
    service.user(f"{email}anic")
    assert len(json.loads(service.cli("users", "find", email, "--json").stdout)) == 2
    for query in (["--email", email.upper()], [name.upper()], [user["id"]]):
        process = service.cli("users", "find", *query, "--json")
        assert (process.returncode, json.loads(process.stdout)) == (0, [user])
    assert json.loads(service.cli("users", "find", email, "--role", "admin", "--json").stdout) == []

    done = service.cli("users", "disable", "--email", f" {email.upper()}")
    assert (done.returncode, done.stdout) == (0, f"{email} ({user['id']}) is disabled\n")
    assert code(client.get("/v1/me")) == "token_revoked"
    assert code(client.post("/v1/login", json={"login": email, "password": PASSWORD})) == "account_disabled"
    assert service.cli("users", "disable", user["id"]).returncode == 0
    assert json.loads(service.cli("users", "find", "--email", email, "--json").stdout)[0]["disabled"] is True

    done = service.cli("users", "enable", name)
    assert (done.returncode, done.stdout) == (0, f"{email} ({user['id']}) is enabled\n")
    client.log_in(email)
    done = service.cli("users", "delete", "--email", email)
    assert (done.returncode, done.stdout) == (0, f"{email} ({user['id']}) is deleted\n")
    assert code(client.get("/v1/me")) == "token_revoked"
    assert service.cli("users", "find", "--email", email).stdout == "No users found.\n"
    acts = "SELECT action FROM events WHERE user_id = $1 AND actor_id IS NULL ORDER BY id"
    actions = [row["action"] for row in ask(service, acts, UUID(user["id"]))]
    assert actions == ["created", "disabled", "enabled", "deleted"]
    for command in ("disable", "enable", "delete"):
        refused = service.cli("users", command, email)
        assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", "not_found: User not found.\n")


def test_the_last_admin_is_neither_disabled_nor_deleted(isolated_service: Service) -> None:
    isolated_service.user("only@example.org", role=Role.ADMIN)
    for command in ("disable", "delete"):
        refused = isolated_service.cli("users", command, "only@example.org")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.startswith("last_admin: ")


def test_unverified_users_of_an_address_are_distinguished_by_id(service: Service) -> None:
    email = unique_email("claimed")
    for _ in range(2):
        assert service.client().post("/v1/register", json={"email": email, "password": PASSWORD}).status_code == 202
    refused = service.cli("users", "delete", email)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "by its id" in refused.stderr
    first, second = json.loads(service.cli("users", "find", email, "--json").stdout)
    assert service.cli("users", "delete", first["id"]).returncode == 0
    assert service.cli("users", "delete", email).stdout == f"{email} ({second['id']}) is deleted\n"


def test_truncated_search_is_reported(service: Service) -> None:
    prefix = f"many{uuid4().hex[:8]}"
    for number in range(3):
        service.user(f"{prefix}{number}@example.org")
    listed = service.cli("users", "find", prefix, "--limit", "2", "--json")
    assert len(json.loads(listed.stdout)) == 2
    assert "Only the first" in listed.stderr
    assert service.cli("users", "find", prefix, "--limit", "3").stderr == ""


def test_deletion_asks_for_confirmation_on_a_terminal(service: Service) -> None:
    email = service.user("keeper")
    command = [sys.executable, "-m", "entrypoints.cli", "users", "delete", email]
    for answer, left in ((b"\n", 1), (b"n\n", 1), (b"y\n", 0)):
        controller, terminal_end = pty.openpty()
        with os.fdopen(controller, "wb", buffering=0) as terminal:
            terminal.write(answer)
            environ = {**os.environ, **service.environ}
            done = subprocess.run(
                command, cwd=ROOT, env=environ, stdin=terminal_end, capture_output=True, text=True, check=False
            )
            os.close(terminal_end)
        assert email in done.stderr
        assert (done.returncode, len(ask(service, "SELECT 1 FROM users WHERE email = $1", email))) == (left, left)


def test_an_unverified_admin_is_created_with_a_warning(service: Service) -> None:
    email = unique_email("hopeful")
    made = service.cli("users", "create", "--email", email, "--role", "admin", stdin=PASSWORD)
    assert made.returncode == 0
    assert made.stderr.startswith("warning: this user is not verified, so the role admin is not in force yet.")
    assert "--verified" in made.stderr
    assert UUID(made.stdout.strip())
    for quiet in (["--role", "member"], ["--role", "moderator", "--verified"]):
        made = service.cli("users", "create", "--email", unique_email("plain"), *quiet, "--json", stdin=PASSWORD)
        assert (made.returncode, made.stderr) == (0, "")
        assert json.loads(made.stdout)["role"] == quiet[1]


def test_control_characters_of_clients_are_escaped_in_lists(service: Service) -> None:
    email = service.user("painter")
    agent = "\x9b2J\u202eevil"
    client = service.client()
    client.headers["User-Agent"] = agent.encode("latin-1", "replace").decode("latin-1")
    client.log_in(email)
    ask(service, "UPDATE sessions SET user_agent = $1 WHERE id = $2", agent, UUID(client.pair["session_id"]))
    shown = service.cli("sessions", "list", "--email", email).stdout
    assert r"\x9b2J\u202eevil" in shown
    as_json = service.cli("sessions", "list", "--email", email, "--json").stdout
    assert as_json.isascii()
    assert json.loads(as_json)[0]["user_agent"] == agent


@pytest.mark.parametrize("command", ["api", "worker"])
def test_api_and_worker_report_missing_production_settings(command: str) -> None:
    refused = cli({"LATCHKEY_REDIS_URL": "redis://127.0.0.1:1/0"}, command)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("Latchkey cannot start.\nLATCHKEY_DATABASE_URL: must be set\n")


def test_migrate_brings_an_empty_database_up_to_date(isolated_service: Service) -> None:
    ask(isolated_service, "DROP SCHEMA public CASCADE")
    ask(isolated_service, "CREATE SCHEMA public")
    done = isolated_service.cli("migrate")
    assert done.returncode == 0, done.stderr
    assert "Migrated the schema from revision base" in done.stdout
    assert isolated_service.cli("users", "find").stdout == "No users found.\n"


def test_closed_pipe_causes_no_traceback(service: Service) -> None:
    piped = f"{sys.executable} -m entrypoints.cli users --help | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", piped], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr


def test_help_names_every_command(service: Service) -> None:
    process = service.cli("--help")
    assert process.returncode == 0
    assert all(
        command in process.stdout
        for command in ("users", "sessions", "mail", "clients", "keys", "doctor", "api", "worker", "migrate")
    )


def test_missing_setting_is_named(isolated_service: Service) -> None:
    del isolated_service.environ["LATCHKEY_DATABASE_URL"]
    refused = isolated_service.cli("mail")
    assert refused.returncode == 1
    assert "LATCHKEY_DATABASE_URL: must be set" in refused.stderr
    assert "Traceback" not in refused.stderr
    isolated_service.environ["LATCHKEY_DATABASE_URL"] = "postgresql://nobody:hunter2@127.0.0.1:1/none"
    refused = isolated_service.cli("mail")
    assert refused.returncode == 1
    assert "unavailable" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "hunter2" not in refused.stderr
    assert "database_unavailable" not in refused.stderr


def test_sessions_are_listed_and_ended_by_the_operator(service: Service) -> None:
    member = service.member()
    other = service.client().log_in(member.email)
    listed = service.cli("sessions", "list", "--email", member.email, "--json")
    ids = [session["id"] for session in json.loads(listed.stdout)]
    assert (listed.returncode, ids) == (0, [other.pair["session_id"], member.pair["session_id"]])
    assert service.cli("sessions", "end", "--id", ids[0]).returncode == 0
    assert code(other.get("/v1/me")) == "token_revoked"
    assert member.get("/v1/me").status_code == 200
    ended = service.cli("sessions", "end", "--email", member.email)
    assert (ended.returncode, ended.stdout) == (0, "1 ended\n")
    assert code(member.get("/v1/me")) == "token_revoked"
    assert code(member.renew()) == "session_ended"
    unknown = service.cli("sessions", "list", "--email", unique_email("nobody"))
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "not_found" in unknown.stderr
    assert service.cli("sessions", "end").returncode == 2


# -- standard output that cannot be written ----------------------------------------------------------------


def with_output(service: Service, redirection: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command with its standard output redirected by a shell, where no file may grow: like a full disk."""
    command = [sys.executable, "-m", "entrypoints.cli", *arguments]
    return subprocess.run(
        ["/bin/sh", "-c", f'ulimit -f 0; exec "$@" {redirection}', "sh", *command],
        cwd=ROOT,
        env={**os.environ, **service.environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("arguments", ["--help", "users find", "keys list --json"])
def test_output_to_a_full_disk_is_reported_in_one_line(service: Service, tmp_path: Path, arguments: str) -> None:
    done = with_output(service, f">{shlex.quote(str(tmp_path / 'output'))}", *arguments.split())
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "standard output: File too large")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("redirection", [">output", ">&-"])
def test_no_client_is_added_if_its_secret_cannot_be_printed(
    service: Service, tmp_path: Path, redirection: str
) -> None:
    name = f"unseen-{uuid4()}"
    redirection = redirection.replace("output", shlex.quote(str(tmp_path / "output")))
    assert with_output(service, redirection, "clients", "add", "--name", name).returncode == 1
    assert name not in service.cli("clients", "list").stdout


def test_a_full_disk_for_keys_or_a_listing_is_reported_by_its_path(service: Service, tmp_path: Path) -> None:
    rotated = with_output(service, "", "keys", "rotate")
    folder = Path(service.environ["LATCHKEY_DATA_DIR"]) / "keys"
    assert (rotated.returncode, rotated.stderr.splitlines()[-1]) == (
        1,
        f"LATCHKEY_SIGNING_KEYS: {folder}: File too large",
    )
    rows, listing = tmp_path / "users.jsonl", tmp_path / "listing"
    rows.write_text('{"email": "not an address"}\n')
    imported = with_output(service, "", "users", "import", str(rows), "--list", str(listing))
    assert (imported.returncode, imported.stderr.splitlines()[-1]) == (1, f"{listing}: File too large")

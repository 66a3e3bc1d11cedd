"""What operators do from the command line, in processes of their own."""

import asyncio
import json
import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from domain.role import Role
from tests.entrypoints.service import PASSWORD, ROOT, Service, address, code, eventually
from tests.entrypoints.sweeping import fetch


def ask(service: Service, question: str, *values: object) -> list[Any]:
    return asyncio.run(fetch(service, question, *values))


def test_an_admin_is_made_from_nothing_and_can_govern(service: Service) -> None:
    email = address("root")
    made = service.cli(
        "create-user", "--email", email.upper(), "--role", "admin", "--verified", stdin=f"{PASSWORD}\n"
    )
    assert (made.returncode, made.stderr) == (0, "")
    admin = service.client().log_in(email)
    user = admin.get("/v1/me").json()
    assert (user["id"], user["email"]) == (made.stdout.strip(), email)
    assert (user["role"], user["verified"]) == ("admin", True)
    assert admin.get("/v1/users").status_code == 200
    assert ask(service, "SELECT 1 FROM mails WHERE recipient = $1", email) == []
    again = service.cli("create-user", "--email", email, stdin=f"{PASSWORD}\n")
    assert (again.returncode, again.stdout) == (1, "")
    assert "already" in again.stderr


def cli(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "entrypoints.cli", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environ, input=PASSWORD, capture_output=True, text=True, timeout=60, check=False
    )


def test_who_names_no_database_is_told_whose_it_is(service: Service, tmp_path: Path) -> None:
    engines = {name: service.environ[name] for name in ("LATCHKEY_DATABASE_URL", "LATCHKEY_REDIS_URL")}
    (tmp_path / "running.json").write_text(json.dumps(engines))
    email = address("local")
    made = cli({"LATCHKEY_DATA_DIR": str(tmp_path)}, "create-user", "--email", email)
    assert (made.returncode, made.stderr) == (0, f"development: {tmp_path}\n")
    [user] = ask(service, "SELECT id FROM users WHERE email = $1", email)
    assert made.stdout == f"{user['id']}\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LATCHKEY_SECRET_KEY", "0123456789abcdef0123456789abcdef"),
        ("LATCHKEY_SIGNING_KEYS", "/etc/latchkey/keys"),
        ("LATCHKEY_PUBLIC_URL", "https://accounts.example.org"),
    ],
)
def test_nobody_acts_on_a_laptops_database_with_the_settings_of_another(name: str, value: str) -> None:
    refused = cli({name: value}, "create-user", "--email", "root@example.org", "--role", "admin", "--verified")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"LATCHKEY_DATABASE_URL: must be set where {name} is; ")
    refused = cli({name: value}, "doctor")
    assert (refused.returncode, refused.stderr) == (1, "")
    assert refused.stdout.startswith(f"wrong    settings    LATCHKEY_DATABASE_URL: must be set where {name} is; ")


def test_nobody_makes_a_laptop_a_key_that_another_installation_needs(tmp_path: Path) -> None:
    for name in ("LATCHKEY_SECRET_KEY", "LATCHKEY_DATABASE_URL"):
        refused = cli({name: "postgresql://127.0.0.1/accounts"}, "keys", "rotate")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.startswith(f"LATCHKEY_SIGNING_KEYS: must be set where {name} is; ")
    (tmp_path / "keys").mkdir()
    made = cli({"LATCHKEY_DATA_DIR": str(tmp_path)}, "keys", "rotate")
    assert (made.returncode, made.stderr) == (0, f"development: {tmp_path / 'keys'}\n")
    assert cli({"LATCHKEY_DATA_DIR": str(tmp_path)}, "keys").stdout == made.stdout


@pytest.mark.parametrize("command", ["mails", "sessions list --email ada@example.org", "clients"])
def test_a_database_that_nobody_has_migrated_is_named(apart: Service, command: str) -> None:
    ask(apart, "DROP SCHEMA public CASCADE")
    ask(apart, "CREATE SCHEMA public")
    refused = apart.cli(*command.split())
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("The database has no schema yet, this version needs ")
    assert refused.stderr.endswith(" Run `make migrate`.\n")


@pytest.mark.parametrize(("again", "said"), [(PASSWORD, ""), ("another", "These are two different passwords.\r\n")])
def test_a_password_that_is_typed_is_typed_twice_and_not_shown(service: Service, again: str, said: str) -> None:
    email = address("typist")
    command = [sys.executable, "-m", "entrypoints.cli", "create-user", "--email", email, "--verified"]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **service.environ},
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        start_new_session=True,  # so that nobody's own terminal is asked
    )
    os.close(theirs)
    with os.fdopen(ours, "r+b", buffering=0) as terminal:
        shown = b""
        for prompt, typed in ((b"Password: ", PASSWORD), (b"Again: ", again)):
            while not shown.endswith(prompt):
                shown += terminal.read(1000)
            terminal.write(f"{typed}\n".encode())
        assert process.wait(60) == bool(said)
        with suppress(OSError):  # which is how a terminal says that nobody is there any more
            while more := terminal.read(1000):
                shown += more
    assert PASSWORD.encode() not in shown
    assert shown.decode().endswith(said)
    if not said:
        service.client().log_in(email)


def test_an_unverified_user_gets_a_mail_with_a_link(service: Service) -> None:
    email = address("invited")
    name = email.split("@")[0]
    made = service.cli("create-user", "--email", email, "--username", name, stdin=PASSWORD)
    assert (made.returncode, made.stderr) == (0, "")
    [mail] = ask(service, "SELECT kind, user_id FROM mails WHERE recipient = $1", email)
    assert (mail["kind"], str(mail["user_id"])) == ("verify", made.stdout.strip())
    client = service.client()
    user = client.post("/v1/verify", json={"token": service.token(email)}).json()
    assert (user["username"], user["role"], user["verified"]) == (name, "member", True)
    client.log_in(name)


def test_a_bcrypt_hash_is_taken_over_and_replaced_at_the_first_login(service: Service) -> None:
    email = address("moved")
    planted = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    assert planted.startswith("$2b$")
    made = service.cli("create-user", "--email", email, "--verified", "--password-hash", planted)
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
        (["--email", "empty@example.org"], "", 1, "no password on stdin"),
        (["--email", "x@example.org", "--password-hash", "secret"], "", 2, "--password-hash"),
        (["--email", "x@example.org", "--role", "king"], PASSWORD, 2, "must be one of member, moderator, admin"),
    ],
    ids=str,
)
def test_what_cannot_be_made_is_refused_with_a_reason(
    service: Service, arguments: list[str], stdin: str, status: int, said: str
) -> None:
    refused = service.cli("create-user", *arguments, stdin=stdin)
    assert (refused.returncode, refused.stdout) == (status, "")
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
    assert PASSWORD not in refused.stderr
    assert ask(service, "SELECT 1 FROM users WHERE email LIKE '%@example.org' AND email NOT LIKE '%.%@%'") == []


def test_a_granted_role_is_in_force_at_the_next_request(service: Service) -> None:
    client = service.member()
    granted = service.cli("grant", "--email", client.email, "--role", "moderator")
    assert (granted.returncode, granted.stdout) == (0, f"{client.email} is moderator\n")
    assert code(client.get("/v1/me")) == "token_revoked"
    client.take(client.renew())
    assert client.get("/v1/users").status_code == 200


def test_a_role_for_the_unproven_is_refused_with_what_to_do(service: Service) -> None:
    email = address("claim")
    assert service.client().post("/v1/register", json={"email": email, "password": PASSWORD}).status_code == 202
    refused = service.cli("grant", "--email", email, "--role", "moderator")
    assert (refused.returncode, refused.stdout) == (1, "")
    [line] = refused.stderr.splitlines()
    assert line.startswith("not_verified: This address has not been proven, so anybody may have claimed it. ")
    assert "follow" in line
    assert "create-user --verified" in line


def test_the_last_admin_stays_even_for_the_operator(apart: Service) -> None:
    email = "only@example.org"
    apart.user(email, role=Role.ADMIN)
    unproven = apart.cli("create-user", "--email", "unproven@example.org", "--role", "admin", stdin=PASSWORD)
    assert unproven.returncode == 0
    refused = apart.cli("grant", "--email", email, "--role", "member")
    assert refused.returncode == 1
    assert "last_admin" in refused.stderr


def test_mails_that_were_given_up_are_listed_and_tried_again(service: Service) -> None:
    client = service.member()
    client.post("/v1/password/forgot", json={"email": client.email})
    service.mail(client.email)
    settled = "SELECT id FROM mails WHERE recipient = $1 AND outcome IS NOT NULL"
    [row] = eventually(lambda: ask(service, settled, client.email))
    ask(service, "UPDATE mails SET outcome = 'parked', note = '550 no such user' WHERE id = $1", row["id"])
    listed = service.cli("mails", "list")
    assert listed.returncode == 0
    [line] = [line for line in listed.stdout.splitlines() if client.email in line]
    mail_id, kind, recipient, when, note = line.split("\t")
    assert (mail_id, kind, recipient, note) == (str(row["id"]), "reset", client.email, "550 no such user")
    assert when.endswith("Z")
    assert service.cli("mails", "redrive", mail_id).returncode == 0
    assert len(eventually(lambda: ask(service, f"{settled} AND outcome <> 'parked'", client.email))) == 1
    refused = service.cli("mails", "redrive", mail_id)
    assert (refused.returncode, refused.stderr) == (1, "No parked mail has this id.\n")


def test_help_names_every_command(service: Service) -> None:
    said = service.cli("--help")
    assert said.returncode == 0
    assert all(command in said.stdout for command in ("create-user", "grant", "mails", "clients", "doctor"))


def test_a_setting_that_is_missing_is_named(apart: Service) -> None:
    del apart.environ["LATCHKEY_DATABASE_URL"]
    refused = apart.cli("mails")
    assert refused.returncode == 1
    assert "LATCHKEY_DATABASE_URL: must be set" in refused.stderr
    assert "Traceback" not in refused.stderr
    apart.environ["LATCHKEY_DATABASE_URL"] = "postgresql://nobody:hunter2@127.0.0.1:1/none"
    refused = apart.cli("mails")
    assert refused.returncode == 1
    assert "unavailable" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "hunter2" not in refused.stderr
    assert "database_unavailable" not in refused.stderr


def test_sessions_are_listed_and_ended_by_the_operator(service: Service) -> None:
    member = service.member()
    other = service.client().log_in(member.email)
    listed = service.cli("sessions", "list", "--email", member.email)
    ids = [line.split("\t")[0] for line in listed.stdout.splitlines()]
    assert (listed.returncode, ids) == (0, [other.pair["session_id"], member.pair["session_id"]])
    assert service.cli("sessions", "end", "--id", ids[0]).returncode == 0
    assert code(other.get("/v1/me")) == "token_revoked"
    assert member.get("/v1/me").status_code == 200
    ended = service.cli("sessions", "end", "--email", member.email)
    assert (ended.returncode, ended.stdout) == (0, "1 ended\n")
    assert code(member.get("/v1/me")) == "token_revoked"
    assert code(member.renew()) == "session_ended"
    nobody = service.cli("sessions", "list", "--email", address("nobody"))
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert "not_found" in nobody.stderr
    assert service.cli("sessions", "end").returncode == 2

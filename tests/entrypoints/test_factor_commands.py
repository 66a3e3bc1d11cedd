"""`latchkey factors` and `latchkey encryption-keys`, run as operators run them."""

import asyncio
import json
from pathlib import Path
from secrets import token_hex
from typing import Any

from entrypoints.settings import load
from tests.support.service import Service, unique_email
from tests.support.stored_secrets import SECRET, secret_under, store_secret
from tests.support.sweeping import fetch
from tests.support.totp_app import TotpApp


def ask(service: Service, question: str, *values: object) -> list[Any]:
    return asyncio.run(fetch(service, question, *values))


def user_with_totp(service: Service, email: str) -> TotpApp:
    client = service.client().log_in(service.user(email))
    options = client.post("/v1/factors/totp/options").json()
    app = TotpApp(options["secret"])
    body = {"challenge": options["challenge"], "code": app.code(), "name": "Ada's phone"}
    assert client.post("/v1/factors/totp", json=body).status_code == 201
    return app


def test_operator_lists_and_resets_second_factors(service: Service) -> None:
    email = unique_email("lost")
    user_with_totp(service, email)
    [user] = ask(service, "SELECT id FROM users WHERE email = $1", email)
    listed = service.cli("factors", "list", "--user", email)
    assert (listed.returncode, listed.stderr) == (0, "")
    header, row, codes = listed.stdout.splitlines()
    assert header.split() == ["ID", "KIND", "NAME", "CREATED_AT", "LAST_USED_AT", "BACKED_UP"]
    assert "  totp  Ada's phone  " in row
    assert codes.startswith("10 recovery codes left, created ")
    document = json.loads(service.cli("factors", "list", "--user", str(user["id"]), "--json").stdout)
    [factor] = document["items"]
    assert (factor["kind"], factor["name"], factor["backed_up"]) == ("totp", "Ada's phone", None)
    assert document["recovery_codes"]["left"] == 10

    done = service.cli("factors", "reset", "--user", email)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 removed, all sessions ended\n", "")
    assert service.client().log_in(email).get("/v1/factors").json() == {"items": [], "recovery_codes": None}
    [event] = ask(service, "SELECT actor_id FROM events WHERE user_id = $1 AND action = 'factors_reset'", user["id"])
    assert event["actor_id"] is None
    done = service.cli("factors", "reset", "--user", email)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "This user has no second factor.\n")


def test_factors_of_an_unknown_user_are_not_found(service: Service) -> None:
    refused = service.cli("factors", "list", "--user", "unknown@example.org")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("not_found: ")


def test_operator_enables_second_factors_after_an_upgrade(isolated_service: Service) -> None:
    ask(isolated_service, "DELETE FROM factor_enrolment")
    done = isolated_service.cli("factors", "enable")
    assert (done.returncode, done.stdout) == (0, "Users can add second factors now.\n")
    again = isolated_service.cli("factors", "enable")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "Second factors are already enabled.\n")


# -- encryption keys -----------------------------------------------------------------------------------


def test_secrets_are_encrypted_with_the_newest_key(isolated_service: Service, tmp_path: Path) -> None:
    url, file = isolated_service.environ["LATCHKEY_DATABASE_URL"], tmp_path / "keys"
    new, old, lost = token_hex(32), token_hex(32), token_hex(32)
    isolated_service.environ["LATCHKEY_ENCRYPTION_KEYS_FILE"] = str(file)
    file.write_text(f"{new},{old}\n")
    factors = [asyncio.run(store_secret(url, key)) for key in (old, old, new)]
    done = isolated_service.cli("encryption-keys", "rotate")
    assert (done.returncode, done.stdout) == (0, "2 encrypted with the newest key\n")
    note = f"Remove the older keys from {file} in five minutes, and keep them with older backups.\n"
    assert done.stderr == note
    assert {asyncio.run(secret_under(url, factor, new)) for factor in factors} == {SECRET}
    assert file.read_text() == f"{new},{old}\n"

    file.write_text(new)
    stranger = asyncio.run(store_secret(url, lost))
    done = isolated_service.cli("encryption-keys", "rotate")
    lines = done.stdout.splitlines()
    assert (done.returncode, lines[0]) == (1, "0 encrypted with the newest key")
    assert lines[2].startswith(f"{stranger}  ")
    assert done.stderr == "1 cannot be decrypted: their key is not in LATCHKEY_ENCRYPTION_KEYS.\n"
    assert asyncio.run(secret_under(url, stranger, lost)) == SECRET
    file.write_text(f"{new},{lost}")
    done = isolated_service.cli("encryption-keys", "rotate", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"encrypted": 1, "lost": []}


def test_rotation_in_development_makes_a_key(isolated_service: Service) -> None:
    url = isolated_service.environ["LATCHKEY_DATABASE_URL"]
    [old] = load(isolated_service.environ).encryption_keys
    factor = asyncio.run(store_secret(url, old.decode()))
    done = isolated_service.cli("encryption-keys", "rotate")
    assert (done.returncode, done.stdout) == (0, "1 encrypted with the newest key\n")
    new, kept = load(isolated_service.environ).encryption_keys
    assert kept == old
    assert asyncio.run(secret_under(url, factor, new.decode())) == SECRET

"""The caller's own account over HTTP: username, deletion and export."""

import asyncio
import base64
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from entrypoints.devserver import engines
from tests.entrypoints.conftest import migrate
from tests.support.service import PASSWORD, Client, DatabaseFactory, Service, code, eventually, unique_email
from tests.support.sweeping import fetch
from tests.support.totp_app import add_totp

LATER = "the password that comes later"


def name() -> str:
    """A username that no other test uses."""
    return f"n{uuid4().hex[:20]}"


# -- username ------------------------------------------------------------------------------------------


def test_username_is_set_changed_and_removed(service: Service) -> None:
    member = service.member()
    before, first, second = member.get("/v1/me").json(), name(), name()
    for wanted in (first, first, first.upper(), second, None):
        answer = member.patch("/v1/me", json={"username": wanted})
        assert (answer.status_code, answer.json()) == (200, {**before, "username": wanted})
        assert member.get("/v1/me").json() == answer.json()
    events = [event["action"] for event in member.get("/v1/me/events").json()["items"]]
    assert events.count("username_changed") == 4
    assert code(member.post("/v1/login", json={"login": second, "password": PASSWORD})) == "invalid_credentials"


def test_taken_or_invalid_username_is_refused_with_its_field(service: Service) -> None:
    taken = name()
    service.user("holder", username=taken)
    member, unverified = service.member(), service.client()
    email = unique_email("unverified")
    unverified.post("/v1/register", json={"email": email, "password": PASSWORD})
    unverified.log_in(email)
    for client in (member, unverified):
        for wanted, said in (
            (taken, "username_taken"),
            (taken.upper(), "username_taken"),
            ("a b", "username_invalid"),
        ):
            answer = client.patch("/v1/me", json={"username": wanted})
            assert code(answer) == said
            assert [error["field"] for error in answer.json()["errors"]] == ["username"]
        assert client.get("/v1/me").json()["username"] is None


@pytest.mark.parametrize("field", ["role", "verified", "email", "id", "disabled", "password", "created_at"])
def test_other_fields_of_the_caller_cannot_be_changed(service: Service, field: str) -> None:
    member = service.member()
    before = member.get("/v1/me").json()
    for value in ("admin", True, None):
        for body in ({field: value}, {"username": None, field: value}):
            assert code(member.patch("/v1/me", json=body)) == "malformed"
    assert code(member.patch("/v1/me", json={})) == "malformed"
    assert member.get("/v1/me").json() == before


@pytest.mark.anyio
async def test_of_twenty_concurrent_renames_to_one_name_one_succeeds(service: Service) -> None:
    wanted = name()
    members = [service.client().log_in(service.user(f"rival{number}")) for number in range(20)]
    async with httpx.AsyncClient(base_url=service.url, timeout=30) as client:
        requests = [
            client.patch("/v1/me", json={"username": wanted}, headers=dict(member.headers)) for member in members
        ]
        answers = await asyncio.gather(*requests)
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 19}
    assert {code(answer) for answer in answers if answer.status_code == 409} == {"username_taken"}


# -- deletion ------------------------------------------------------------------------------------------


def delete(client: httpx.Client, password: str = PASSWORD) -> httpx.Response:
    return client.request("DELETE", "/v1/me", json={"password": password})


def test_deleted_account_leaves_no_valid_token_or_link(service: Service) -> None:
    here = service.member()
    there = service.client().log_in(here.email)
    here.post("/v1/password/forgot", json={"email": here.email})
    link = service.token(here.email)
    answer = delete(here)
    assert (answer.status_code, answer.content) == (204, b"")
    for client in (here, there):
        assert code(client.get("/v1/me")) == "token_revoked"
        assert code(client.renew()) == "session_ended"
    assert code(here.post("/v1/login", json={"login": here.email, "password": PASSWORD})) == "invalid_credentials"
    reset = {"token": link, "new_password": PASSWORD, "confirm_password": PASSWORD}
    assert code(here.post("/v1/password/reset", json=reset)) == "link_invalid"
    assert "deleted" in service.mail(here.email, 2)["subject"]
    assert code(delete(here)) == "token_revoked"


def test_next_user_of_an_address_sees_no_old_data(service: Service) -> None:
    taken, email = name(), unique_email("again")
    old = service.client().log_in(service.user(email, username=taken))
    assert delete(old).status_code == 204
    new = service.client()
    assert new.post("/v1/register", json={"email": email, "password": PASSWORD, "username": taken}).status_code == 202
    found = [mail for mail in eventually(lambda: service.mails(email)[1:]) if "token=" in mail.as_string()]
    assert len(found) == 1
    assert new.post("/v1/verify", json={"token": service.token(email, 2)}).status_code == 200
    new.log_in(email)
    assert new.get("/v1/me").json()["username"] == taken
    assert len(new.get("/v1/sessions").json()["items"]) == 1
    events = [event["action"] for event in new.get("/v1/me/events").json()["items"]]
    assert events == ["logged_in", "verified", "registered"]
    assert code(old.get("/v1/me")) == "token_revoked"


def test_deletion_by_password_can_be_undone_from_the_mailbox(service: Service) -> None:
    thief = service.member()
    email, owner = thief.email, service.client()
    user = thief.get("/v1/me").json()
    assert delete(thief).status_code == 204
    undone = owner.post("/v1/email/confirm", json={"token": service.token(email)})
    assert (undone.status_code, undone.json()) == (200, user)
    assert code(thief.post("/v1/login", json={"login": email, "password": PASSWORD})) == "invalid_credentials"
    new = {"new_password": "a password of the owner's", "confirm_password": "a password of the owner's"}
    assert owner.post("/v1/password/reset", json={"token": service.token(email, 2), **new}).status_code == 204
    owner.log_in(email, "a password of the owner's")
    assert owner.get("/v1/me").json() == user
    assert code(thief.get("/v1/me")) == "token_revoked"


def test_deletion_after_an_email_change_can_be_undone_from_the_old_mailbox(service: Service) -> None:
    thief = service.member()
    email, loot, owner = thief.email, unique_email("thief"), service.client()
    user = thief.get("/v1/me").json()
    assert thief.post("/v1/email/change", json={"new_email": loot, "password": PASSWORD}).status_code == 202
    assert thief.post("/v1/email/confirm", json={"token": service.token(loot)}).status_code == 200
    assert delete(thief).status_code == 204
    owner.post("/v1/password/forgot", json={"email": email})
    undone = owner.post("/v1/email/confirm", json={"token": service.token(email, 3)})
    assert (undone.status_code, undone.json()) == (200, user)
    assert code(thief.post("/v1/email/confirm", json={"token": service.token(loot, 2)})) == "link_invalid"


def test_wrong_or_missing_password_deletes_nothing(service: Service) -> None:
    member = service.member()
    answer = delete(member, "not the right password")
    assert code(answer) == "invalid_credentials"
    assert answer.json()["errors"][0]["field"] == "password"
    assert code(member.delete("/v1/me")) == "malformed"
    empty = member.request("DELETE", "/v1/me", headers={"Content-Type": "application/json"})
    assert code(empty) == "malformed"
    assert code(member.request("DELETE", "/v1/me", json={"password": PASSWORD, "id": "x"})) == "malformed"
    assert code(member.request("DELETE", "/v1/me", params={"password": PASSWORD})) == "malformed"
    assert member.get("/v1/me").status_code == 200


def test_last_admin_cannot_be_deleted_but_one_of_several_can(isolated_service: Service) -> None:
    isolated_service.start_api()
    first = isolated_service.admin()
    assert code(delete(first)) == "last_admin"
    second = isolated_service.admin()
    assert delete(second).status_code == 204
    assert code(delete(first)) == "last_admin"
    assert first.get("/v1/me").status_code == 200


@pytest.mark.anyio
async def test_concurrent_requests_leave_nothing_valid_after_deletion(service: Service) -> None:
    """Concurrent logins, refreshes and a reset: each fails, or its session ends with the deletion."""
    for _ in range(6):
        member = service.member()
        member.post("/v1/password/forgot", json={"email": member.email})
        reset = {"token": service.token(member.email), "new_password": LATER, "confirm_password": LATER}
        login = {"login": member.email, "password": PASSWORD}
        async with httpx.AsyncClient(base_url=service.url, timeout=30) as client:
            refresh = {"refresh_token": member.pair["refresh_token"]}
            end = client.request("DELETE", "/v1/me", json={"password": PASSWORD}, headers=dict(member.headers))
            others = [client.post("/v1/login", json=login), client.post("/v1/refresh", json=refresh)]
            others.append(client.post("/v1/password/reset", json=reset))
            ended, *answers = await asyncio.gather(end, *others, client.post("/v1/login", json=login))
            assert not [answer.status_code for answer in answers if answer.status_code == 500]
            pairs = [member.pair, *(answer.json() for answer in answers if answer.status_code == 200)]
            if ended.status_code != 204:  # the reset came first and changed the password
                assert code(ended) in {"invalid_credentials", "token_revoked"}
                assert answers[2].status_code == 204
            else:
                assert code(answers[2]) == "link_invalid"
                again = await client.post("/v1/login", json={**login, "password": LATER})
                assert code(again) == "invalid_credentials"
            for pair in pairs:
                bearer = {"Authorization": f"Bearer {pair['access_token']}"}
                assert (await client.get("/v1/me", headers=bearer)).status_code == 401
                again = await client.post("/v1/refresh", json={"refresh_token": pair["refresh_token"]})
                assert again.status_code == 401


# -- export --------------------------------------------------------------------------------------------


def test_export_contains_all_stored_data(service: Service) -> None:
    member = service.member()
    member.post("/v1/password/forgot", json={"email": member.email})
    new_email = unique_email("new")
    member.post("/v1/email/change", json={"new_email": new_email, "password": PASSWORD})
    links = [service.token(member.email, 1), service.token(member.email, 2), service.token(new_email)]
    other = service.client().log_in(member.email)
    other.post("/v1/logout")
    answer = member.get("/v1/me/export")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-disposition"] == 'attachment; filename="latchkey-export.json"'
    assert answer.headers["cache-control"] == "no-store"
    document = answer.json()
    factors = {"factors", "recovery_codes", "undo_points"}
    account = {"user", "account", "address_changes", "invitations"}
    assert set(document) == {*account, "sessions", "events", "mails", *factors}
    assert document["account"] == {"language": None, "provenance": "operator", "imported_at": None}
    assert (document["factors"], document["recovery_codes"], document["undo_points"]) == ([], None, [])
    assert [session["amr"] for session in document["sessions"]] == [["pwd"], ["pwd"]]
    assert {session["kind"] for session in document["sessions"]} == {"token"}
    assert document["user"] == member.get("/v1/me").json()
    assert [change["new_email"] for change in document["address_changes"]] == [new_email]
    assert [session["id"] for session in document["sessions"]] == [
        other.pair["session_id"],
        member.pair["session_id"],
    ]
    assert [session["end_reason"] for session in document["sessions"]] == ["logout", None]
    assert document["events"] == member.get("/v1/me/events").json()["items"]
    assert document["events"][0]["action"] == "exported"
    kinds = {(mail["kind"], mail["recipient"]) for mail in document["mails"]}
    assert kinds == {("reset", member.email), ("email_change_asked", member.email), ("confirm_email", new_email)}
    assert {mail["outcome"] for mail in document["mails"]} == {"sent"}
    secrets = {*links, PASSWORD, *(member.pair[name] for name in ("access_token", "refresh_token"))}
    rows = asyncio.run(fetch(service, "SELECT password_hash FROM users WHERE email = $1", member.email))
    assert not [secret for secret in (*secrets, rows[0]["password_hash"]) if secret in answer.text]


def test_export_contains_factors_without_secrets(service: Service) -> None:
    member = service.member()
    app, factor = add_totp(member, name="My phone")
    answer = member.get("/v1/me/export")
    document = answer.json()
    [exported] = document["factors"]
    same = {"id": factor["id"], "kind": "totp", "name": "My phone", "created_at": factor["created_at"]}
    assert exported == {**same, "last_used_at": None, "backed_up": None, "removed_at": None}
    assert document["recovery_codes"]["left"] == 10
    [point] = document["undo_points"]
    assert (point["kind"], point["email"], point["closed_at"]) == ("totp_added", member.email, None)
    [row] = asyncio.run(fetch(service, "SELECT encrypted_secret FROM factors WHERE id = $1", UUID(factor["id"])))
    secrets = {app.secret, *factor["recovery_codes"], base64.b64encode(row["encrypted_secret"]).decode()}
    assert not [secret for secret in secrets if secret in answer.text]


def test_export_matches_openapi(service: Service) -> None:
    client = service.member()
    add_totp(client)
    schema = client.get("/openapi.json").json()["components"]["schemas"]
    client.post("/v1/password/forgot", json={"email": client.email})
    eventually(lambda: client.get("/v1/me/export").json()["mails"])
    document = client.get("/v1/me/export").json()
    assert set(document) == set(schema["ExportResponse"]["properties"])
    for name, shape in (
        ("sessions", "ExportedSession"),
        ("events", "EventResponse"),
        ("mails", "ExportedMail"),
        ("factors", "ExportedFactor"),
        ("undo_points", "ExportedUndoPoint"),
    ):
        assert set(document[name][0]) == set(schema[shape]["properties"])


@pytest.fixture(scope="module")
def user_with_many_events(shared_service: Service) -> Iterator[Client]:
    """A user with 20,000 events."""
    client = Client(shared_service).log_in(shared_service.user("storied"))
    happened = """
        INSERT INTO events (id, action, user_id, created_at, ip, user_agent, detail)
        SELECT gen_random_uuid(), 'logged_in', $1, now(), '192.0.2.7', repeat('Mozilla ', 30), ''
        FROM generate_series(1, 20000)
    """
    asyncio.run(fetch(shared_service, happened, UUID(client.get("/v1/me").json()["id"])))
    yield client
    client.close()


def test_long_export_is_complete(user_with_many_events: Client) -> None:
    events = user_with_many_events.get("/v1/me/export").json()["events"]
    ids = [event["id"] for event in events]
    assert len(ids) > 20000
    assert ids == sorted(set(ids), reverse=True)


def test_disconnected_client_of_an_export_breaks_nothing(service: Service, user_with_many_events: Client) -> None:
    for _ in range(20):
        with user_with_many_events.stream("GET", "/v1/me/export") as answer:
            next(answer.iter_raw())
    assert user_with_many_events.get("/v1/me").status_code == 200
    assert user_with_many_events.get("/health/ready").json() == {"status": "ok"}


def test_outage_is_reported_or_truncates_the_export(databases: DatabaseFactory, tmp_path: Path) -> None:
    """A truncated document never looks complete."""
    with engines.postgres(tmp_path / "postgres", durable=False) as postgres:
        migrate(postgres.url)
        made = Service(tmp_path, postgres.url, databases()[1], processes=1)
        try:
            made.start_api()
            client = made.member()
            happened = """
                INSERT INTO events (id, action, user_id, created_at, ip, user_agent, detail)
                SELECT gen_random_uuid(), 'logged_in', id, now(), '192.0.2.7', repeat('Mozilla ', 30), ''
                FROM users, generate_series(1, 100000)
            """
            asyncio.run(fetch(made, happened))
            with client.stream("GET", "/v1/me/export") as answer:
                assert answer.status_code == 200
                pieces = answer.iter_raw()
                next(pieces)
                postgres.kill()
                with pytest.raises(httpx.RemoteProtocolError):
                    list(pieces)
            assert code(client.get("/v1/me/export")) == "unavailable"
        finally:
            made.close_clients()
            made.stop()

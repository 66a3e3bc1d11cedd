"""The caller's own sessions, and sessions that expire."""

import asyncio
from collections.abc import Iterator
from uuid import UUID, uuid4

import jwt
import pytest

from tests.support.service import PASSWORD, Client, DatabaseFactory, Service, code, unique_email
from tests.support.sweeping import fetch


def test_own_sessions_are_listed_with_the_current_one_marked(service: Service) -> None:
    phone = service.member()
    laptop = service.client()
    laptop.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux) ünïcode\t\u200b"
    laptop.log_in(phone.email)
    service.member()  # another user
    answer = laptop.get("/v1/sessions")
    assert answer.status_code == 200
    assert set(answer.json()) == {"items"}
    newest, oldest = answer.json()["items"]
    fields = {"id", "created_at", "last_used_at", "user_agent", "ip", "current"}
    assert set(newest) == set(oldest) == fields
    assert (newest["id"], newest["current"]) == (laptop.pair["session_id"], True)
    assert (oldest["id"], oldest["current"]) == (phone.pair["session_id"], False)
    assert newest["ip"] == "127.0.0.1"
    assert newest["user_agent"].startswith("Mozilla/5.0 (X11; Linux)")
    assert newest["created_at"] == newest["last_used_at"]
    assert newest["created_at"].endswith("Z")

    phone.take(phone.renew())
    renewed, untouched = phone.get("/v1/sessions").json()["items"][::-1]
    assert renewed["current"] is True
    assert renewed["last_used_at"] > renewed["created_at"] == oldest["created_at"]
    assert untouched == {**newest, "current": False}


def test_ended_session_is_refused_everywhere_and_others_continue(service: Service) -> None:
    here = service.member()
    there, elsewhere = service.client().log_in(here.email), service.client().log_in(here.email)
    path = f"/v1/sessions/{there.pair['session_id']}"
    answer = here.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    for _ in range(8):
        with service.client() as fresh:
            assert code(fresh.get("/v1/me", headers=dict(there.headers))) == "token_revoked"
    assert code(there.renew()) == "session_ended"
    assert [client.get("/v1/me").status_code for client in (here, elsewhere)] == [200, 200]
    left = [session["id"] for session in here.get("/v1/sessions").json()["items"]]
    assert left == [elsewhere.pair["session_id"], here.pair["session_id"]]
    assert here.delete(path).status_code == 204
    events = [event["action"] for event in here.get("/v1/me/events").json()["items"]]
    assert events.count("session_ended") == 1


def test_ending_the_current_session_is_a_logout(service: Service) -> None:
    member = service.member()
    assert member.delete(f"/v1/sessions/{member.pair['session_id']}").status_code == 204
    assert code(member.get("/v1/sessions")) == "token_revoked"
    assert code(member.renew()) == "session_ended"


def test_session_of_another_user_looks_unknown(service: Service) -> None:
    """Not even an admin can end it here; there is another call for that."""
    member, stranger, admin = service.member(), service.member(), service.admin()
    for client in (stranger, admin):
        foreign = client.delete(f"/v1/sessions/{member.pair['session_id']}")
        none = client.delete(f"/v1/sessions/{uuid4()}")
        assert code(foreign) == code(none) == "not_found"
        assert foreign.content == none.content
    assert member.get("/v1/me").status_code == 200
    assert member.renew().status_code == 200


def test_unverified_user_lists_and_ends_sessions(service: Service) -> None:
    email = unique_email("unverified")
    client = service.client()
    client.post("/v1/register", json={"email": email, "password": PASSWORD})
    client.log_in(email)
    lost = service.client().log_in(email)
    assert len(client.get("/v1/sessions").json()["items"]) == 2
    assert client.delete(f"/v1/sessions/{lost.pair['session_id']}").status_code == 204
    assert code(lost.get("/v1/me")) == "token_revoked"


# -- expiry --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def short_sessions(databases: DatabaseFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that allows two sessions a user; they expire after 100 seconds unused, or 150 seconds in all."""
    made = Service(tmp_path_factory.mktemp("brief"), *databases(), processes=1)
    made.environ |= {
        "LATCHKEY_REFRESH_TTL": "100",
        "LATCHKEY_SESSION_TTL": "150",
        "LATCHKEY_MAX_SESSIONS": "2",
    }
    made.start_api()
    yield made
    made.close_clients()
    made.stop()


def age_session(client: Client, seconds: int) -> None:
    """Let time pass for one session: move all of its times into the past."""
    moments = ("created_at", "rotated_at", "expires_at")
    earlier = ", ".join(f"{moment} = {moment} - make_interval(secs => $1)" for moment in moments)
    change = f"UPDATE sessions SET {earlier} WHERE id = $2"
    asyncio.run(fetch(client.service, change, float(seconds), UUID(client.pair["session_id"])))


def test_unused_session_expires(short_sessions: Service) -> None:
    member = short_sessions.member()
    assert int(member.pair["refresh_expires_in"]) == 100
    age_session(member, 60)
    member.take(member.renew())
    assert 70 < int(member.pair["refresh_expires_in"]) <= 90  # until the maximum age
    age_session(member, 95)
    assert code(member.renew()) == "token_expired"
    assert code(member.renew()) == "token_expired"


def test_session_expires_at_its_maximum_age_despite_use(short_sessions: Service) -> None:
    member = short_sessions.member()
    for left in (100, 100, 90, 60, 30):
        member.take(member.renew())
        assert left - 10 < int(member.pair["refresh_expires_in"]) <= left
        assert int(member.pair["expires_in"]) <= left
        age_session(member, 30)
    assert code(member.renew()) == "token_expired"
    other = short_sessions.client().log_in(member.email)
    listed = [session["id"] for session in other.get("/v1/sessions").json()["items"]]
    assert listed == [other.pair["session_id"]]


def test_token_never_outlives_its_session(short_sessions: Service) -> None:
    """An access token lives ten minutes, but a session of 100 seconds expires earlier."""
    member = short_sessions.member()
    claims = jwt.decode(member.pair["access_token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 100


def test_oldest_session_is_evicted_and_refused_at_once(short_sessions: Service) -> None:
    oldest = short_sessions.member()
    second, third = short_sessions.client().log_in(oldest.email), short_sessions.client().log_in(oldest.email)
    assert code(oldest.get("/v1/me")) == "token_revoked"
    assert code(oldest.renew()) == "session_ended"
    for client in (second, third):
        assert client.get("/v1/me").status_code == 200
        client.take(client.renew())
    events = [event["action"] for event in third.get("/v1/me/events").json()["items"]]
    assert events[:3] == ["session_evicted", "logged_in", "logged_in"]
    listed = [session["id"] for session in third.get("/v1/sessions").json()["items"]]
    assert listed == [third.pair["session_id"], second.pair["session_id"]]

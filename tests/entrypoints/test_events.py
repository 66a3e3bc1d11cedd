"""The audit log over HTTP: for the owner of an account, and for moderators and admins."""

from domain.role import Role
from tests.support.service import PASSWORD, Service, code, unique_email


def actions(page: dict[str, list[dict[str, str]]]) -> list[str]:
    return [event["action"] for event in page["items"]]


def test_owner_reads_events_newest_first(service: Service) -> None:
    email = unique_email("owner")
    client = service.client()
    client.headers["User-Agent"] = "Lynx/2"
    assert client.post("/v1/register", json={"email": email, "password": PASSWORD}).status_code == 202
    assert client.post("/v1/verify", json={"token": service.token(email)}).status_code == 200
    client.log_in(email)
    page = client.get("/v1/me/events").json()
    assert actions(page) == ["logged_in", "verified", "registered"]
    newest = page["items"][0]
    assert set(newest) == {"id", "action", "user_id", "actor_id", "created_at", "ip", "user_agent", "detail"}
    assert (newest["ip"], newest["user_agent"]) == ("127.0.0.1", "Lynx/2")
    assert newest["actor_id"] == newest["user_id"] == client.get("/v1/me").json()["id"]
    assert page["items"][1]["actor_id"] is None
    assert page["next_cursor"] is None


def test_event_shows_the_origin_of_a_reused_token(service: Service) -> None:
    client, thief = service.member(), service.client()
    stolen = client.pair["refresh_token"]
    for _ in range(2):
        client.take(client.renew())
    thief.headers["User-Agent"] = "Lynx/3"
    assert code(thief.renew(stolen)) == "refresh_reused"
    [_, event, *_] = client.log_in(client.email).get("/v1/me/events").json()["items"]
    assert (event["action"], event["actor_id"]) == ("refresh_reused", None)
    assert (event["ip"], event["user_agent"]) == ("127.0.0.1", "Lynx/3")


def test_pages_follow_their_cursors(service: Service) -> None:
    member = service.member()
    for _ in range(4):
        service.client().log_in(member.email)
    everything = member.get("/v1/me/events").json()["items"]
    first = member.get("/v1/me/events", params={"limit": 4}).json()
    rest = member.get("/v1/me/events", params={"limit": 4, "cursor": first["next_cursor"]}).json()
    assert first["items"] + rest["items"] == everything
    assert (len(everything), rest["next_cursor"]) == (6, None)
    for bad in ("x", "", "=" * 24, first["next_cursor"] + "A"):
        assert code(member.get("/v1/me/events", params={"cursor": bad})) == "malformed"


def test_moderators_read_events_of_all_users_including_deleted(service: Service) -> None:
    admin, member = service.admin(), service.member()
    moderator = service.client().log_in(service.user("moderator", role=Role.MODERATOR))
    user_id = member.get("/v1/me").json()["id"]
    assert admin.patch(f"/v1/users/{user_id}", json={"disabled": True}).status_code == 200
    assert admin.delete(f"/v1/users/{user_id}").status_code == 204
    page = moderator.get(f"/v1/users/{user_id}/events").json()
    assert actions(page) == ["deleted", "disabled", "logged_in", "created"]
    assert {event["actor_id"] for event in page["items"][:2]} == {admin.get("/v1/me").json()["id"]}
    assert {event["ip"] for event in page["items"][1:]} == {""}
    assert code(moderator.get("/v1/users/01939c00-0000-7000-8000-000000000000/events")) == "not_found"


def test_members_read_their_own_events_only(service: Service) -> None:
    member, other = service.member(), service.member()
    user_id = other.get("/v1/me").json()["id"]
    assert code(member.get(f"/v1/users/{user_id}/events")) == "role_required"
    assert code(service.client().get("/v1/me/events")) == "token_missing"
    assert code(member.get("/v1/me/events", params={"user_id": user_id})) == "malformed"


def test_events_hide_addresses_of_admins_from_moderators(service: Service) -> None:
    admin, member = service.admin(), service.member()
    moderator = service.client().log_in(service.user("moderator", role=Role.MODERATOR))
    admin_id = admin.get("/v1/me").json()["id"]
    member_id = member.get("/v1/me").json()["id"]
    assert admin.post(f"/v1/users/{member_id}/logout").status_code == 204
    for reader, ip in ((moderator, ""), (admin, "127.0.0.1")):
        for user_id in (admin_id, member_id):
            newest = reader.get(f"/v1/users/{user_id}/events").json()["items"][0]
            assert newest["actor_id"] == admin_id
            assert (newest["ip"], bool(newest["user_agent"])) == (ip, bool(ip))
    logged_in = moderator.get(f"/v1/users/{member_id}/events").json()["items"][1]
    assert (logged_in["action"], logged_in["ip"]) == ("logged_in", "127.0.0.1")

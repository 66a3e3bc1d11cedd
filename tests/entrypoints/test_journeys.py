"""Journeys of users over HTTP and mail, from the registration to the last logout."""

from tests.support.service import PASSWORD, Service, code, unique_email

NEW_PASSWORD = "something else that is long"


def test_user_registers_verifies_logs_in_logs_out_and_recovers(service: Service) -> None:
    email = unique_email("alice")
    name = email.split("@")[0]
    client = service.client()
    answer = client.post("/v1/register", json={"email": email, "password": PASSWORD, "username": name})
    assert (answer.status_code, answer.json()) == (202, {"status": "verification_sent"})

    token = service.token(email)
    answer = client.post("/v1/verify", json={"token": token})
    assert answer.status_code == 200
    user = answer.json()
    assert set(user) == {"id", "email", "username", "role", "verified", "disabled", "created_at", "factors"}
    assert (user["email"], user["username"], user["role"]) == (email, name, "member")
    assert (user["verified"], user["disabled"]) == (True, False)
    assert user["created_at"].endswith("Z")
    assert client.post("/v1/verify", json={"token": token}).json() == user

    client.log_in(email.upper())
    assert set(client.pair) == {
        "access_token",
        "token_type",
        "expires_in",
        "refresh_token",
        "refresh_expires_in",
        "session_id",
    }
    assert client.pair | {"token_type": "Bearer", "expires_in": 600} == client.pair
    assert client.get("/v1/me").json() == user

    answer = client.renew()
    assert answer.status_code == 200
    assert answer.json()["session_id"] == client.pair["session_id"]
    client.take(answer)
    assert client.get("/v1/me").status_code == 200
    answer = client.post("/v1/logout")
    assert (answer.status_code, answer.content) == (204, b"")
    assert code(client.get("/v1/me")) == "token_revoked"
    assert code(client.renew()) == "session_ended"

    assert client.post("/v1/password/forgot", json={"email": email}).status_code == 202
    reset = {"token": service.token(email, 2), "new_password": NEW_PASSWORD, "confirm_password": NEW_PASSWORD}
    answer = client.post("/v1/password/reset", json=reset)
    assert (answer.status_code, answer.content) == (204, b"")
    assert code(client.post("/v1/password/reset", json=reset)) == "link_invalid"
    assert code(client.post("/v1/login", json={"login": email, "password": PASSWORD})) == "invalid_credentials"
    client.log_in(name, NEW_PASSWORD)
    assert "password" in service.mail(email, 3)["subject"].lower()


def test_known_address_gets_the_same_response_and_its_owner_a_notice(service: Service) -> None:
    member = service.member()
    known = member.post("/v1/register", json={"email": member.email, "password": "an intruder's own password"})
    unknown = member.post("/v1/register", json={"email": unique_email(), "password": "an intruder's own password"})
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    varying = {"x-request-id", "date"}
    assert {name for name in known.headers if name not in varying} == {
        name for name in unknown.headers if name not in varying
    }
    assert "token=" not in service.mail(member.email).as_string()
    assert member.get("/v1/me").status_code == 200
    login = {"login": member.email, "password": "an intruder's own password"}
    assert code(member.post("/v1/login", json=login)) == "invalid_credentials"


def test_first_verification_wins_over_the_squatter(service: Service) -> None:
    email = unique_email("victim")
    squatter, owner = service.client(), service.client()
    squatter.post("/v1/register", json={"email": email, "password": "planted by the squatter"})
    squatter.log_in(email, "planted by the squatter")
    squatters_link = service.token(email)
    owner.post("/v1/register", json={"email": email, "password": PASSWORD})
    assert owner.post("/v1/verify", json={"token": service.token(email, 2)}).status_code == 200
    assert code(squatter.get("/v1/me")) == "token_revoked"
    assert code(squatter.renew()) == "session_ended"
    assert code(owner.post("/v1/verify", json={"token": squatters_link})) == "link_invalid"
    # Either user may have opened the mail, so the owner of the mailbox has to choose a new password.
    assert code(owner.post("/v1/login", json={"login": email, "password": PASSWORD})) == "invalid_credentials"
    new = {"new_password": PASSWORD, "confirm_password": PASSWORD}
    assert owner.post("/v1/password/reset", json={"token": service.token(email, 3), **new}).status_code == 204
    login = {"login": email, "password": "planted by the squatter"}
    assert code(squatter.post("/v1/login", json=login)) == "invalid_credentials"
    owner.log_in(email)


def test_reset_of_an_unverified_user_verifies_the_address(service: Service) -> None:
    email = unique_email("claim")
    client = service.client()
    client.post("/v1/register", json={"email": email, "password": "planted by another user"})
    client.post("/v1/password/forgot", json={"email": email})
    service.mail(email, 2)
    token = next(
        token
        for token in (service.token(email, 1), service.token(email, 2))
        if client.post(
            "/v1/password/reset", json={"token": token, "new_password": PASSWORD, "confirm_password": PASSWORD}
        ).status_code
        == 204
    )
    assert token
    assert client.log_in(email).get("/v1/me").json()["verified"] is True


def test_verification_can_be_resent(service: Service) -> None:
    email = unique_email("again")
    client = service.client()
    client.post("/v1/register", json={"email": email, "password": PASSWORD})
    service.mail(email)
    for address in (email, unique_email("nobody")):
        answer = client.post("/v1/verify/resend", json={"email": address})
        assert (answer.status_code, answer.json()) == (202, {"status": "verification_sent"})
    assert client.post("/v1/verify", json={"token": service.token(email, 2)}).status_code == 200


def test_unverified_user_logs_in_but_has_no_role(service: Service) -> None:
    email = unique_email("unverified")
    client = service.client()
    client.post("/v1/register", json={"email": email, "password": PASSWORD})
    client.log_in(email)
    assert client.get("/v1/me").json()["verified"] is False
    assert code(client.get("/v1/users")) == "not_verified"
    client.post("/v1/verify", json={"token": service.token(email)})
    assert code(client.get("/v1/users")) == "role_required"


def test_changing_the_password_renews_this_session_and_ends_the_others(service: Service) -> None:
    here = service.member()
    there = service.client().log_in(here.email)
    before = dict(here.pair)
    wrong = {"current_password": "not the right one at all", "new_password": NEW_PASSWORD}
    assert code(here.post("/v1/password/change", json=wrong)) == "invalid_credentials"
    right = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert code(here.post("/v1/password/change", json={**right, "confirm_password": "x" * 20})) == "password_mismatch"
    answer = here.post("/v1/password/change", json={**right, "new_password": "short", "confirm_password": "x" * 20})
    assert code(answer) == "password_mismatch"
    assert {error["field"] for error in answer.json()["errors"]} == {"confirm_password", "new_password"}
    answer = here.post("/v1/password/change", json=right)
    assert answer.status_code == 200
    assert answer.json()["session_id"] != before["session_id"]
    here.take(answer)
    assert here.get("/v1/me").status_code == 200
    assert code(there.get("/v1/me")) == "token_revoked"
    assert code(there.renew()) == "session_ended"
    assert code(here.renew(before["refresh_token"])) == "session_ended"
    assert "password" in service.mail(here.email)["subject"].lower()


def test_logout_everywhere_ends_every_session(service: Service) -> None:
    here = service.member()
    there = service.client().log_in(here.email)
    assert here.post("/v1/logout/all").status_code == 204
    for client in (here, there):
        assert code(client.get("/v1/me")) == "token_revoked"
        assert code(client.renew()) == "session_ended"


def test_reused_refresh_token_ends_the_session_with_a_notice(service: Service) -> None:
    client = service.member()
    first = client.pair["refresh_token"]
    client.take(client.renew())
    client.take(client.renew())
    assert code(client.renew(first)) == "refresh_reused"
    assert code(client.renew()) == "session_ended"
    assert code(client.get("/v1/me")) == "token_revoked"
    service.mail(client.email)


def test_role_changes_take_effect_at_once(service: Service) -> None:
    admin, member = service.admin(), service.member()
    member_id = member.get("/v1/me").json()["id"]
    assert code(member.get(f"/v1/users/{member_id}")) == "role_required"
    answer = admin.patch(f"/v1/users/{member_id}", json={"role": "moderator"})
    assert (answer.status_code, answer.json()["role"]) == (200, "moderator")
    assert code(member.get("/v1/me")) == "token_revoked"
    member.take(member.renew())
    assert member.get(f"/v1/users/{member_id}").json()["role"] == "moderator"
    assert code(member.patch(f"/v1/users/{member_id}", json={"role": "admin"})) == "role_required"
    admin_id = admin.get("/v1/me").json()["id"]
    assert code(member.post(f"/v1/users/{admin_id}/logout")) == "forbidden"
    admin.patch(f"/v1/users/{member_id}", json={"role": "member"})
    assert code(member.get(f"/v1/users/{member_id}")) == "token_revoked"
    member.take(member.renew())
    assert code(member.get(f"/v1/users/{member_id}")) == "role_required"


def test_disabling_ends_sessions_at_once_and_enabling_restores_none(service: Service) -> None:
    admin, member = service.admin(), service.member()
    member_id = member.get("/v1/me").json()["id"]
    assert admin.patch(f"/v1/users/{member_id}", json={"disabled": True}).json()["disabled"] is True
    assert code(member.get("/v1/me")) == "token_revoked"
    assert code(member.renew()) == "session_ended"
    right = member.post("/v1/login", json={"login": member.email, "password": PASSWORD})
    assert code(right) == "account_disabled"
    wrong = member.post("/v1/login", json={"login": member.email, "password": "not the right password"})
    assert code(wrong) == "invalid_credentials"
    admin.patch(f"/v1/users/{member_id}", json={"disabled": False})
    assert code(member.renew()) == "session_ended"
    member.log_in(member.email)


def test_deleted_user_leaves_no_valid_token_or_link(service: Service) -> None:
    admin, member = service.admin(), service.member()
    member_id = member.get("/v1/me").json()["id"]
    member.post("/v1/password/forgot", json={"email": member.email})
    link = service.token(member.email)
    assert admin.delete(f"/v1/users/{member_id}").status_code == 204
    assert code(admin.get(f"/v1/users/{member_id}")) == "not_found"
    assert code(member.get("/v1/me")) == "token_revoked"
    assert code(member.renew()) == "session_ended"
    reset = {"token": link, "new_password": NEW_PASSWORD, "confirm_password": NEW_PASSWORD}
    assert code(member.post("/v1/password/reset", json=reset)) == "link_invalid"
    assert code(admin.delete(f"/v1/users/{member_id}")) == "not_found"


def test_users_are_listed_in_pages(service: Service) -> None:
    admin = service.admin()
    prefix = unique_email("page").split("@")[0]
    for number in range(5):
        service.user(f"{prefix}.{number}@example.org", username=f"{prefix[:24]}.{number}")
    seen: list[str] = []
    cursor: str | None = None
    while True:
        asked = {"query": prefix.upper(), "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = admin.get("/v1/users", params=asked).json()
        seen += [user["email"] for user in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        assert len(page["items"]) == 2
    assert seen == [f"{prefix}.{number}@example.org" for number in range(5)]
    admins = admin.get("/v1/users", params={"role": "admin", "limit": 200}).json()["items"]
    assert {user["role"] for user in admins} == {"admin"}
    for bad in ({"limit": "0"}, {"limit": "x"}, {"role": "king"}, {"cursor": "abc"}, {"sort": "password_hash"}):
        assert code(admin.get("/v1/users", params=bad)) == "malformed"


def test_a_cursor_of_another_list_is_refused(service: Service) -> None:
    """It would silently omit users."""
    admin = service.admin()
    prefix = unique_email("list").split("@")[0]
    for number in range(2):
        service.user(f"{prefix}.{number}@example.org")
    search, all_users = (
        admin.get("/v1/users", params={"limit": 1, "query": query}).json()["next_cursor"] for query in (prefix, "")
    )
    for bad in ({"query": prefix, "cursor": all_users}, {"cursor": search}, {"query": "x", "cursor": search}):
        assert code(admin.get("/v1/users", params=bad)) == "malformed"
    assert code(admin.get("/v1/me/events", params={"cursor": search})) == "malformed"

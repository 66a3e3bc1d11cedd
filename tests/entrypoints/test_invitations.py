"""Invitations over HTTP, and the modes of registration."""

import re
from email.message import EmailMessage
from typing import Any

import pytest

from domain.role import Role
from tests.support.in_process import inside
from tests.support.service import PASSWORD, Client, Service, code, unique_email
from tests.support.sweeping import stored_rows


def invite(inviter: Client, email: str, **body: str) -> dict[str, Any]:
    answer = inviter.post("/v1/invitations", json={"email": email, **body})
    assert answer.status_code == 201, answer.text
    sent: dict[str, Any] = answer.json()
    return sent


def test_invited_person_logs_in_after_accepting(service: Service) -> None:
    admin, email = service.admin(), unique_email("invited")
    sent = invite(admin, email, role=Role.MODERATOR)
    assert (sent["email"], sent["role"], sent["status"], sent["user_id"]) == (email, "moderator", "open", None)
    body = {"token": service.token(email), "password": PASSWORD}
    person = service.client()

    accepted = person.post("/v1/invitations/accept", json=body)

    assert accepted.status_code == 200, accepted.text
    user = accepted.json()
    assert (user["email"], user["role"], user["verified"]) == (email, "moderator", True)
    person.log_in(email)
    listed = person.get("/v1/invitations?limit=200").json()["items"]
    [found] = [one for one in listed if one["id"] == sent["id"]]
    assert found == {**sent, "status": "accepted", "user_id": user["id"]}
    again = person.post("/v1/invitations/accept", json=body)
    assert (again.status_code, code(again)) == (400, "link_invalid")
    [exported] = person.get("/v1/me/export").json()["invitations"]
    assert (exported["id"], exported["email"]) == (sent["id"], email)
    taken = admin.post("/v1/invitations", json={"email": email})
    assert (taken.status_code, code(taken)) == (409, "email_taken")


def test_invitations_are_revoked_and_listed_in_pages(service: Service) -> None:
    admin, member = service.admin(), service.member()
    sent = [invite(admin, unique_email("paged"))["id"] for _ in range(3)]
    for number, status in ((204, None), (404, "not_found")):
        answer = admin.delete(f"/v1/invitations/{sent[1]}")
        assert answer.status_code == number
        assert status is None or code(answer) == status
    first = admin.get("/v1/invitations?limit=2").json()
    rest = admin.get(f"/v1/invitations?limit=2&cursor={first['next_cursor']}").json()
    found = [*first["items"], *rest["items"]][:3]
    assert [(one["id"], one["status"]) for one in found] == [
        (sent[2], "open"),
        (sent[1], "revoked"),
        (sent[0], "open"),
    ]
    for answer in (
        member.get("/v1/invitations"),
        member.post("/v1/invitations", json={"email": unique_email()}),
        member.delete(f"/v1/invitations/{sent[0]}"),
    ):
        assert (answer.status_code, code(answer)) == (403, "role_required")


def test_mail_of_an_invitation_names_no_inviter(service: Service) -> None:
    admin, email = service.admin(), unique_email("guest")
    admin.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    invite(admin, email)
    mail = service.mail(email)
    assert mail["Subject"] == "You are invited to Latchkey"
    for kind in ("plain", "html"):
        part = mail.get_body((kind,))
        assert isinstance(part, EmailMessage)
        text = part.get_content()
        assert email in text
        assert re.search(r"\d+ \w+ \d{4} at \d\d:\d\d UTC", text)
        assert not re.search(rf"127\.0\.0\.1|Firefox|{re.escape(admin.email)}", text)


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["invited", "closed"])
async def test_registration_over_http_follows_its_mode(service: Service, mode: str) -> None:
    email = service.user("inviter", role=Role.MODERATOR)
    pair = service.client().log_in(email).pair
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    async with inside(service, LATCHKEY_REGISTRATION=mode) as client:
        registered = await client.post("/v1/register", json={"email": unique_email(), "password": PASSWORD})
        invited = await client.post("/v1/invitations", json={"email": unique_email()}, headers=headers)
        accepted = await client.post("/v1/invitations/accept", json={"token": "forged", "password": PASSWORD})
        documented = (await client.get("/openapi.json")).json()["paths"]["/v1/register"]["post"]["responses"]
    assert (registered.status_code, code(registered)) == (403, "registration_closed")
    assert "`registration_closed`" in documented["403"]["description"]
    if mode == "invited":
        assert (invited.status_code, code(accepted)) == (201, "link_invalid")
    else:
        assert (code(invited), code(accepted)) == ("registration_closed", "registration_closed")


# -- page -------------------------------------------------------------------------------------------------


def test_invitation_page_shows_the_address_and_changes_nothing(service: Service) -> None:
    admin, email, client = service.admin(), unique_email("guest"), service.client()
    invite(admin, email)
    token = service.token(email)
    before = stored_rows(service)
    for method in ("GET", "HEAD", "GET", "OPTIONS"):
        answer = client.request(method, f"/invitation?token={token}&utm_source=mail")
        assert answer.status_code in {200, 204}
        assert (method == "GET") == (email in answer.text)
    assert stored_rows(service) == before
    assert email not in client.get(f"/invitation?token={token}x").text


def test_invitation_page_shows_each_error_beside_its_field(service: Service) -> None:
    admin, email, client = service.admin(), unique_email("guest"), service.client()
    invite(admin, email)
    form = {"token": service.token(email), "username": '<b>"', "password": "short"}
    page = client.post("/invitation", data=form)
    assert page.status_code == 422
    assert "<title>Error: " in page.text
    for name in ("username", "password"):
        assert re.search(rf'<input id="{name}"[^>]* aria-invalid="true" aria-describedby="{name}-error', page.text)
        assert re.search(rf'<p class="bad" id="{name}-error" role="alert">[^<]+<', page.text)
    assert "<b>" not in page.text
    assert "short" not in page.text
    done = client.post("/invitation", data=form | {"username": "", "password": PASSWORD})
    assert "Your account is ready" in done.text
    for dead in (client.get("/invitation", params={"token": form["token"]}), client.post("/invitation", data=form)):
        assert "This link is not valid" in dead.text
        assert "ask the person who invited you" in dead.text
    service.client().log_in(email)

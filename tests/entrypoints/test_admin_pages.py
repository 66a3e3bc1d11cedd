"""The pages for invitations, undelivered mail and clients."""

import asyncio
import re

import httpx

from domain.role import Role
from tests.support.page import Document
from tests.support.service import PASSWORD, Service, eventually, unique_email
from tests.support.sweeping import fetch
from tests.support.visitor import Visitor

INVITATIONS = "/users/invitations"


def visitor(service: Service, role: Role = Role.ADMIN) -> Visitor:
    return Visitor(service).sign_in(service.user(role, role=role))


def activity_of(person: Visitor) -> str:
    return " ".join(person.open("/account/events").text.split())


def paths_on(page: Document) -> list[str]:
    return [httpx.URL(link).path for link in page.links]


def row_of(page: Document, text: str) -> str:
    """The HTML of the row that has this text."""
    rows: list[str] = re.findall(r"<li>.*?</li>", page.answer.text, re.DOTALL)
    [found] = [row for row in rows if text in row]
    return found


def test_moderator_invites_a_person_and_revokes_the_invitation(service: Service) -> None:
    moderator, email, other = visitor(service, Role.MODERATOR), unique_email("guest"), unique_email("other")
    page = moderator.submit(INVITATIONS, email=email)
    assert "The invitation is on its way." in page.text
    assert "Open," in row_of(page, email)
    accepted = service.client().post("/invitation", data={"token": service.token(email), "password": PASSWORD})
    assert accepted.status_code == 200
    assert "Accepted," in row_of(moderator.open(INVITATIONS), email)

    row = row_of(moderator.submit(INVITATIONS, email=other), other)
    [place] = re.findall(r'href="[./]*(/users/invitations/[^"]*/revoke)"', row.replace("../users", "/users"))
    assert other in moderator.open(place).text
    token = service.token(other)
    page = moderator.submit(place)
    assert "The invitation is revoked." in page.text
    assert "Revoked," in row_of(page, other)
    dead = service.client().post("/invitation", data={"token": token, "password": PASSWORD})
    assert dead.status_code == 400
    page = moderator.submit(place, status=404)
    assert page.alerts == ["Invitation not found."]


def test_only_admins_invite_to_a_higher_role(service: Service) -> None:
    moderator, admin, email = visitor(service, Role.MODERATOR), visitor(service), unique_email("higher")
    assert "role" not in moderator.open(INVITATIONS).form(INVITATIONS).fields
    refused = moderator.post(INVITATIONS, {"email": email, "role": "admin"})
    assert refused.status_code == 403
    assert Document(refused).alerts == ["Only admins can invite to a role above member."]
    assert Document(refused).form(INVITATIONS).fields["email"] == email
    row = row_of(admin.submit(INVITATIONS, email=email, role="moderator"), email)
    assert "Moderator" in row
    place = re.findall(r"users/invitations/[^\"]*/revoke", row)[0]
    page = moderator.submit(f"/{place}", status=403)
    assert page.alerts == ["Only admins can revoke an invitation to a role above member."]


def test_refused_invitation_is_explained_beside_the_field(service: Service) -> None:
    admin, known = visitor(service), service.user("known")
    for email, status in (("no address", 422), (known, 409)):
        page = admin.submit(INVITATIONS, email=email, status=status)
        assert page.error_of("email")
        assert page.form(INVITATIONS).fields["email"] == email


def test_client_is_added_with_a_secret_that_is_shown_once(service: Service) -> None:
    admin, name = visitor(service), f"<b>{unique_email('notes')[:20]}"
    page = admin.submit("/users/clients/new", name=name)
    assert name in page.text
    client_id, secret = re.findall(r"<code>([^<]+)</code>", page.answer.text)
    assert page.answer.headers["Cache-Control"] == "no-store"

    def introspect() -> httpx.Response:
        return service.client().post("/v1/introspect", auth=(client_id, secret), data={"token": "x"})

    assert introspect().json() == {"active": False}
    listed = admin.open("/users/clients")
    assert name in listed.text
    assert secret not in listed.answer.text

    assert name in admin.open(f"/users/clients/{client_id}/remove").text
    page = admin.submit(f"/users/clients/{client_id}/remove")
    assert "The client is removed." in page.text
    assert introspect().status_code == 401
    admin.open(f"/users/clients/{client_id}/remove", status=404)
    assert admin.post(f"/users/clients/{client_id}/remove").status_code == 404
    for done in ("Client added", "Client removed"):
        assert activity_of(admin).count(done) == 1
    page = admin.submit("/users/clients/new", name=" ", status=400)
    assert page.error_of("name") == "A name must have 1 to 64 printable characters."


def test_undelivered_mail_is_listed_and_queued_again(service: Service) -> None:
    admin, email = visitor(service), unique_email("parked")
    service.client().post("/v1/register", json={"email": email, "password": PASSWORD})
    service.mail(email)
    parked = "UPDATE mails SET outcome = 'parked', note = '550 <i>no' WHERE recipient = $1 AND outcome = 'sent'"
    [row] = eventually(lambda: asyncio.run(fetch(service, f"{parked} RETURNING id", email)))
    page = admin.open("/users/mails")
    assert "550 <i>no" in page.text
    assert "<i>" not in page.answer.text
    [form] = [form for form in page.forms if form.fields.get("mail_id") == str(row["id"])]
    page = admin.send(form)
    assert "The email is queued again." in page.text
    assert email not in page.text
    sent = "SELECT id FROM mails WHERE id = $1 AND outcome = 'sent'"
    assert eventually(lambda: asyncio.run(fetch(service, sent, row["id"])))
    for mail_id in (str(row["id"]), "none"):
        answer = admin.post("/users/mails", {"mail_id": mail_id})
        assert answer.status_code == 404
        assert Document(answer).alerts == ["This email is no longer waiting."]
    assert activity_of(admin).count("Undelivered mail queued again") == 1


def test_moderators_see_no_mail_and_no_clients(service: Service) -> None:
    moderator, admin = visitor(service, Role.MODERATOR), visitor(service)
    for path in ("/users/mails", "/users/clients", "/users/clients/new"):
        moderator.open(path, status=403)
    assert set(paths_on(moderator.open("/users"))).isdisjoint({"/users/mails", "/users/clients"})
    assert {"/users/mails", "/users/clients"} <= set(paths_on(admin.open("/users")))


def test_stale_admin_confirms_first_and_returns_to_the_page(service: Service) -> None:
    admin = visitor(service)
    asyncio.run(
        fetch(
            service,
            "UPDATE sessions SET authenticated_at = now() - interval '1 hour'"
            " WHERE user_id = (SELECT id FROM users WHERE email = $1)",
            admin.email,
        )
    )
    for method, path in (("GET", "/users/clients/new"), ("POST", "/users/clients/new"), ("POST", "/users/mails")):
        answer = admin.client.request(
            method,
            path,
            data=None if method == "GET" else {"name": "x", "mail_id": "x"},
            headers={"Sec-Fetch-Site": "same-origin"},
        )
        assert answer.status_code == 303
        assert answer.headers["location"].endswith(f"confirm?return_to={path}")
    admin.step_up(password=PASSWORD)
    assert admin.open("/users/clients/new").heading == "Add a client"

"""The pages about users, as moderators and admins use them."""

import asyncio
import re
from html import unescape
from urllib.parse import urlencode

import asyncpg
import httpx

from domain.role import Role
from tests.support.page import Document
from tests.support.service import Service, unique_email
from tests.support.sweeping import fetch
from tests.support.visitor import Visitor

ACTS = ("role", "disable", "enable", "sign-out", "reset-factors", "delete")


def visitor(service: Service, role: Role = Role.ADMIN) -> Visitor:
    return Visitor(service).sign_in(service.user(role, role=role))


def place_of(service: Service, email: str) -> str:
    """The path of the page of a user."""
    [row] = asyncio.run(fetch(service, "SELECT id FROM users WHERE email = $1", email))
    return f"/users/{row['id']}"


def text_of(page: Document) -> str:
    return " ".join(page.text.split())


def paths_on(page: Document) -> set[str]:
    return {httpx.URL(link).path for link in page.links}


def link_to(page: Document, query: str) -> str:
    """The link to another part of a list."""
    found = {link for link in page.links if query in link}
    return str(httpx.URL(found.pop()).raw_path.decode()) if found else ""


async def sql(service: Service, statement: str, *values: object) -> None:
    connection = await asyncpg.connect(service.environ["LATCHKEY_DATABASE_URL"])
    try:
        await connection.execute(statement, *values)
    finally:
        await connection.close()


def test_admin_finds_a_user_and_opens_the_page(service: Service) -> None:
    admin, name = visitor(service), f"wanted-{unique_email()[-20:-12]}"
    email = service.user("wanted", username=name)
    place = place_of(service, email)
    for query, role in ((email, ""), (name, "member"), (email.upper(), "")):
        found = admin.open(f"/users?{urlencode({'query': query, 'role': role})}")
        assert place in paths_on(found), query
        assert found.form("/users").fields["query"] == query
    assert place not in paths_on(admin.open(f"/users?{urlencode({'query': email, 'role': 'admin'})}"))
    page = text_of(admin.open(place))
    for fact in (email, f"Username {name}", "Role Member", "Verified", "Enabled", "Second factors Not set up", "UTC"):
        assert fact in page
    assert "No user found." in admin.open("/users?query=no-such-address").text
    for wrong in ("role=king", "cursor=forged", "unknown=1", f"query={'x' * 255}"):
        admin.open(f"/users?{wrong}", status=400)


def test_admin_changes_a_user_and_the_activity_names_the_admin(service: Service) -> None:
    admin, email = visitor(service), service.user("managed")
    place, person = place_of(service, email), service.client().log_in(email)
    assert paths_on(admin.open(place)) >= {f"{place}/{act}" for act in ("role", "disable", "sign-out", "delete")}
    page = admin.submit(f"{place}/role", role="moderator")
    assert "The role is changed." in text_of(page)
    assert person.get("/v1/users").status_code == 401  # a new access token has the new role
    page = admin.submit(f"{place}/sign-out")
    assert "The user is signed out on every device." in text_of(page)
    assert person.renew().status_code == 401
    page = admin.submit(f"{place}/disable")
    assert "Account Disabled" in text_of(page)
    page = admin.submit(f"{place}/enable")
    assert "Account Enabled" in text_of(page)
    events = text_of(admin.open(f"{place}/events"))
    for done in ("Role changed from member to moderator", "Account disabled", "Account enabled"):
        assert f"{done} By {admin.email}" in events
    page = admin.submit(f"{place}/delete")
    assert page.answer.url.path == "/users"
    assert "The account is deleted." in page.text
    admin.open(place, status=404)
    assert "A deleted user" in admin.open(f"{place}/events").text


def test_looking_at_a_question_changes_nothing(service: Service) -> None:
    admin, email = visitor(service), service.user("untouched")
    place = place_of(service, email)
    before = asyncio.run(fetch(service, "SELECT * FROM users WHERE email = $1", email))
    for act in ACTS:
        page = admin.open(f"{place}/{act}")
        assert email in page.text
        assert place in paths_on(page)  # cancels
    assert asyncio.run(fetch(service, "SELECT * FROM users WHERE email = $1", email)) == before


def test_refusal_is_shown_in_the_page_that_asked(service: Service) -> None:
    admin = visitor(service)
    other = place_of(service, service.user("other", role=Role.ADMIN))
    for act in ACTS:
        page = admin.submit(f"{other}/{act}", status=403)
        assert page.alerts == ["You can only manage users with a lower role than yours."], act
    admin.submit(f"{place_of(service, admin.email)}/reset-factors", status=403)
    member = place_of(service, service.user("member"))
    answer = admin.post(f"{member}/role", {"role": "king"})
    assert answer.status_code == 400
    assert Document(answer).alerts == ["Choose one of the roles."]


def test_page_links_only_to_what_the_viewer_may_do(service: Service) -> None:
    admin, moderator = visitor(service), visitor(service, Role.MODERATOR)
    member = place_of(service, service.user("member"))
    assert paths_on(moderator.open(member)).isdisjoint(f"{member}/{act}" for act in ACTS if act != "sign-out")
    assert "signed out on every device" in moderator.submit(f"{member}/sign-out").text
    above = moderator.open(place_of(service, admin.email))
    assert "You can only manage users with a lower role than yours." in above.text
    own = admin.open(place_of(service, admin.email))
    assert "This is you." in own.text
    for page in (above, own):
        assert not any(path.endswith(ACTS) for path in paths_on(page))


def test_list_of_200_users_is_paged(service: Service) -> None:
    admin, start = visitor(service), unique_email("many").partition("@")[0]
    statement = (
        "INSERT INTO users (id, email, password_hash, role, verified_at, created_at)"
        " SELECT gen_random_uuid(), $1 || lpad(n::text, 3, '0') || '@example.org', '', 'member', now(), now()"
        " FROM generate_series(1, 200) n"
    )
    asyncio.run(sql(service, statement, start))
    found: list[str] = []
    path = first = f"/users?query={start}&role=member"
    while path:
        page = admin.open(path)
        shown = re.findall(rf"{start}\d\d\d@example\.org", page.text)
        assert len(shown) == 50
        found += shown
        path = link_to(page, "cursor=")
    assert found == sorted(set(found))
    assert len(found) == 200
    assert link_to(page, "role=member") == first


def test_activity_is_paged(service: Service) -> None:
    admin, place = visitor(service), place_of(service, service.user("active"))
    for _ in range(51):
        assert admin.post(f"{place}/sign-out").status_code == 303
    page = admin.open(f"{place}/events")
    assert page.text.count("Signed out on other devices") == 50
    assert "Account created" in admin.open(link_to(page, "cursor=")).text


def test_hostile_names_and_devices_are_escaped(service: Service) -> None:
    hostile, name = "<script>alert(1)</script>\"'><img src=x>", "<b>\"'x"
    admin, email = visitor(service), service.user("hostile")
    person = service.client()
    person.headers["User-Agent"] = hostile
    person.log_in(email)
    asyncio.run(sql(service, "UPDATE users SET username = $2 WHERE email = $1", email, name))
    place = place_of(service, email)
    for path in (f"/users?query={email}", place, f"{place}/events", f"{place}/delete", "/users?query=%22><b>"):
        page = admin.open(path).answer.text
        assert not re.search(r"<(script|img|b)[ >]", page)
        assert path.endswith(("events", "b>")) or name in unescape(page)
    assert hostile in unescape(admin.open(f"{place}/events").answer.text)

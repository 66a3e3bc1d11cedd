"""A process of the previous release neither accepts a browser session nor breaks on one, beside this release and
after a rollback. What it ends is over at this release too."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from domain.role import Role
from entrypoints.http.cross_site import SESSION_TOKEN
from tests.support.page import SAME_ORIGIN
from tests.support.releases import HEAD, Release, Rollout, rollout_of, unpacked
from tests.support.rolling import Api, Fleet, bearer, pair_of, post
from tests.support.service import PASSWORD, ROOT, eventually, unique_email
from tests.support.visitor import cookie_of

READING = ("/v1/me", "/v1/sessions", "/v1/me/events", "/v1/me/export", "/v1/forward-auth")
CHANGED = {"new_password": "another fine passphrase", "confirm_password": "another fine passphrase"}
WAYS_TO_END = ("one", "all", "password", "by an admin", "disabled", "deleted")


@pytest.fixture
def rollout(tmp_path: Path) -> Iterator[Rollout]:
    with rollout_of(unpacked(tmp_path), ROOT, tmp_path, schema=HEAD) as rollout:
        yield rollout


def signed_in(api: Api, email: str) -> str:
    return cookie_of(str(api.client.base_url), email)


def look(api: Api, cookie: str, path: str = "/account") -> int:
    return api.client.get(path, headers={"Cookie": cookie, "Accept": "text/html"}).status_code


def assert_never_accepted(old: Api, cookie: str) -> None:
    """Neither as a cookie nor as a token."""
    value = cookie.partition("=")[2]
    for path in READING:
        assert old.client.get(path, headers={"Cookie": cookie}).status_code == 401, path
        assert old.get(path, value).status_code == 401, path
    assert post(old, "/v1/refresh", refresh_token=value).status_code == 401
    for path in ("/v1/refresh", "/v1/logout", "/v1/logout/all", SESSION_TOKEN):
        answer = old.client.post(path, headers=SAME_ORIGIN | {"Cookie": cookie})
        assert 400 <= answer.status_code < 500, (path, answer.text)


def assert_read(api: Api, email: str) -> str:
    """An access token of the user, whose data this process can read."""
    access = pair_of(api, email)["access_token"]
    for path in READING:
        answer = api.get(path, access)
        assert answer.status_code == 200, (path, answer.text)
    return access


def end(api: Api, how: str, email: str, access: str, governor: dict[str, str]) -> httpx.Response:
    me, own = api.get("/v1/me", access).json()["id"], bearer(access)
    match how:
        case "one":
            [other] = [it for it in api.get("/v1/sessions", access).json()["items"] if not it["current"]]
            return api.client.delete(f"/v1/sessions/{other['id']}", headers=own)
        case "all":
            return post(api, "/v1/logout/all", access)
        case "password":
            return post(api, "/v1/password/change", access, current_password=PASSWORD, **CHANGED)
        case "by an admin":
            return api.client.post(f"/v1/users/{me}/logout", headers=governor)
        case "disabled":
            return api.client.patch(f"/v1/users/{me}", json={"disabled": True}, headers=governor)
        case _:
            return api.client.request("DELETE", "/v1/me", json={"password": PASSWORD}, headers=own)


def assert_ended_everywhere(old: Api, new: Api, release: Release, admin: str) -> None:
    governor = bearer(pair_of(old, admin)["access_token"])
    for how in WAYS_TO_END:
        email = release.person("leaver")
        cookie = signed_in(new, email)
        assert look(new, cookie) == 200
        answer = end(old, how, email, assert_read(old, email), governor)
        assert answer.status_code in {200, 204}, (how, answer.text)
        assert look(new, cookie) == 303, how


def assert_follows_role(old: Api, new: Api, email: str, admin: str) -> None:
    """A change of role at the old process is in force at the next request with the cookie."""
    cookie, governor = signed_in(new, email), bearer(pair_of(old, admin)["access_token"])
    user = new.get("/v1/me", pair_of(new, email)["access_token"]).json()["id"]
    for role, status in ((Role.MODERATOR, 200), (Role.MEMBER, 403)):
        assert old.client.patch(f"/v1/users/{user}", json={"role": role}, headers=governor).status_code == 200
        assert look(new, cookie, "/users") == status


def test_previous_release_is_safe_with_browser_sessions(rollout: Rollout) -> None:
    before, after = rollout.before, rollout.after
    email, admin = before.person("member"), before.person("admin", "--role", "admin")
    with Fleet(before, 1) as fleet:
        after.environ |= {name: before.environ[name] for name in ("LATCHKEY_PUBLIC_URL", "LATCHKEY_RATE_LIMITS")}
        rollout.migrate()
        new, [old] = Api(after), fleet.apis
        try:
            eventually(new.ready, within=90)
            cookie, of_admin = signed_in(new, email), signed_in(new, admin)
            assert_never_accepted(old, cookie)
            assert_follows_role(old, new, email, admin)
            assert_ended_everywhere(old, new, before, admin)
            assert look(new, cookie) == look(new, of_admin, "/users/clients") == 200
            assert_leaves_nothing_unreadable(new, of_admin)
            fleet.replace_each(after)
            assert look(fleet.apis[0], cookie) == 200
            fleet.replace_each(before)  # back again
            [old] = fleet.apis
            assert_never_accepted(old, cookie)
            access = assert_read(old, email)
            assert_read(old, admin)
            assert look(new, cookie) == 200
            assert post(old, "/v1/logout/all", access).status_code == 204
            assert look(new, cookie) == 303
        finally:
            new.stop()


def assert_leaves_nothing_unreadable(new: Api, cookie: str) -> None:
    """The previous release knows no events of invitations and clients. They wait until all processes are new."""
    forms = {
        "/users/invitations": {"email": unique_email("invited")},
        "/users/clients/new": {"name": "a client"},
        "/confirm": {"password": PASSWORD},
    }
    for path, form in forms.items():
        answer = new.client.post(path, data=form, headers=SAME_ORIGIN | {"Cookie": cookie, "Accept": "text/html"})
        assert answer.status_code == 503, (path, answer.text)

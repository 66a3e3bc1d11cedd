"""No process of the previous release lets a user with a second factor in by the password alone: factors can be added
only after an operator has opened the enrolment, when all processes are new. No session is lost on the way."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.releases import HEAD, Rollout, rollout_of, unpacked
from tests.support.rolling import Api, Fleet, bearer, claims_of, pair_of, post
from tests.support.service import PASSWORD, ROOT, Client, eventually
from tests.support.totp_app import TotpApp, add_totp


@pytest.fixture
def rollout(tmp_path: Path) -> Iterator[Rollout]:
    with rollout_of(unpacked(tmp_path), ROOT, tmp_path, schema=HEAD) as rollout:
        yield rollout


def renewed(api: Api, pair: dict[str, str]) -> dict[str, str]:
    answer = post(api, "/v1/refresh", refresh_token=pair["refresh_token"])
    assert answer.status_code == 200, answer.text
    again: dict[str, str] = answer.json()
    return again


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_factors_can_be_added_only_after_all_processes_are_new(rollout: Rollout) -> None:
    before, after = rollout.before, rollout.after
    email = before.person("member")
    admin = before.person("admin", "--role", "admin")
    with Fleet(before) as fleet:
        after.environ |= {name: before.environ[name] for name in ("LATCHKEY_PUBLIC_URL", "LATCHKEY_RATE_LIMITS")}
        of_old = pair_of(fleet.apis[0], email)
        rollout.migrate()
        new, old = Api(after), fleet.apis[0]
        try:
            eventually(new.ready, within=90)
            assert_each_accepts_tokens_of_the_other(old, new, email)
            assert_nothing_adds_or_removes_a_factor(old, new, email, admin)

            fleet.replace_each(after)
            assert refusal(post(new, "/v1/factors/totp/options", pair_of(new, email)["access_token"]))[0] == 503
            of_new = renewed(new, renewed(new, of_old))
            assert claims_of(of_new["access_token"]) | {"acr": "aal1", "amr": ["pwd"]} == claims_of(
                of_new["access_token"]
            )
            opened = after.cli("factors", "enable")
            assert opened.returncode == 0, opened.stderr
            assert new.get("/v1/me", of_new["access_token"]).json()["factors"] == []
            assert_a_factor_is_required_everywhere([new, *fleet.apis], Client(after, str(new.client.base_url)), email)
            assert new.get("/v1/me", of_new["access_token"]).status_code == 200
        finally:
            new.stop()


def assert_each_accepts_tokens_of_the_other(old: Api, new: Api, email: str) -> None:
    """Tokens of the previous release have no `acr`, `amr` and `auth_time`."""
    of_old, of_new = pair_of(old, email), pair_of(new, email)
    assert {"acr", "amr", "auth_time"} & claims_of(of_old["access_token"]).keys() == set()
    assert (claims_of(of_new["access_token"])["acr"], claims_of(of_new["access_token"])["amr"]) == ("aal1", ["pwd"])
    for pair in (of_old, of_new):
        for api in (old, new, old, new):
            assert api.get("/v1/me", pair["access_token"]).status_code == 200
            pair = renewed(api, pair)
        assert (claims_of(pair["access_token"])["acr"], claims_of(pair["access_token"])["amr"]) == ("aal1", ["pwd"])
        assert post(old, "/v1/logout", pair["access_token"]).status_code == 204
        assert refusal(new.get("/v1/me", pair["access_token"])) == (401, "token_revoked")


def assert_nothing_adds_or_removes_a_factor(old: Api, new: Api, email: str, admin: str) -> None:
    """And nothing leaves an event that the previous release cannot read."""
    pair, governor = pair_of(new, email), pair_of(new, admin)
    access = pair["access_token"]
    for path in ("/v1/factors/totp/options", "/v1/factors/passkeys/options"):
        assert refusal(post(new, path, access)) == (503, "unavailable")
    assert refusal(post(new, "/v1/step-up", access, password=PASSWORD)) == (503, "unavailable")
    user = new.get("/v1/me", access).json()
    assert user["factors"] == []
    reset = new.client.delete(f"/v1/users/{user['id']}/factors", headers=bearer(governor["access_token"]))
    assert refusal(reset) == (503, "unavailable")
    of_old = pair_of(old, email)["access_token"]
    assert refusal(post(new, "/v1/factors/totp/options", of_old)) == (401, "step_up_required")
    for api in (old, new):
        assert api.get("/v1/me/events", access).status_code == 200
        assert api.get("/v1/me/export", access).status_code == 200
        assert api.get("/v1/me", access).status_code == 200


def assert_a_factor_is_required_everywhere(apis: list[Api], client: Client, email: str) -> None:
    with client:
        client.log_in(email)
        app, _ = add_totp(client)
    for api in apis:
        assert refusal(post(api, "/v1/login", login=email, password=PASSWORD)) == (401, "second_factor_required")
    with_factor(apis[0], email, app)


def with_factor(api: Api, email: str, app: TotpApp) -> None:
    document = post(api, "/v1/login", login=email, password=PASSWORD).json()
    answer = post(api, "/v1/login/factor", challenge=document["challenge"], totp=app.code())
    assert answer.status_code == 200, answer.text
    assert claims_of(answer.json()["access_token"])["acr"] == "aal2"

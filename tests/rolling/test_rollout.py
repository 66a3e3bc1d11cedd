"""A release is rolled out and back again, over one database and one Redis, under load, while the schema is migrated.

Four clients send requests without pauses. Tokens and links of one release are valid at the other, revocations by one
take effect at the other at once, and no request fails with 5xx, except logins that a busy machine refuses
(`overloaded`). The new worker starts before the new API processes.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.support.migrations import REVISIONS, tree_with
from tests.support.releases import HEAD, Release, Rollout, rollout_of, unpacked
from tests.support.rolling import Api, Fleet, Load, bearer, claims_of, pair_of, post
from tests.support.service import PASSWORD, ROOT, ServiceProcess, eventually, unique_email

# One table per migration: a refresh locks sessions, then users, and a migration that locks both could deadlock with
# it. `tests/test_migration_locks.py` refuses such a migration.
ADDS = {
    "widens": """
def upgrade():
    op.add_column("users", sa.Column("planted", sa.Text))
    with op.get_context().autocommit_block():
        op.create_index("ix_users_planted", "users", ["planted"], postgresql_concurrently=True)
def downgrade(): ...
""",
    "adds": """
def upgrade():
    op.create_table("planted", sa.Column("id", sa.Uuid, primary_key=True))
    op.add_column("sessions", sa.Column("planted", sa.Integer, nullable=False, server_default="0"))
def downgrade(): ...
""",
}
ADDED_CLAIMS = {"acr", "amr", "auth_time"}
"""The release before issues tokens without these."""
TIMES = 3
"""How often each side revokes tokens of the other."""


def previous_release(folder: Path) -> tuple[Path, str, Path]:
    return unpacked(folder), HEAD, ROOT


def next_release(folder: Path) -> tuple[Path, str, Path]:
    """This code on a newer schema than it knows, in place of a next release that only adds."""
    return ROOT, REVISIONS[-1], tree_with(folder / "next", **ADDS)


@pytest.fixture(params=[previous_release, next_release])
def rollout(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rollout]:
    before, schema, after = request.param(tmp_path)
    with rollout_of(before, after, tmp_path, schema=schema) as rollout:
        yield rollout


# -- tokens and links across releases ----------------------------------------------------------------------


def code(answer: httpx.Response) -> str:
    """The code of a problem document, which may be one of the release before."""
    value: str = answer.json()["code"]
    return value


@dataclass
class IssuedTokens:
    """Tokens and links that were issued before processes are replaced."""

    pair: dict[str, str]
    newcomer: str
    welcome: str
    forgetful: str
    reset: str

    @classmethod
    def by(cls, api: Api, rollout: Rollout, email: str) -> "IssuedTokens":
        newcomer = unique_email("newcomer")
        assert post(api, "/v1/register", email=newcomer, password=PASSWORD).status_code == 202
        welcome = rollout.mail(newcomer, 1)
        forgetful = unique_email("forgetful")
        assert post(api, "/v1/register", email=forgetful, password=PASSWORD).status_code == 202
        assert post(api, "/v1/verify", token=rollout.mail(forgetful, 1)).status_code == 200
        assert post(api, "/v1/password/forgot", email=forgetful).status_code == 202
        return cls(pair_of(api, email), newcomer, welcome, forgetful, rollout.mail(forgetful, 2))

    def assert_valid_at(self, api: Api) -> None:
        assert api.get("/v1/me", self.pair["access_token"]).status_code == 200
        renewed = post(api, "/v1/refresh", refresh_token=self.pair["refresh_token"])
        assert renewed.status_code == 200, renewed.text
        assert post(api, "/v1/verify", token=self.welcome).status_code == 200
        pair = pair_of(api, self.forgetful)
        new = {"new_password": "another fine passphrase", "confirm_password": "another fine passphrase"}
        assert post(api, "/v1/password/reset", token=self.reset, **new).status_code == 204
        assert code(api.get("/v1/me", pair["access_token"])) == "token_revoked"
        assert code(post(api, "/v1/password/reset", token=self.reset, **new)) == "link_invalid"


def assert_compatible(one: Api, other: Api, email: str, admin: str) -> None:
    """Assert that tokens of `one` are valid at `other`, and that `other` refuses them at the next request after `one`
    revoked them."""
    for _ in range(TIMES):
        pair = pair_of(one, email)
        assert other.get("/v1/me", pair["access_token"]).status_code == 200
        answers = [post(it, "/v1/refresh", refresh_token=pair["refresh_token"]) for it in (other, one, other)]
        assert {answer.status_code for answer in answers} == {200}
        first, *again = [claims_of(answer.json()["access_token"]) for answer in answers]
        for claims in again:
            assert claims.keys() ^ first.keys() <= ADDED_CLAIMS
            common = claims.keys() & first.keys()
            assert {name: claims[name] for name in common} == {name: first[name] for name in common}
        renewed = answers[0].json()
        assert post(one, "/v1/logout", renewed["access_token"]).status_code == 204
        assert code(other.get("/v1/me", renewed["access_token"])) == "token_revoked"
        assert code(other.get("/v1/me", pair["access_token"])) == "token_revoked"
        assert code(post(other, "/v1/refresh", refresh_token=renewed["refresh_token"])) == "session_ended"
    governor = pair_of(one, admin)["access_token"]
    victim = pair_of(other, email)["access_token"]
    user = other.get("/v1/me", victim).json()["id"]
    for body in ({"role": "moderator"}, {"role": "member"}, {"disabled": True}, {"disabled": False}):
        answer = one.client.patch(f"/v1/users/{user}", json=body, headers=bearer(governor))
        assert answer.status_code == 200, answer.text
        assert code(other.get("/v1/me", victim)) == "token_revoked"
        if body != {"disabled": True}:
            victim = pair_of(other, email)["access_token"]
    link = post(one, "/v1/logout/all", victim)
    assert link.status_code == 204
    assert code(other.get("/v1/me", victim)) == "token_revoked"


@contextmanager
def additional_api(release: Release) -> Iterator[Api]:
    api = Api(release)
    eventually(api.ready, within=90)
    try:
        yield api
    finally:
        api.stop()


def replace_worker(old: ServiceProcess, release: Release) -> ServiceProcess:
    """Start a worker of this release, then stop the old one."""
    new = release.start_worker()
    eventually(lambda: "worker_started" in new.log.read_text())
    assert old.stop() == 0
    return new


def test_rollout_and_rollback_fail_no_request(rollout: Rollout) -> None:
    before, after = rollout.before, rollout.after
    people = [before.person("someone") for _ in range(4)]
    email, resting = before.person("member"), before.person("resting")
    admin = before.person("admin", "--role", "admin")
    worker = before.start_worker()
    with Fleet(before) as fleet, ExitStack() as open_apis:
        after.environ |= {name: before.environ[name] for name in ("LATCHKEY_PUBLIC_URL", "LATCHKEY_RATE_LIMITS")}
        with Load(fleet, people) as load:
            made_before = IssuedTokens.by(fleet.apis[0], rollout, resting)
            rollout.migrate()
            worker = replace_worker(worker, after)
            new = open_apis.enter_context(additional_api(after))
            for one, other in ((fleet.apis[0], new), (new, fleet.apis[1])):
                assert_compatible(one, other, email, admin)
            fleet.replace_each(after)
            made_before.assert_valid_at(fleet.apis[0])
            made_after = IssuedTokens.by(fleet.apis[1], rollout, resting)
            worker = replace_worker(worker, before)
            fleet.replace_each(before)
            for one, other in ((fleet.apis[0], new), (new, fleet.apis[1])):
                assert_compatible(one, other, email, admin)
            made_after.assert_valid_at(fleet.apis[0])
        # Any 5xx other than a login refused with `overloaded` would be among these.
        assert load.unexpected == []
        assert {"POST /v1/login 200", "POST /v1/refresh 200", "POST /v1/logout 204"} <= set(load.answers)
        shed = load.answers["POST /v1/login 503"]
        print(f"{sum(load.answers.values())} requests, {shed} shed, the longest took {max(load.seconds):.2f} s")

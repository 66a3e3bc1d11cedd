"""Rotation of keys and secrets while users send requests to two API processes: no request fails."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest

from adapters.tokens.key_files import make_key
from tests.support.rolling import Api, Fleet, Load, bearer, signer
from tests.support.service import PASSWORD, DatabaseFactory, Service, code, eventually, unique_email
from tests.support.totp_app import TotpApp

DELAY = 2
OLD, NEW = "0ld-3f9c1e7a5b2d8046e9c3a7f1b5d2e8c4", "n3w-8c4e2d5b1f7a3c9e6408d2b5a7e1c9f3"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, databases: DatabaseFactory) -> Iterator[Service]:
    """A service with one key, whose processes are not started yet."""
    made = Service(tmp_path_factory.mktemp("rotation"), *databases())
    keys = made.folder / "keys"
    make_key(keys)
    made.environ |= {"LATCHKEY_SIGNING_KEYS": str(keys), "LATCHKEY_KEY_DELAY": str(DELAY)}
    (made.folder / "encryption_keys").write_text(OLD)
    made.environ["LATCHKEY_ENCRYPTION_KEYS_FILE"] = str(made.folder / "encryption_keys")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def fleet(shared: Service) -> Iterator[Fleet]:
    with Fleet(shared) as made:
        yield made


@pytest.fixture
def keys(shared: Service) -> Path:
    return shared.folder / "keys"


def rotate(service: Service) -> str:
    """The kid of the new key."""
    done = service.cli("keys", "rotate", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    kid: str = json.loads(done.stdout)[0]["kid"]
    return kid


def log_in(api: Api, email: str) -> dict[str, str]:
    answer = api.client.post("/v1/login", json={"login": email, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    pair: dict[str, str] = answer.json()
    return pair


def refreshed(api: Api, pair: dict[str, str]) -> dict[str, str]:
    answer = api.client.post("/v1/refresh", json={"refresh_token": pair["refresh_token"]})
    assert answer.status_code == 200, answer.text
    return {**pair, **answer.json()}


def published_kids(api: Api) -> list[str]:
    answer = api.client.get("/.well-known/jwks.json")
    assert not any(set(key) & {"d", "p", "q", "k"} for key in answer.json()["keys"])
    return [key["kid"] for key in answer.json()["keys"]]


def publishes(api: Api, kids: list[str]) -> bool:
    return published_kids(api) == kids


def test_key_rotation_under_load_fails_no_request(shared: Service, keys: Path, fleet: Fleet) -> None:
    people = [shared.user("someone") for _ in range(4)]
    sessions = [log_in(api, shared.user("witness")) for api in fleet.apis]
    kids = published_kids(fleet.apis[0])
    assert {signer(pair) for pair in sessions} == {kids[0]}
    with Load(fleet, people) as load:
        for _ in range(3):
            kids.insert(0, rotate(shared))
            for at, api in enumerate(fleet.apis):

                def signs_with_the_new_key(at: int = at, api: Api = api) -> bool:
                    sessions[at] = refreshed(api, sessions[at])
                    assert signer(sessions[at]) in kids
                    return signer(sessions[at]) == kids[0]

                eventually(signs_with_the_new_key)
                assert published_kids(api) == kids
                for pair in sessions:
                    assert api.get("/v1/me", pair["access_token"]).status_code == 200
            eventually(lambda: kids[0] in load.signers)
    assert load.unexpected == []
    assert load.signers == set(kids)
    assert {"POST /v1/login 200", "POST /v1/refresh 200", "GET /v1/me 200", "POST /v1/logout 204"} <= set(
        load.answers
    )
    logged = (shared.folder / "api.log").read_text()
    assert logged.count(f"{kids[0]} signs") == 2
    assert not any(line in logged for file in keys.iterdir() for line in file.read_text().splitlines())


def test_token_is_valid_as_long_as_its_key(shared: Service, keys: Path, fleet: Fleet) -> None:
    pair = log_in(fleet.apis[0], shared.user("member"))
    old, new = published_kids(fleet.apis[0]), rotate(shared)
    for api in fleet.apis:
        eventually(partial(publishes, api, [new, *old]))
        assert api.get("/v1/me", pair["access_token"]).status_code == 200
    # As after a leak: the old key is removed, so the new key signs at once.
    for kid in old:
        next(keys.glob(f"*{kid}.pem")).unlink()
    for api in fleet.apis:
        eventually(partial(publishes, api, [new]))
        assert code(api.get("/v1/me", pair["access_token"])) == "token_invalid"
        fresh = refreshed(api, pair)
        assert signer(fresh) == new
        for other in fleet.apis:
            assert other.get("/v1/me", fresh["access_token"]).status_code == 200


def test_broken_key_file_stops_no_process(shared: Service, keys: Path, fleet: Fleet) -> None:
    member, broken = shared.user("member"), keys / "broken.pem"
    broken.write_text("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\n")
    log = shared.folder / "api.log"
    eventually(lambda: log.read_text().count("broken.pem: not an unencrypted") == 2)
    old, new = published_kids(fleet.apis[0]), rotate_beside(shared, broken)
    for api in fleet.apis:
        eventually(partial(publishes, api, [new, *old]))
        assert api.get("/v1/me", log_in(api, member)["access_token"]).status_code == 200
    broken.unlink()
    eventually(lambda: log.read_text().count("signing_keys_readable") == 2)
    assert log.read_text().count("broken.pem") == 2
    assert "MC4C" not in log.read_text()


def rotate_beside(service: Service, broken: Path) -> str:
    done = service.cli("keys", "rotate", "--json")
    assert (done.returncode, done.stderr) == (0, f"{broken}: not an unencrypted P-256, Ed25519 or RSA key in PEM\n")
    kid: str = json.loads(done.stdout)[0]["kid"]
    return kid


@dataclass
class TotpUser:
    """A user with an authenticator app, whose first codes need no wait."""

    email: str
    app: TotpApp

    @classmethod
    def of(cls, service: Service, api: Api) -> "TotpUser":
        email = service.user("someone")
        token = bearer(log_in(api, email)["access_token"])
        options = api.client.post("/v1/factors/totp/options", headers=token).json()
        app = TotpApp(options["secret"])
        body = {"challenge": options["challenge"], "code": app.code()}
        answer = api.client.post("/v1/factors/totp", json=body, headers=token)
        assert answer.status_code == 201, answer.text
        return cls(email, app)

    def log_in(self, api: Api) -> httpx.Response:
        asked = api.client.post("/v1/login", json={"login": self.email, "password": PASSWORD}).json()
        body = {"challenge": asked["challenge"], "totp": self.app.code()}
        return api.client.post("/v1/login/factor", json=body)


def test_encryption_keys_rotate_without_a_restart(shared: Service, fleet: Fleet) -> None:
    """Each user can log in twice without waiting for the next code."""
    file, log, first = shared.folder / "encryption_keys", shared.folder / "api.log", fleet.apis[0]
    waiting = [TotpUser.of(shared, first) for _ in range(5)]

    def put(keys: str) -> None:
        draft = file.with_suffix(".draft")
        draft.write_text(keys)
        draft.rename(file)

    def logged(text: str, times: int) -> bool:
        return log.read_text().count(text) == times

    def codes_are_accepted(user: TotpUser) -> None:
        assert [user.log_in(api).status_code for api in fleet.apis] == [200, 200]

    codes_are_accepted(waiting.pop())
    for lines, keys in ((2, f"{OLD},{NEW}"), (4, f"{NEW},{OLD}")):
        put(keys)
        codes_are_accepted(waiting.pop())
        eventually(partial(logged, "encryption_keys_changed: 2 keys", lines))
    newcomer = TotpUser.of(shared, first)
    done = shared.cli("encryption-keys", "rotate")
    assert (done.returncode, done.stdout) == (0, "5 encrypted with the newest key\n")
    codes_are_accepted(waiting.pop())
    put(NEW)
    eventually(partial(logged, "encryption_keys_changed: 1 keys", 2))
    codes_are_accepted(waiting.pop())
    codes_are_accepted(newcomer)
    assert not any(key in log.read_text() for key in (OLD, NEW))


def test_secret_rotation_under_load_fails_no_request(isolated_service: Service) -> None:
    isolated_service.environ["LATCHKEY_SECRET_KEY"] = OLD
    worker = isolated_service.start_worker()
    people = [isolated_service.user("someone") for _ in range(4)]
    new = unique_email("new")
    with Fleet(isolated_service) as fleet:
        used, unused = (log_in(fleet.apis[0], isolated_service.user("resting")) for _ in range(2))
        registered = {"email": new, "password": PASSWORD}
        assert fleet.apis[0].client.post("/v1/register", json=registered).status_code == 202
        link = isolated_service.token(new)
        worker.stop()
        with Load(fleet, people) as load:
            fleet.replace_each(LATCHKEY_SECRET_KEY=f"{OLD},{NEW}")
            fleet.replace_each(LATCHKEY_SECRET_KEY=f"{NEW},{OLD}")
        assert load.unexpected == []
        assert {"POST /v1/login 200", "POST /v1/refresh 200", "POST /v1/logout 204"} <= set(load.answers)
        # Old refresh tokens stay valid, and each refresh signs with the new secret.
        used = refreshed(fleet.apis[0], used)
        assert fleet.apis[1].client.post("/v1/verify", json={"token": link}).status_code == 200
    isolated_service.environ["LATCHKEY_SECRET_KEY"] = NEW
    with Fleet(isolated_service, size=1) as fleet:
        [api] = fleet.apis
        used = refreshed(api, used)
        assert api.get("/v1/me", used["access_token"]).status_code == 200
        lost = api.client.post("/v1/refresh", json={"refresh_token": unused["refresh_token"]})
        assert code(lost) == "token_invalid"
        assert code(api.client.post("/v1/verify", json={"token": link})) == "link_invalid"

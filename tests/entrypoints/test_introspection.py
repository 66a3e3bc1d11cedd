"""Token introspection and revocation: only for authenticated clients, and always up to date."""

import asyncio
import base64
import json
from collections.abc import Iterator
from uuid import UUID

import httpx
import pytest

from domain.role import Role
from tests.support.in_process import inside
from tests.support.service import PASSWORD, Client, Service, code, free_port, unique_email
from tests.support.sweeping import FORM, fetch

ASKED = "/v1/introspect", "/v1/revoke"
ANYBODY = httpx.BasicAuth(str(UUID(int=7)), "x")


class Program(httpx.Client):
    """An OAuth client of the service, and an HTTP client."""

    def about(self, token: str, **more: str) -> object:
        answer = self.post("/v1/introspect", data={"token": token, **more})
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        return answer.json()

    def revoke(self, token: str, **more: str) -> None:
        answer = self.post("/v1/revoke", data={"token": token, **more})
        assert (answer.status_code, answer.content) == (200, b""), answer.text


@pytest.fixture(scope="module")
def program(shared_service: Service) -> Iterator[Program]:
    with Program(base_url=shared_service.url, auth=shared_service.program(), timeout=30) as made:
        yield made


def claims(token: str) -> dict[str, object]:
    payload = token.split(".")[1]
    members: dict[str, object] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return members


# -- introspection -------------------------------------------------------------------------------------


def test_valid_token_is_described_completely(service: Service, program: Program) -> None:
    name = unique_email("mona").split("@")[0]
    client = service.client().log_in(service.user("mona", role=Role.MODERATOR, username=name))
    token = client.pair["access_token"]
    members = program.about(token)
    expected = {"active": True, "token_type": "Bearer", "username": name, **claims(token)}
    del expected["gen"]
    assert members == expected
    assert set(expected) == {
        *("active", "token_type", "sub", "sid", "jti", "iss", "aud", "client_id", "iat", "exp"),
        *("role", "verified", "username", "acr", "amr", "auth_time"),
    }
    assert (expected["sub"], expected["role"], expected["verified"]) == (
        client.get("/v1/me").json()["id"],
        "moderator",
        True,
    )
    for hint in ("access_token", "refresh_token", "nonsense", "", "x" * 10_000):
        assert program.about(token, token_type_hint=hint) == members


def test_user_without_a_username_has_no_username_member(service: Service, program: Program) -> None:
    members = program.about(service.member().pair["access_token"])
    assert isinstance(members, dict)
    assert members["active"] is True
    assert "username" not in members


def test_verification_after_the_token_was_issued_is_shown(service: Service, program: Program) -> None:
    email, client = unique_email("unverified"), service.client()
    client.post("/v1/register", json={"email": email, "password": PASSWORD})
    token = client.log_in(email).pair["access_token"]
    before = program.about(token)
    client.post("/v1/verify", json={"token": service.token(email)})
    assert isinstance(before, dict)
    assert before["verified"] is False
    assert program.about(token) == {**before, "verified": True}


def test_introspection_of_any_other_token_is_inactive(service: Service, program: Program) -> None:
    client = service.member()
    token, refresh = client.pair["access_token"], client.pair["refresh_token"]
    client.post("/v1/password/forgot", json={"email": client.email})
    head, payload, signature = token.split(".")
    nothing = [refresh, service.token(client.email), f"{head}.{payload}.", f"{head}.{payload}.{signature[::-1]}"]
    nothing += [token + "=", token + ".", f". {token}", f"{token} x", f"Bearer {token}", token[:-1], token.upper()]
    nothing += ["x", ".", "..", "null", "a.b.c", "é", "\u202e", "x" * 30_000, client.pair["session_id"], client.email]
    for text in nothing:
        for hint in ({}, {"token_type_hint": "refresh_token"}):
            assert program.about(text, **hint) == {"active": False}, text
    # White space around a pasted token is ignored.
    for pasted in (token, f" {token}", f"{token}\n", f"\t{token}\r\n"):
        assert program.about(pasted) != {"active": False}


def test_introspection_is_inactive_in_every_process_after_logout(service: Service, program: Program) -> None:
    for _ in range(3):
        client = service.member()
        token = client.pair["access_token"]
        client.post("/v1/logout")
        for _ in range(8):
            with Program(base_url=service.url, auth=program.auth) as fresh:
                assert fresh.about(token) == {"active": False}


# -- revocation ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
@pytest.mark.parametrize("hint", [{}, {"token_type_hint": "access_token"}, {"token_type_hint": "refresh_token"}])
def test_revoking_either_token_ends_its_session_in_every_process(
    service: Service, program: Program, kind: str, hint: dict[str, str]
) -> None:
    email = service.user("member")
    client, elsewhere = service.client().log_in(email), service.client().log_in(email)
    program.revoke(client.pair[kind], **hint)
    for _ in range(4):
        with Client(service) as fresh:
            assert (
                code(fresh.get("/v1/me", headers={"Authorization": client.headers["authorization"]}))
                == "token_revoked"
            )
    assert code(client.renew()) == "session_ended"
    assert elsewhere.get("/v1/me").status_code == 200
    program.revoke(client.pair[kind], **hint)
    last = elsewhere.get("/v1/me/events").json()["items"][0]
    assert (last["action"], last["actor_id"]) == ("session_ended", None)
    assert last["detail"].startswith("by client ")


def test_revoking_an_invalid_token_is_a_success_without_effect(service: Service, program: Program) -> None:
    client = service.member()
    client.post("/v1/password/forgot", json={"email": client.email})
    link = service.token(client.email)
    for text in ("x", "a.b.c", "é", link, client.pair["session_id"], client.pair["access_token"][:-1], "x" * 30_000):
        program.revoke(text)
    assert client.get("/v1/me").status_code == 200
    assert client.renew().status_code == 200


# -- client authentication -----------------------------------------------------------------------------


def basic(text: str | bytes) -> str:
    return "Basic " + base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def invalid_headers(client_id: str, secret: str) -> Iterator[list[str]]:
    """Headers that authenticate no client, each wrong in one respect."""
    pair = f"{client_id}:{secret}"
    right = basic(pair)
    yield []
    yield from ([header] for header in ("", "Basic", "Basic =", "Basic !", "basic", right[6:], f"Basic{right[6:]}"))
    yield from ([f"{scheme} {right[6:]}"] for scheme in ("Bearer", "Digest", "Basic,", "Basic:", "BasicX"))
    yield [f"Bearer {secret}"]
    yield [right + "!"]
    yield [right + right[6:]]
    yield [right[:-4]]
    yield from ([right[:at] + " " + right[at:]] for at in (8, 20))
    for wrong in (
        *(":", client_id, secret, f"{secret}:{client_id}", f"{client_id}:", f":{secret}", f"{client_id}{secret}"),
        *(f"{client_id.upper()}:{secret}", f"{client_id.replace('-', '')}:{secret}", f"{{{client_id}}}:{secret}"),
        *(f" {pair}", f"{pair} ", f"{pair}\n", f"{pair}\0", f"\0{pair}", f"{pair}:", f"{client_id}::{secret}"),
        *(f"{client_id}:{secret[:-1]}", f"{client_id}:{secret}x", f"{client_id}:{secret.swapcase()}"),
        *(f"{UUID(int=7)}:{secret}", f"'or'1'='1:{secret}", f"{client_id}:%ff", "%ff:x", f"%00{pair}", f"{pair}%00"),
        *(f"{client_id}%3a{secret}", f"{client_id}:{secret}+", f"{client_id};{secret}", pair * 20),
    ):
        yield [basic(wrong)]
    yield [basic(pair.encode() + b"\xff")]
    yield [basic(pair.encode("utf-16"))]
    yield [right, right]
    yield [right, "Bearer x"]


def test_introspection_and_revocation_require_a_client(service: Service, program: Program) -> None:
    [auth] = [service.program()]
    request = next(auth.auth_flow(httpx.Request("GET", service.url)))
    pair = base64.b64decode(request.headers["authorization"][6:]).decode()
    client_id, _, secret = pair.partition(":")
    token = service.member().pair["access_token"]
    headers = list(invalid_headers(client_id, secret))
    assert len(headers) > 50
    stranger = service.client()
    for path in ASKED:
        for said in headers:
            sent = [("Content-Type", FORM), *(("Authorization", value) for value in said)]
            answer = stranger.post(path, content=f"token={token}", headers=sent)
            assert (answer.status_code, code(answer)) == (401, "invalid_credentials"), said
            assert client_id not in answer.text
    assert program.about(token) != {"active": False}
    for fine in (f"{client_id}:{secret}", f"{client_id.replace('-', '%2D')}:{secret.replace('-', '%2d')}"):
        for scheme in ("Basic", "basic", "BASIC"):
            answer = stranger.post(ASKED[0], data={"token": "x"}, headers={"Authorization": scheme + basic(fine)[5:]})
            assert (answer.status_code, answer.json()) == (200, {"active": False})


def test_user_credentials_are_not_client_credentials(service: Service) -> None:
    admin = service.admin()
    for path in ASKED:
        assert code(admin.post(path, data={"token": admin.pair["access_token"]})) == "invalid_credentials"
        auth = httpx.BasicAuth(admin.email, PASSWORD)
        assert code(service.client().post(path, data={"token": "x"}, auth=auth)) == "invalid_credentials"
        stolen = httpx.BasicAuth(admin.get("/v1/me").json()["id"], PASSWORD)
        assert code(service.client().post(path, data={"token": "x"}, auth=stolen)) == "invalid_credentials"
    assert admin.get("/v1/me").status_code == 200


def test_client_credentials_are_not_user_credentials(service: Service, program: Program) -> None:
    assert code(program.get("/v1/me")) == "token_missing"
    assert code(program.get("/v1/forward-auth")) == "token_missing"


def credentials(service: Service) -> tuple[str, str]:
    [request] = service.program().auth_flow(httpx.Request("GET", service.url))
    client_id, _, secret = base64.b64decode(request.headers["authorization"][6:]).decode().partition(":")
    return client_id, secret


def test_client_authenticates_by_header_or_by_form(service: Service, program: Program) -> None:
    client_id, secret = credentials(service)
    token = service.member().pair["access_token"]
    members = program.about(token)
    by_form = {"token": token, "client_id": client_id, "client_secret": secret}
    stranger, basic_auth = service.client(), httpx.BasicAuth(client_id, secret)
    assert stranger.post(ASKED[0], data=by_form).json() == members
    for more in (
        {},
        {"client_id": client_id},
        {"client_secret": ""},
        {"client_id": client_id, "resource": "https://api.example.org", "scope": "é", "x" * 100: "", "": "y"},
    ):
        assert stranger.post(ASKED[0], data={"token": token, **more}, auth=basic_auth).json() == members
    for wrong in (
        {"client_secret": secret + "x"},
        {"client_secret": secret.swapcase()},
        {"client_secret": ""},
        {"client_id": ""},
        {"client_id": client_id.upper()},
        {"client_id": str(UUID(int=7))},
        {"client_id": secret, "client_secret": client_id},
    ):
        for path in ASKED:
            assert code(stranger.post(path, data=by_form | wrong)) == "invalid_credentials"
    for name in ("client_id", "client_secret"):
        rest = {key: value for key, value in by_form.items() if key != name}
        assert code(stranger.post(ASKED[0], data=rest)) == "invalid_credentials"
    assert program.about(token) == members
    assert stranger.post(ASKED[1], data=by_form).status_code == 200
    assert program.about(token) == {"active": False}


def test_client_that_authenticates_twice_is_refused(service: Service) -> None:
    client_id, secret = credentials(service)
    stranger, basic_auth = service.client(), httpx.BasicAuth(client_id, secret)
    by_form = {"token": "x", "client_id": client_id, "client_secret": secret}
    for path in ASKED:
        assert code(stranger.post(path, data=by_form, auth=basic_auth)) == "malformed"
        assert code(stranger.post(path, data=by_form, headers={"Authorization": "Bearer x"})) == "malformed"
        wrong = httpx.BasicAuth(client_id, "x")
        assert code(stranger.post(path, data=by_form, auth=wrong)) == "malformed"


def test_repeated_form_parameters_are_refused(service: Service, program: Program) -> None:
    client_id, secret = credentials(service)
    stranger = service.client()
    post = f"client_id={client_id}&client_secret={secret}"
    for path in ASKED:
        for twice in (
            "token=x",
            "resource=a&resource=b",
            "token_type_hint=a&token_type_hint=b",
            f"client_id={client_id}",
        ):
            for form, client in (
                (f"token=x&{twice}&x=1&x=1", program),
                (f"token=x&{post}&{twice}&x=1&x=1", stranger),
            ):
                answer = client.post(path, content=form, headers={"Content-Type": FORM})
                assert (answer.status_code, code(answer)) == (400, "malformed"), form


def test_client_credentials_may_be_form_encoded_in_the_header(service: Service) -> None:
    """RFC 6749, section 2.3.1, and any spaces before them (RFC 9110, section 11.4)."""
    client_id, secret = credentials(service)
    encoded = ["".join(f"%{ord(sign):02{case}}" for sign in part) for part in (client_id, secret) for case in "xX"]
    stranger = service.client()
    for pair in (f"{encoded[0]}:{encoded[2]}", f"{encoded[1]}:{encoded[3]}", f"{client_id}:{encoded[3]}"):
        for spaces in (" ", "   "):
            headers = {"Authorization": "Basic" + spaces + basic(pair)[6:]}
            assert stranger.post(ASKED[0], data={"token": "x"}, headers=headers).json() == {"active": False}


def test_credentials_are_not_taken_from_the_query(service: Service, program: Program) -> None:
    client_id, secret = credentials(service)
    stranger = service.client()
    for path in ASKED:
        query = {"client_id": client_id, "client_secret": secret}
        assert code(stranger.post(path, data={"token": "x"}, params=query)) == "invalid_credentials"
        assert code(program.post(path, data={"token": "x"}, params=query)) == "malformed"
        assert code(program.post(path, params={"token": "x"}, headers={"Content-Type": FORM})) == "malformed"


# -- the operator --------------------------------------------------------------------------------------


def test_operator_adds_lists_and_removes_clients(service: Service) -> None:
    made = service.cli("clients", "add", "--name", "billing")
    assert made.returncode == 0, made.stderr
    said = dict(line.split("\t") for line in made.stdout.splitlines())
    assert set(said) == {"client_id", "client_secret"}
    assert len(base64.urlsafe_b64decode(said["client_secret"] + "=")) >= 32
    auth = httpx.BasicAuth(said["client_id"], said["client_secret"])
    client = service.client()
    assert client.post(ASKED[0], data={"token": "x"}, auth=auth).json() == {"active": False}

    listed = service.cli("clients", "list")
    assert next(line for line in listed.stdout.splitlines() if line.startswith(said["client_id"])).endswith(
        "  billing"
    )
    [row] = asyncio.run(
        fetch(service, "SELECT c::text AS kept FROM clients c WHERE id = $1", UUID(said["client_id"]))
    )
    assert said["client_secret"] not in row["kept"] + listed.stdout
    assert said["client_secret"].encode().hex() not in row["kept"]

    removed = service.cli("clients", "remove", said["client_id"])
    assert (removed.returncode, removed.stdout, removed.stderr) == (0, "", "")
    assert code(client.post(ASKED[0], data={"token": "x"}, auth=auth)) == "invalid_credentials"
    again = service.cli("clients", "remove", said["client_id"])
    assert (again.returncode, again.stderr) == (1, "No client has this id.\n")
    refused = service.cli("clients", "add", "--name", "a\nb")
    assert (refused.returncode, refused.stdout) == (1, "")


# -- outages -------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_introspection_and_revocation_are_unavailable_without_the_database(service: Service) -> None:
    nowhere = f"postgresql://nobody:hunter2hunter2@127.0.0.1:{free_port()}/none"
    token = service.member().pair["access_token"]
    async with inside(service, LATCHKEY_DATABASE_URL=nowhere) as client:
        for path in ASKED:
            answer = await client.post(path, data={"token": token}, auth=ANYBODY)
            assert (answer.status_code, code(answer)) == (503, "unavailable")
            assert "active" not in answer.text

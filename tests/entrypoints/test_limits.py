"""Rate limits over HTTP, shared by two API processes. `X-Forwarded-For` of a trusted proxy sets the network."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from entrypoints.devserver import engines
from tests.support.in_process import carries_all
from tests.support.service import PASSWORD, Client, DatabaseFactory, Service, code, unique_email
from tests.support.store_harness import wait_until
from tests.support.sweeping import calls

WRONG = "not the passphrase at all"
NEW = "another quite fine passphrase"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def limited(databases: DatabaseFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with rate limits, as in production; 127.0.0.1 is a trusted proxy."""
    made = Service(tmp_path_factory.mktemp("limited"), *databases())
    made.environ |= {"LATCHKEY_RATE_LIMITS": "on", "LATCHKEY_TRUSTED_PROXIES": "127.0.0.1"}
    try:
        made.start_worker()
        made.start_api()
        yield made
    finally:
        made.close_clients()
        made.stop()


def network() -> str:
    """An address in a network that no other test uses."""
    return f"198.18.{next(_numbers)}.1"


def caller(service: Service, ip: str) -> Client:
    client = service.client()
    client.headers["X-Forwarded-For"] = ip
    return client


@asynccontextmanager
async def anonymous_client(service: Service, ip: str) -> AsyncIterator[httpx.AsyncClient]:
    """Opens a new connection for each request, so that both processes get some."""
    limits = httpx.Limits(max_keepalive_connections=0)
    headers = {"X-Forwarded-For": ip}
    async with httpx.AsyncClient(base_url=service.url, limits=limits, headers=headers, timeout=60) as client:
        yield client


def log_in(client: httpx.Client, login: str, password: str = WRONG) -> httpx.Response:
    return client.post("/v1/login", json={"login": login, "password": password})


def fill(client: httpx.Client, login: str) -> None:
    assert [code(log_in(client, login)) for _ in range(10)] == ["invalid_credentials"] * 10
    assert code(log_in(client, login)) == "rate_limited"


def wait_of(answer: httpx.Response) -> int:
    assert code(answer) == "rate_limited"
    return int(answer.headers["retry-after"])


# -- logging in -------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_two_processes_share_the_limit_of_wrong_passwords(limited: Service) -> None:
    email, ip = limited.user("victim"), network()
    async with anonymous_client(limited, ip) as client:
        body = {"login": email, "password": WRONG}
        answers = await asyncio.gather(*(client.post("/v1/login", json=body) for _ in range(40)))
    codes = Counter(map(code, answers))
    # An attempt is refunded if the machine is too busy to check the password.
    assert 10 - codes["overloaded"] <= codes["invalid_credentials"] <= 10
    assert codes["rate_limited"] >= 30 - codes["overloaded"]
    assert all(0 < wait_of(answer) <= 300 for answer in answers if answer.status_code == 429)


def test_known_and_unknown_logins_get_identical_responses(limited: Service) -> None:
    stories = []
    for email in (limited.user("known"), unique_email("unknown")):
        client = caller(limited, network())
        answers = [log_in(client, email) for _ in range(12)]
        assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
        assert all(290 <= wait_of(answer) <= 300 for answer in answers[10:])
        carries_all(answers[-1])
        variable = {"x-request-id", "date", "retry-after"}
        stories.append(
            [
                (
                    it.text.replace(it.headers.get("retry-after", " "), ""),
                    {name: value for name, value in it.headers.items() if name not in variable},
                )
                for it in answers
            ]
        )
    assert stories[0] == stories[1]


def test_owner_logs_in_from_another_network_during_guessing(limited: Service) -> None:
    email, ip = limited.user("owner"), network()
    inside = caller(limited, ip).log_in(email)
    fill(caller(limited, ip), email)
    for _ in range(30):
        answer = inside.renew()
        assert answer.status_code == 200
        inside.take(answer)
    assert inside.get("/v1/me").status_code == 200
    caller(limited, network()).log_in(email)


def test_password_change_shares_the_limit_of_login(limited: Service) -> None:
    email, ip = limited.user("guessed"), network()
    thief = caller(limited, ip).log_in(email)
    change = {"current_password": WRONG, "new_password": NEW}
    answers = [thief.post("/v1/password/change", json=change) for _ in range(20)]
    assert list(map(code, answers)) == ["invalid_credentials"] * 10 + ["rate_limited"] * 10
    assert wait_of(log_in(caller(limited, ip), email, PASSWORD)) <= 300
    caller(limited, network()).log_in(email)


def test_password_reset_clears_the_login_limits(limited: Service) -> None:
    email, ip = limited.user("robbed"), network()
    client = caller(limited, ip)
    fill(client, email)
    assert client.post("/v1/password/forgot", json={"email": email}).status_code == 202
    reset = {"token": limited.token(email), "new_password": NEW, "confirm_password": NEW}
    assert client.post("/v1/password/reset", json=reset).status_code == 204
    client.log_in(email, NEW)


# -- client addresses -------------------------------------------------------------------------------------

JUNK = ["", ",", ", ,", "junk", "fe80::1%eth0", "::1%25x", "unknown", "1.2.3.4.5", "1" * 6000]
JUNK += ["300.1.1.1", "0x7f.1", "127.1", "for=1.2.3.4", "1.2.3.4 5.6.7.8", "198.51.100.9, junk", "\u00e9"]


def log_in_with_forwarded(client: httpx.Client, email: str, header: str) -> httpx.Response:
    body, headers = {"login": email, "password": WRONG}, [(b"x-forwarded-for", header.encode("latin-1"))]
    return client.post("/v1/login", json=body, headers=headers)


def test_forged_addresses_from_one_peer_are_one_network(limited: Service) -> None:
    """127.0.0.2 is not a trusted proxy."""
    email, codes = limited.user("forged"), Counter[str]()
    transport = httpx.HTTPTransport(local_address="127.0.0.2")
    with httpx.Client(base_url=limited.url, transport=transport, timeout=30) as client:
        for number in range(1000):
            client.headers["X-Forwarded-For"] = f"10.{number % 7}.{number // 250}.{number % 250}"
            codes[code(log_in(client, email))] += 1
        del client.headers["X-Forwarded-For"]
        codes.update(code(log_in_with_forwarded(client, email, junk)) for junk in JUNK)
    assert codes == {"invalid_credentials": 10, "rate_limited": 990 + len(JUNK)}


def test_invalid_forwarded_address_bypasses_no_limit(limited: Service) -> None:
    """Such a request counts for the address of the proxy itself."""
    email, client = limited.user("mumbled"), limited.client()
    codes = Counter(code(log_in_with_forwarded(client, email, junk)) for junk in JUNK)
    assert codes == {"invalid_credentials": 10, "rate_limited": len(JUNK) - 10}


@pytest.mark.parametrize(
    "form",
    [
        lambda n: f"2001:db8:{n:x}:1:%x::%x",
        lambda n: f"2001:DB8:{n:X}:1:0:%x:0:%x",
        lambda n: f"10.%d.%d.9, 198.19.{n}.1",
        lambda n: f"10.%d.%d.9,::ffff:198.19.{n}.1",
    ],
)
def test_network_is_the_same_for_every_form_of_its_addresses(limited: Service, form: Callable[[int], str]) -> None:
    email, customer, codes = limited.user("customer"), form(next(_numbers)), Counter[str]()
    client = limited.client()
    for number in range(12):
        client.headers["X-Forwarded-For"] = customer % (number, number + 1)
        codes[code(log_in(client, email))] += 1
    assert codes == {"invalid_credentials": 10, "rate_limited": 2}


# -- mails, links and registrations -----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/password/forgot", "/v1/verify/resend"])
def test_mails_to_an_address_are_limited_whether_it_is_known_or_not(limited: Service, path: str) -> None:
    ip = network()
    for email in (limited.user("reader"), unique_email("nobody")):
        answers = [caller(limited, ip).post(path, json={"email": email}) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [202] * 3 + [429] * 2
        assert 3590 <= wait_of(answers[-1]) <= 3600
        assert caller(limited, network()).post(path, json={"email": email}).status_code == 202


def test_reset_page_shares_the_limit_of_the_api(limited: Service) -> None:
    ip, email = network(), unique_email("page")
    page = caller(limited, ip)
    assert page.post("/reset", data={"email": email}).status_code == 200
    for _ in range(2):
        assert page.post("/v1/password/forgot", json={"email": email}).status_code == 202
    refused = page.post("/reset", data={"email": email})
    assert refused.status_code == 429
    assert refused.headers["content-type"].startswith("text/html")
    assert 3590 <= int(refused.headers["retry-after"]) <= 3600
    assert "Too many attempts" in refused.text


@pytest.mark.parametrize("path", ["/verify", "/reset", "/email"])
def test_pages_and_api_share_the_limit_of_bad_links(limited: Service, path: str) -> None:
    client = caller(limited, network())
    call = {"/verify": "/v1/verify", "/reset": "/v1/password/reset", "/email": "/v1/email/confirm"}[path]
    body = {"token": "nonsense"}
    passwords = {"new_password": NEW, "confirm_password": NEW} if path == "/reset" else {}
    for _ in range(10):
        assert code(client.post(call, json=body | passwords)) == "link_invalid"
        assert client.post(path, data=body | passwords).status_code == 400
    assert 590 <= wait_of(client.post(call, json=body | passwords)) <= 600
    page = client.post(path, data=body | passwords)
    assert (page.status_code, page.headers["content-type"][:9]) == (429, "text/html")
    assert 590 <= int(page.headers["retry-after"]) <= 600
    assert code(caller(limited, network()).post(call, json=body | passwords)) == "link_invalid"


def test_registrations_are_limited_whether_the_address_is_known_or_not(limited: Service) -> None:
    ip = network()
    for email in (limited.user("here"), unique_email("new")):
        body = {"email": email, "password": PASSWORD}
        answers = [caller(limited, ip).post("/v1/register", json=body) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [202] * 3 + [429]
        assert 3590 <= wait_of(answers[-1]) <= 3600


def test_openapi_documents_rate_limits(limited: Service) -> None:
    schema = limited.client().get("/openapi.json").json()
    documented = {
        f"{call.method} {call.path.removeprefix('/v1')}"
        for call in calls(schema)
        if "429" in schema["paths"][call.path][call.method.lower()]["responses"]
    }
    assert documented == {
        *("POST /login", "POST /register", "POST /verify", "POST /verify/resend", "DELETE /me"),
        *("POST /password/forgot", "POST /password/reset", "POST /password/change"),
        *("POST /email/change", "POST /email/confirm", "POST /introspect", "POST /revoke"),
        *("POST /refresh", "POST /logout", "POST /logout/all", "DELETE /sessions/{session_id}"),
        *("PATCH /me", "GET /me/export", "PATCH /users/{user_id}", "DELETE /users/{user_id}"),
        *("POST /users/{user_id}/logout", "DELETE /users/{user_id}/factors"),
        *("POST /login/factor", "POST /login/passkey/options", "POST /login/passkey"),
        *("POST /factors/passkeys/options", "POST /factors/passkeys", "POST /factors/recovery-codes"),
        *("POST /factors/totp/options", "POST /factors/totp", "POST /step-up/options", "POST /step-up"),
        *("PATCH /factors/{factor_id}", "DELETE /factors/{factor_id}", "POST /session/token"),
        *("POST /invitations", "POST /invitations/accept", "DELETE /invitations/{invitation_id}"),
    }


# -- Redis ------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_rate_limits_store_no_personal_data_in_redis(limited: Service) -> None:
    ip, email = network(), limited.user("nameless", username=f"nameless{next(_numbers)}")
    fill(caller(limited, ip), email)
    caller(limited, ip).post("/v1/password/forgot", json={"email": email})
    redis = Redis.from_url(limited.environ["LATCHKEY_REDIS_URL"])
    kept = b""
    async for key in redis.scan_iter():
        kept += key + (await redis.dump(key) or b"")
    await redis.aclose()
    assert b"{latchkey}:limit:login:" in kept
    assert not any(word.encode() in kept for word in (ip, email, email.split("@")[0], "198.18."))


@pytest.mark.anyio
async def test_redis_crash_allows_at_most_one_extra_budget(tmp_path: Path, databases: DatabaseFactory) -> None:
    with engines.valkey(tmp_path / "valkey") as valkey:
        redis = Redis.from_url(valkey.url)
        await redis.config_set("appendfsync", "always")
        await redis.aclose()
        service = Service(tmp_path, databases()[0], valkey.url)
        service.environ |= {"LATCHKEY_RATE_LIMITS": "on", "LATCHKEY_TRUSTED_PROXIES": "127.0.0.1"}
        victim, owner = service.user("victim"), service.user("owner")
        try:
            service.start_api()
            heard: dict[str, Counter[str]] = {victim: Counter(), owner: Counter()}
            over = asyncio.Event()

            async def keep_logging_in(login: str, password: str) -> None:
                async with anonymous_client(service, network()) as client:
                    while not over.is_set():
                        answer = await client.post("/v1/login", json={"login": login, "password": password})
                        heard[login]["in" if answer.status_code == 200 else code(answer)] += 1

            async def wait_for(login: str, what: str, times: int) -> None:
                await wait_until(lambda: heard[login][what] >= times, within=100)

            async with asyncio.TaskGroup() as group:
                group.create_task(keep_logging_in(victim, WRONG))
                group.create_task(keep_logging_in(owner, PASSWORD))
                await wait_for(victim, "rate_limited", 1)
                assert heard[victim]["invalid_credentials"] == 10
                valkey.kill()
                await wait_for(victim, "invalid_credentials", 20)
                await wait_for(owner, "in", heard[owner]["in"] + 5)
                valkey.start()
                await wait_for(victim, "rate_limited", heard[victim]["rate_limited"] + 50)
                await wait_for(owner, "in", heard[owner]["in"] + 5)
                over.set()
            assert heard[victim]["invalid_credentials"] == 20
            assert set(heard[victim]) | set(heard[owner]) <= {
                *("invalid_credentials", "rate_limited", "in"),
                "overloaded",  # if the machine of the tests is busy
            }
        finally:
            service.stop()

"""Changing an e-mail address over HTTP and mail: the new mailbox confirms, the old one can undo."""

import asyncio
from collections import Counter

import httpx

from tests.support.service import PASSWORD, Client, Service, code, eventually, unique_email
from tests.support.sweeping import stored_rows

NEW_PASSWORD = "something else that is long"


def ask(client: Client, new_email: str, password: str = PASSWORD) -> httpx.Response:
    return client.post("/v1/email/change", json={"new_email": new_email, "password": password})


def confirm(client: Client, token: str) -> httpx.Response:
    return client.post("/v1/email/confirm", json={"token": token})


def confirmation_token(service: Service, recipient: str) -> str:
    """The token in the mail that confirms this address; its present owner also gets a notice."""

    def look() -> str | None:
        for number, mail in enumerate(service.mails(recipient), 1):
            if "Confirm your new e-mail address" in str(mail["subject"]):
                return service.token(recipient, number)
        return None

    return eventually(look)


def test_user_changes_the_address_and_stays_logged_in(service: Service) -> None:
    client, new = service.member(), unique_email("new")
    old = client.email
    answer = ask(client, new.upper())
    assert (answer.status_code, answer.json()) == (202, {"status": "verification_sent"})
    before = client.get("/v1/me").json()
    assert before["email"] == old

    token = service.token(new)
    answer = confirm(service.client(), token)
    assert (answer.status_code, answer.json()) == (200, before | {"email": new})
    assert confirm(client, token).json() == answer.json()
    assert client.get("/v1/me").json() == answer.json()
    assert client.renew().status_code == 200
    assert code(client.post("/v1/login", json={"login": old, "password": PASSWORD})) == "invalid_credentials"
    service.client().log_in(new)
    subjects = [str(service.mail(old, number)["subject"]) for number in (1, 2)]
    assert subjects == [
        "Your e-mail address for Latchkey is about to change",
        "Your e-mail address for Latchkey was changed",
    ]
    actions = [event["action"] for event in client.get("/v1/me/events").json()["items"]]
    assert actions[:4] == ["logged_in", "email_changed", "email_change_asked", "logged_in"]


def test_owner_restores_the_account_from_a_thief(service: Service) -> None:
    owner = service.member()
    thief = service.client().log_in(owner.email)
    loot = unique_email("thief")
    ask(thief, loot)
    assert confirm(thief, service.token(loot)).status_code == 200
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    thief.take(thief.post("/v1/password/change", json=change))
    for number in (1, 2):
        service.mail(owner.email, number)

    answer = confirm(service.client(), service.token(owner.email, 1))
    assert (answer.status_code, answer.json()["email"], answer.json()["verified"]) == (200, owner.email, True)
    assert code(thief.get("/v1/me")) == "token_revoked"
    assert code(thief.renew()) == "session_ended"
    for login in (owner.email, loot):
        for password in (PASSWORD, NEW_PASSWORD, ""):
            refused = thief.post("/v1/login", json={"login": login, "password": password})
            assert code(refused) == "invalid_credentials"
    for number in (1, 2):
        assert code(confirm(thief, service.token(owner.email, number))) == "link_invalid"
    assert code(confirm(thief, service.token(loot))) == "link_invalid"

    reset = {"token": service.token(owner.email, 3), "new_password": NEW_PASSWORD, "confirm_password": NEW_PASSWORD}
    assert owner.post("/v1/password/reset", json=reset).status_code == 204
    owner.log_in(owner.email, NEW_PASSWORD)


def test_response_does_not_reveal_whether_an_address_is_used(service: Service) -> None:
    client = service.member()
    claimed = unique_email("claimed")
    client.post("/v1/register", json={"email": claimed, "password": PASSWORD})
    answers = [ask(client, new) for new in (service.user("taken"), claimed, unique_email("free"))]
    varying = {"x-request-id", "date"}
    bodies = {
        (answer.status_code, answer.content, frozenset(name for name in answer.headers if name not in varying))
        for answer in answers
    }
    assert len(bodies) == 1
    assert answers[0].status_code == 202


def test_refused_change_changes_nothing(service: Service) -> None:
    client = service.member()
    before = stored_rows(service)
    assert code(ask(client, unique_email(), "not the password at all")) == "invalid_credentials"
    for new in ("nonsense", "a@example.org,b@example.org", client.email, client.email.upper()):
        answer = ask(client, new)
        assert code(answer) == "email_invalid"
        assert [error["field"] for error in answer.json()["errors"]] == ["new_email"]
    assert ask(client, client.email).json()["errors"][0]["code"] == "unchanged"
    assert code(ask(service.client(), unique_email())) == "token_missing"
    for token in ("", "x", "a.b", "a.b.c", client.pair["access_token"], client.pair["refresh_token"]):
        assert code(confirm(client, token)) == "link_invalid"
    assert stored_rows(service) == before


def test_each_link_works_on_one_route_only(service: Service) -> None:
    email = unique_email("links")
    client = service.client()
    client.post("/v1/register", json={"email": email, "password": PASSWORD})
    verify = service.token(email)
    assert code(confirm(client, verify)) == "link_invalid"
    client.post("/v1/verify", json={"token": verify})
    client.post("/v1/password/forgot", json={"email": email})
    assert code(confirm(client, service.token(email, 2))) == "link_invalid"
    new = unique_email("new")
    ask(client.log_in(email), new)
    for token in (service.token(new), service.token(email, 3)):
        assert code(client.post("/v1/verify", json={"token": token})) == "link_invalid"
        body = {"token": token, "new_password": NEW_PASSWORD, "confirm_password": NEW_PASSWORD}
        assert code(client.post("/v1/password/reset", json=body)) == "link_invalid"
    assert client.get("/v1/me").json()["email"] == email


def test_deleted_account_leaves_no_valid_link(service: Service) -> None:
    client, new = service.member(), unique_email("new")
    ask(client, new)
    tokens = [service.token(new), service.token(client.email)]
    user_id = client.get("/v1/me").json()["id"]
    assert service.admin().delete(f"/v1/users/{user_id}").status_code == 204
    heir = service.client().log_in(service.user(client.email))
    for token in tokens:
        assert code(confirm(heir, token)) == "link_invalid"
    assert heir.get("/v1/me").json()["email"] == client.email


async def confirm_concurrently(service: Service, tokens: list[str]) -> list[httpx.Response]:
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=service.url, limits=limits, timeout=30) as client:
        requests = [client.post("/v1/email/confirm", json={"token": token}) for token in tokens]
        return list(await asyncio.gather(*requests))


def test_two_users_swap_their_addresses_concurrently(service: Service) -> None:
    for _ in range(2):
        pair = [service.member(), service.member()]
        emails = [one.email for one in pair]
        for one, new in zip(pair, reversed(emails), strict=True):
            assert ask(one, new).status_code == 202
        links = [confirmation_token(service, new) for new in reversed(emails)]
        answers = asyncio.run(confirm_concurrently(service, links))
        assert [answer.status_code for answer in answers] == [200, 200]
        for one, new in zip(pair, reversed(emails), strict=True):
            one.take(one.renew())
            me = one.get("/v1/me").json()
            assert (me["email"], me["verified"]) == (new, True)
            service.client().log_in(new)


def test_forty_concurrent_confirmations_confirm_once(service: Service) -> None:
    client, new = service.member(), unique_email("new")
    ask(client, new)
    answers = asyncio.run(confirm_concurrently(service, [service.token(new)] * 40))
    assert Counter(answer.status_code for answer in answers) == {200: 40}
    assert {answer.json()["email"] for answer in answers} == {new}
    actions = Counter(event["action"] for event in client.get("/v1/me/events").json()["items"])
    assert actions["email_changed"] == 1

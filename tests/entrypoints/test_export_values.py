"""The values in the export that are null for most users."""

from tests.support.authenticator import SoftwareAuthenticator
from tests.support.factor_users import add_passkey, successful
from tests.support.service import PASSWORD, Service, unique_email


def test_export_contains_languages_of_the_account_and_of_mails(service: Service) -> None:
    email = unique_email("sprache")
    client = service.client()
    registration = {"email": email, "password": PASSWORD}
    client.post("/v1/register", json=registration, headers={"Accept-Language": "de-AT"}).raise_for_status()
    client.post("/v1/verify", json={"token": service.token(email)}).raise_for_status()
    client.log_in(email)
    client.post("/v1/password/forgot", json={"email": email}, headers={"Accept-Language": "en"}).raise_for_status()
    service.mail(email, 2)
    document = successful(client.get("/v1/me/export"))
    assert document["account"] == {"language": "de", "provenance": "self", "imported_at": None}
    assert [(mail["kind"], mail["language"]) for mail in document["mails"]] == [("reset", "en"), ("verify", "de")]


def test_export_tells_synchronized_passkeys_from_those_of_one_device(service: Service) -> None:
    for synced in (True, False):
        client = service.member()
        add_passkey(client, SoftwareAuthenticator(origin=service.url, synced=synced))
        [factor] = successful(client.get("/v1/me/export"))["factors"]
        assert (factor["kind"], factor["backed_up"]) == ("passkey", synced)

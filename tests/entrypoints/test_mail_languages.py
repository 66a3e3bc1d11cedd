"""Mails in the language of their readers, as files for a browser and as the worker sends them."""

from email.message import EmailMessage
from pathlib import Path

from adapters.mail.sample_mails import sample_mails
from entrypoints.devserver.mails import write_mails
from tests.support.service import PASSWORD, Service, unique_email


def test_every_mail_is_written_in_every_language(tmp_path: Path) -> None:
    index = write_mails(tmp_path)
    page = index.read_text()
    for language in ("en", "de"):
        for sample in sample_mails(language):
            for kind in ("html", "txt"):
                assert (tmp_path / language / f"{sample.name}.{kind}").read_text()
                assert f'href="{language}/{sample.name}.{kind}"' in page
    text = (tmp_path / "de/new_device-new_device.txt").read_text()
    assert "Subject: Neue Anmeldung in Ihrem Konto bei Latchkey\n" in text
    assert "\nZeit: 30. November 2026 um 12:05 UTC\nGerät: Firefox unter Linux\n" in text
    assert '<html lang="de">' in (tmp_path / "de/reset.html").read_text()


def test_user_gets_mails_in_the_language_of_the_registration(service: Service) -> None:
    email = unique_email("sprache")
    with service.client() as client:
        headers = {"Accept-Language": "de-AT,en;q=0.5"}
        client.post("/v1/register", json={"email": email, "password": PASSWORD}, headers=headers).raise_for_status()
        assert subject(service.mail(email)).startswith("Bestätigen Sie Ihre E-Mail-Adresse für ")
        client.post("/v1/verify", json={"token": service.token(email)}).raise_for_status()
        client.post("/v1/password/forgot", json={"email": email}).raise_for_status()
        assert subject(service.mail(email, 2)).startswith("Wählen Sie ein neues Passwort für ")


def subject(mail: EmailMessage) -> str:
    return str(mail["Subject"])

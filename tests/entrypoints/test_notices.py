"""Notices show time, device and IP address, so that users can recognize their own actions."""

import re
from email.message import EmailMessage

from tests.support.service import PASSWORD, Client, Service, unique_email

LINUX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 Version/26.0 Safari/604"
TIME = r"[1-9][0-9]? [A-Z][a-z]+ 20\d\d at \d\d:\d\d UTC"


def text(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return "\n".join(body.get_content().splitlines())


def shows_device(mail: EmailMessage, device: str) -> None:
    assert re.search(rf"Time: {TIME}\nDevice: {device}\nIP address: 127\.0\.0\.1\n", text(mail)), text(mail)


def member(service: Service, agent: str) -> Client:
    client = service.member()
    client.headers["User-Agent"] = agent
    return client


def test_notice_of_a_changed_password_names_the_device(service: Service) -> None:
    client = member(service, LINUX)
    change = {"current_password": PASSWORD, "new_password": "another quite fine passphrase"}
    assert client.post("/v1/password/change", json=change).status_code == 200
    shows_device(service.mail(client.email), "Firefox on Linux")


def test_notice_of_a_reset_password_names_the_device(service: Service) -> None:
    client, other = member(service, LINUX), service.client()
    client.post("/v1/password/forgot", json={"email": client.email})
    assert "Device: Firefox on Linux · IP address: 127.0.0.1" in text(service.mail(client.email))
    other.headers["User-Agent"] = IPHONE
    form = {"token": service.token(client.email), "new_password": "a long walk home", "confirm_password": ""}
    form["confirm_password"] = form["new_password"]
    assert other.post("/reset", data=form).status_code == 200
    shows_device(service.mail(client.email, 2), "Safari on iPhone")


def test_notice_of_an_ended_session_names_the_device(service: Service) -> None:
    client = member(service, LINUX)
    old = client.pair["refresh_token"]
    client.take(client.renew())
    client.take(client.renew())
    client.headers["User-Agent"] = IPHONE
    assert client.renew(old).status_code == 401
    mail = service.mail(client.email)
    shows_device(mail, "Safari on iPhone")
    assert "token" not in re.sub(r"/email\?token=\S+", "", text(mail))
    assert "presented" not in text(mail)


def test_link_in_a_notice_undoes_the_change_by_a_button(service: Service) -> None:
    client, mailbox = member(service, LINUX), service.client()
    change = {"current_password": PASSWORD, "new_password": "another quite fine passphrase"}
    assert client.post("/v1/password/change", json=change).status_code == 200
    token = service.token(client.email)
    page = mailbox.get("/email", params={"token": token})
    assert page.status_code == 200
    assert "with the passkeys, authenticator app and recovery codes of that time" in page.text
    for status, heading in ((200, "You have your account back"), (400, "This link")):
        done = mailbox.post("/email", data={"token": token})
        assert done.status_code == status
        assert heading in done.text
    assert "Any passkeys, authenticator app and recovery codes are those from before." in text(
        service.mail(client.email, 2)
    )


def test_notices_of_an_address_change_name_each_device(service: Service) -> None:
    client, new, mailbox = member(service, LINUX), unique_email("new"), service.client()
    client.post("/v1/email/change", json={"new_email": new, "password": PASSWORD})
    shows_device(service.mail(client.email, 1), "Firefox on Linux")
    assert "Device: Firefox on Linux" in text(service.mail(new))
    mailbox.headers["User-Agent"] = IPHONE
    assert mailbox.post("/v1/email/confirm", json={"token": service.token(new)}).status_code == 200
    shows_device(service.mail(client.email, 2), "Safari on iPhone")
    mailbox.headers["User-Agent"] = "<b>evil</b>"
    assert mailbox.post("/v1/email/confirm", json={"token": service.token(client.email, 2)}).status_code == 200
    shows_device(service.mail(client.email, 3), "unknown")


def test_notice_of_a_second_registration_names_the_device(service: Service) -> None:
    email, client = service.user("known"), service.client()
    client.headers["User-Agent"] = LINUX
    client.post("/v1/register", json={"email": email, "password": PASSWORD})
    shows_device(service.mail(email), "Firefox on Linux")


def test_notice_of_a_deletion_hides_the_address_of_an_admin(service: Service) -> None:
    client = member(service, LINUX)
    assert client.request("DELETE", "/v1/me", json={"password": PASSWORD}).status_code == 204
    shows_device(service.mail(client.email), "Firefox on Linux")
    other, admin = service.member(), service.admin()
    user_id = other.get("/v1/me").json()["id"]
    assert admin.delete(f"/v1/users/{user_id}").status_code == 204
    notice = text(service.mail(other.email))
    assert re.search(rf"Time: {TIME}\n", notice)
    assert "127.0.0.1" not in notice
    assert "Device" not in notice


def test_export_shows_ip_address_and_device_of_a_mail(service: Service) -> None:
    client = member(service, LINUX)
    client.post("/v1/password/forgot", json={"email": client.email})
    service.mail(client.email)
    [mail] = client.get("/v1/me/export").json()["mails"]
    assert (mail["ip"], mail["user_agent"]) == ("127.0.0.1", LINUX)

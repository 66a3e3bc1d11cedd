"""The pages about users in a real browser: light, dark, narrow and wide."""

import asyncio
from uuid import UUID

from domain.role import Role
from tests.support.browser import Browser
from tests.support.service import PASSWORD, Service, unique_email
from tests.support.sweeping import fetch


def test_user_pages_fit_every_screen(service: Service, browser: Browser) -> None:
    email = service.user("moderator-of-a-very-long-department-name", role=Role.MODERATOR, username="ada.lovelace")
    admin = service.user("admin", role=Role.ADMIN)
    person = service.client().log_in(email)
    for name in ("a program", "x" * 64):
        service.credentials(name)
    person.post("/v1/invitations", json={"email": unique_email("guest")})
    refusal = "550 5.1.1 The e-mail account that you tried to reach does not exist: " + "x" * 80
    park = "UPDATE mails SET outcome = 'parked', note = $1 WHERE recipient = $2 AND outcome = 'sent'"
    person.post("/v1/password/forgot", json={"email": email})
    service.mail(email)
    asyncio.run(fetch(service, park, refusal, email))
    [user] = asyncio.run(fetch(service, "SELECT id FROM users WHERE email = $1", email))
    [sent] = asyncio.run(fetch(service, "SELECT id FROM invitations WHERE invited_by = $1", user["id"]))
    browser.driver.get(f"{service.url}/sign-in")
    browser.fill(login=admin, password=PASSWORD)
    browser.press()
    for name, path in pages(user["id"], sent["id"]).items():
        browser.driver.get(service.url + path)
        browser.see(name)
        assert width_on_a_small_phone(browser) <= 320, name
    browser.fill(name="notes")
    browser.driver.find_element("css selector", ".card button").click()
    browser.see("users-client-added")


def width_on_a_small_phone(browser: Browser) -> int:
    metrics = {"width": 320, "height": 900, "deviceScaleFactor": 1, "mobile": True}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    return int(browser.driver.execute_script("return document.documentElement.scrollWidth"))


def pages(user_id: UUID, invitation_id: UUID) -> dict[str, str]:
    """The form of the last one is sent."""
    acts = ("role", "disable", "enable", "sign-out", "reset-factors", "delete")
    return {
        "users": "/users",
        "users-none": "/users?query=no-match",
        "users-person": f"/users/{user_id}",
        "users-done": f"/users/{user_id}?done=role",
        "users-events": f"/users/{user_id}/events",
        **{f"users-{act}": f"/users/{user_id}/{act}" for act in acts},
        "users-invitations": "/users/invitations",
        "users-revoke": f"/users/invitations/{invitation_id}/revoke",
        "users-mails": "/users/mails",
        "users-clients": "/users/clients",
        "users-client-new": "/users/clients/new",
    }

"""The languages of users and mails in the store."""

from dataclasses import replace
from uuid import UUID

import pytest

from domain.client_info import ClientInfo
from domain.outbox import VERIFIED_USER
from tests.support.store_harness import LATER, NOW, StoreHarness, claim, new_id, queued_mail

pytestmark = pytest.mark.anyio


async def test_locale_is_stored_and_changed(harness: StoreHarness) -> None:
    user = replace(claim(), locale="de")
    async with harness.begin() as work:
        await work.users.add(user)
    async with harness.begin() as work:
        assert await work.users.by_id(user.id) == user
        assert await work.users.set_locale(user.id, "en") == replace(user, locale="en")
        assert await work.users.set_locale(user.id, None) == replace(user, locale=None)
        assert await work.users.set_locale(new_id(), "de") is None


async def lease_languages(harness: StoreHarness) -> set[str]:
    async with harness.begin() as work:
        mails = await work.outbox.lease(now=NOW, hold=LATER - NOW, limit=10)
        return {mail.client_info.language for mail in mails}


@pytest.mark.parametrize("user_id", [None, VERIFIED_USER])
async def test_mail_to_an_address_is_in_the_language_of_its_verified_user(
    harness: StoreHarness, user_id: UUID | None
) -> None:
    ada, bob = replace(claim(), locale="de"), replace(claim("bob@example.org"), locale="de")
    async with harness.begin() as work:
        await work.users.add(ada)
        await work.users.add(bob)
        await work.outbox.add(replace(queued_mail(user_id=user_id), client_info=ClientInfo(language="fr")))
    async with harness.begin() as work:
        await work.users.verify_email(bob.id, credential_version=1, now=NOW)
    assert await lease_languages(harness) == {"fr"}
    async with harness.begin() as work:
        await work.users.verify_email(ada.id, credential_version=1, now=NOW)
        await work.outbox.add(replace(queued_mail(user_id=user_id), client_info=ClientInfo(language="fr")))
    assert await lease_languages(harness) == {"de"}


@pytest.mark.parametrize(("locale", "language"), [("de", "de"), (None, "fr")])
async def test_mail_about_a_user_is_in_their_language_also_after_the_deletion(
    harness: StoreHarness, locale: str | None, language: str
) -> None:
    ada = replace(claim(), locale=locale)
    async with harness.begin() as work:
        await work.users.add(ada)
        await work.users.verify_email(ada.id, credential_version=1, now=NOW)
        mail = replace(queued_mail(user_id=ada.id), recipient="old@example.org")
        await work.outbox.add(replace(mail, client_info=ClientInfo(language="fr")))
    async with harness.begin() as work:
        await work.users.remove(ada.id, now=NOW, until=LATER)
        assert await work.users.set_locale(ada.id, "en") is None
    assert await lease_languages(harness) == {language}
    async with harness.begin() as work:
        restored = await work.users.restore(ada.id, email=ada.email, now=NOW)
        assert restored is not None
        assert restored.locale == locale


@pytest.mark.parametrize("language", ["de", ""])
async def test_mail_keeps_the_language_of_its_request(harness: StoreHarness, language: str) -> None:
    mail = replace(queued_mail(), client_info=ClientInfo(ip="192.0.2.1", language=language))
    async with harness.begin() as work:
        await work.outbox.add(mail)
    async with harness.begin() as work:
        (leased,) = await work.outbox.lease(now=NOW, hold=LATER - NOW, limit=1)
    assert leased.client_info.language == language


async def test_history_has_the_language_of_the_request_not_of_the_user(harness: StoreHarness) -> None:
    ada = replace(claim(), locale="de")
    async with harness.begin() as work:
        await work.users.add(ada)
        for language in ("fr", ""):
            await work.outbox.add(replace(queued_mail(user_id=ada.id), client_info=ClientInfo(language=language)))
    assert await lease_languages(harness) == {"de"}
    async with harness.begin() as work:
        page = await work.outbox.page(ada, limit=10, after=None)
    assert [mail.client_info.language for mail in page] == ["", "fr"]

"""The language of users and of their mails."""

from dataclasses import replace

import pytest

from application.administration.operator_delete_user import OperatorDeleteUser
from application.mail.address_mail import addressed
from domain.client_info import ClientInfo
from domain.outbox import MailKind
from domain.refusals import ErrorCode
from domain.role import Role
from tests.support.use_cases import ALICE, BOB, refused
from tests.support.world import PASSWORD, World

pytestmark = pytest.mark.anyio

GERMAN, FRENCH = (ClientInfo(ip="192.0.2.7", language=language) for language in ("de", "fr"))


async def languages(world: World) -> dict[MailKind, str]:
    """The language in which each queued mail would be sent now."""
    async with world.begin() as work:
        mails = await work.outbox.lease(hold=world.deliver_mail.lease, limit=100, now=world.clock())
        return {mail.kind: mail.client_info.language for mail, _ in await addressed(work, mails, now=world.clock())}


async def test_registration_stores_the_language_of_the_request(world: World) -> None:
    await world.register(email=ALICE, password=PASSWORD, client_info=GERMAN)
    await world.register(email=BOB, password=PASSWORD)
    assert {user.email: user.locale for user in world.store.rows.users.values()} == {ALICE: "de", BOB: None}


async def test_user_changes_the_language_to_one_that_exists(world: World) -> None:
    alice, caller = await world.user(), await world.caller()
    assert await world.change_locale(caller, locale="de") == replace(alice, locale="de")
    for unknown in ("xx", "", "de_DE", "../de", "DE"):
        with refused(ErrorCode.MALFORMED, field="locale"):
            await world.change_locale(caller, locale=unknown)
    assert await world.change_locale(caller, locale=None) == alice
    await OperatorDeleteUser(begin=world.begin, manage=world.manage, audit=world.audit)(who=ALICE)
    with refused(ErrorCode.TOKEN_REVOKED):
        await world.change_locale(caller, locale="de")


async def test_mail_about_a_user_is_in_their_language(world: World) -> None:
    await world.user()
    caller = await world.caller()
    await world.request_reset(email=ALICE, client_info=FRENCH)
    await world.register(email=ALICE, password=PASSWORD, client_info=FRENCH)
    await world.change_email(caller, new_email=BOB, password=PASSWORD, client_info=FRENCH)
    assert set((await languages(world)).values()) == {"fr"}
    await world.change_locale(caller, locale="de")
    world.clock.advance(minutes=1)
    by_kind = await languages(world)
    assert set(by_kind) >= {MailKind.RESET, MailKind.ALREADY_REGISTERED, MailKind.CONFIRM_EMAIL}
    assert set(by_kind.values()) == {"de"}


async def test_mail_without_a_verified_user_is_in_the_language_of_its_request(world: World) -> None:
    await world.register(email=ALICE, password=PASSWORD, client_info=GERMAN)
    await world.request_verification(email=ALICE, client_info=FRENCH)
    async with world.begin() as work:
        mails = await work.outbox.lease(hold=world.deliver_mail.lease, limit=100, now=world.clock())
        to_send = [mail for mail, _ in await addressed(work, mails, now=world.clock())]
    assert {(mail.user_id is None, mail.client_info.language) for mail in to_send} == {(True, "fr"), (False, "de")}


async def test_mail_about_a_deletion_is_in_the_language_of_the_user(world: World) -> None:
    await world.user()
    await world.change_locale(await world.caller(), locale="de")
    await OperatorDeleteUser(begin=world.begin, manage=world.manage, audit=world.audit)(who=ALICE)
    assert await languages(world) == {MailKind.ACCOUNT_DELETED: "de"}


async def test_invitation_is_in_the_language_of_its_request(world: World) -> None:
    await world.user(role=Role.ADMIN)
    await world.invite(await world.caller(), email=BOB, client_info=GERMAN)
    assert await languages(world) == {MailKind.INVITATION: "de"}

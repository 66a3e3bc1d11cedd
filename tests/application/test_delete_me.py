"""Deleting the own account requires the password and is complete; later users of the address inherit nothing."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from domain.audit import EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.outbox import EmailLink, LinkPurpose, MailKind
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from domain.session import EndReason
from domain.user import User
from tests.support.use_cases import (
    ALICE,
    BOB,
    REVOKED,
    InterruptedHasher,
    actions_of,
    change_link,
    claim,
    error_code_of,
    link,
    purge,
    queued_mails,
    refused,
    request_email_change,
    reset_by_mail,
    run_concurrently,
    session_of,
    token_errors,
)
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio

HERE = ClientInfo(ip="192.0.2.7", user_agent="curl/8")


def gone(world: World, user: User) -> bool:
    return user.id not in world.store.rows.users


async def test_account_sessions_and_links_end_at_once(world: World) -> None:
    alice = await world.user(ALICE, username="queen")
    await world.user(BOB)
    pairs = [await world.log_in(ALICE) for _ in range(3)]
    stranger = await world.log_in(BOB)
    links = {purpose: link(world, alice, purpose) for purpose in (LinkPurpose.VERIFY, LinkPurpose.RESET)}

    await world.delete_me(await world.authenticate(pairs[0].access_token), password=PASSWORD)

    assert gone(world, alice)
    assert [await token_errors(world, pair) for pair in pairs] == [REVOKED] * 3
    assert {session_of(world, pair).end_reason for pair in pairs} == {EndReason.DELETED}
    for login in (ALICE, "queen"):
        assert await error_code_of(world.login(login=login, password=PASSWORD)) is ErrorCode.INVALID_CREDENTIALS
    assert await error_code_of(world.verify(token=links[LinkPurpose.VERIFY])) is ErrorCode.LINK_INVALID
    reset = world.reset_password(
        token=links[LinkPurpose.RESET], new_password=OTHER_PASSWORD, confirm_password=OTHER_PASSWORD
    )
    assert await error_code_of(reset) is ErrorCode.LINK_INVALID
    assert await token_errors(world, stranger) == (None, None)
    world.clock.advance(days=7)
    await purge(world)
    assert {(session_of(world, pair).user_id, session_of(world, pair).client_info) for pair in pairs} == {
        (None, UNKNOWN_CLIENT)
    }


async def test_wrong_password_deletes_nothing(world: World) -> None:
    await world.user(ALICE)
    caller = await world.caller()
    before = world.store.rows.copy()
    for password in (OTHER_PASSWORD, "", PASSWORD + " "):
        with refused(ErrorCode.INVALID_CREDENTIALS, field="password"):
            await world.delete_me(caller, password=password)
    assert world.store.rows == before


async def test_the_mailbox_gets_a_notice_and_no_reset_link(world: World) -> None:
    await world.user(ALICE)
    await world.request_reset(email=ALICE)
    await world.delete_me(await world.caller(), password=PASSWORD)
    await world.deliver_mail(limit=10)
    assert [(letter.recipient, letter.subject) for letter in world.mailer.letters] == [
        (ALICE, "Get your account at Latchkey back"),
        (ALICE, "Your account at Latchkey was deleted"),
    ]


async def test_an_unverified_address_gets_no_deletion_notice(world: World) -> None:
    user = await claim(world, ALICE, PASSWORD)
    await world.delete_me(await world.caller(), password=PASSWORD)
    assert gone(world, user)
    assert {mail.kind for mail in world.store.rows.mails.values()} == {MailKind.VERIFY}


async def test_sent_mails_are_deleted_with_the_recipient_address(world: World) -> None:
    alice = await world.user(ALICE)
    await world.user(BOB)
    for ask in (world.request_reset(email=ALICE), world.request_reset(email=BOB)):
        await ask
    await world.register(email=ALICE, password=PASSWORD)  # by which Alice learns that she has an account already
    caller = await world.caller()
    await world.change_password(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)
    await world.deliver_mail(limit=10)
    caller = await world.authenticate((await world.log_in(ALICE, OTHER_PASSWORD)).access_token)
    await world.request_reset(email=ALICE)
    await world.delete_me(caller, password=OTHER_PASSWORD)
    await purge(world)
    assert len(world.store.rows.mails) > 3
    world.clock.advance(days=7)
    await world.request_reset(email=ALICE)
    await purge(world)
    left = [(mail.recipient, mail.kind, mail.user_id) for mail in world.store.rows.mails.values()]
    assert left == [
        (BOB, MailKind.RESET, None),
        (ALICE, MailKind.RESET, None),
        (ALICE, MailKind.ACCOUNT_CLOSED, alice.id),
        (ALICE, MailKind.RESET, None),
    ]


async def test_deleting_an_unverified_user_deletes_only_their_own_mails(world: World) -> None:
    squatter = await claim(world, ALICE, OTHER_PASSWORD)
    rival = await claim(world, ALICE, PASSWORD)
    await world.deliver_mail(limit=10)
    caller = await world.caller()
    assert caller.user_id == rival.id
    await world.delete_me(caller, password=PASSWORD)
    await purge(world)
    assert [mail.user_id for mail in world.store.rows.mails.values()] == [squatter.id]
    assert not gone(world, squatter)


async def test_the_deletion_event_stays_without_address_and_device(world: World) -> None:
    alice = await world.user(ALICE)
    pair = await world.login(login=ALICE, password=PASSWORD, client_info=HERE)
    await world.delete_me(await world.authenticate(pair.access_token), password=PASSWORD)
    shown, _ = await world.list_events(alice.id)
    assert {event.client_info for event in shown} == {UNKNOWN_CLIENT}
    world.clock.advance(days=7)
    await purge(world)
    events = [event for event in world.store.rows.events.values() if event.user_id == alice.id]
    assert [event.action for event in events] == [EventType.CREATED, EventType.LOGGED_IN, EventType.DELETED]
    assert {event.client_info for event in events} == {UNKNOWN_CLIENT}
    assert events[-1].actor_id == alice.id


async def test_a_later_user_of_the_address_inherits_nothing(world: World) -> None:
    old = await world.user(ALICE, username="queen", role=Role.MODERATOR)
    pair = await world.login(login=ALICE, password=PASSWORD, client_info=HERE)
    change = await request_email_change(world, old, "elsewhere@example.org")
    reset = link(world, old, LinkPurpose.RESET)
    await world.delete_me(await world.authenticate(pair.access_token), password=PASSWORD)

    new = await world.user(ALICE)
    caller = await world.caller()
    assert (new.role, new.username) == (Role.MEMBER, None)
    assert [session.id for session in await world.list_sessions(caller)] == [caller.session_id]
    assert actions_of(world, new) == [EventType.CREATED, EventType.LOGGED_IN]
    assert (
        await error_code_of(world.reset_password(token=reset, new_password="x", confirm_password="x"))
        is ErrorCode.LINK_INVALID
    )
    assert (
        await error_code_of(world.confirm_email(token=change_link(world, change, LinkPurpose.EMAIL)))
        is ErrorCode.LINK_INVALID
    )
    assert (
        await error_code_of(world.restore_email(token=change_link(world, change, LinkPurpose.RESTORE)))
        is ErrorCode.LINK_INVALID
    )
    assert (await world.change_username(caller, username="Queen")).username == "Queen"
    assert await token_errors(world, pair) == REVOKED
    world.clock.advance(days=7)
    await purge(world)
    assert world.store.rows.email_changes == {}


async def test_the_last_admin_cannot_delete_the_account(world: World) -> None:
    last = await world.user(ALICE, role=Role.ADMIN)
    caller = await world.caller()
    before = world.store.rows.copy()
    with refused(ErrorCode.LAST_ADMIN):
        await world.delete_me(caller, password=PASSWORD)
    assert world.store.rows == before
    with refused(ErrorCode.INVALID_CREDENTIALS, field="password"):
        await world.delete_me(caller, password=OTHER_PASSWORD)
    await world.user(BOB, role=Role.ADMIN)
    await world.delete_me(caller, password=PASSWORD)
    assert gone(world, last)


async def test_of_five_admins_who_delete_their_accounts_concurrently_one_remains(world: World) -> None:
    callers = []
    for number in range(5):
        await world.user(f"admin{number}@example.org", role=Role.ADMIN)
        callers.append(await world.caller(f"admin{number}@example.org"))
    outcomes = await run_concurrently([partial(world.delete_me, caller, password=PASSWORD) for caller in callers])
    assert [outcome.code for outcome in outcomes if isinstance(outcome, Refusal)] == [ErrorCode.LAST_ADMIN]
    assert len(world.store.rows.users) == 1


async def test_a_concurrent_ban_password_change_or_logout_prevents_the_deletion(world: World) -> None:
    async def ban() -> None:
        async with world.begin() as work:
            await work.users.set_disabled(alice.id, True, now=world.clock())

    async def reset() -> None:
        async with world.begin() as work:
            await work.users.replace_password(alice.id, "memory$new", credential_version=1)

    async def end() -> None:
        async with world.begin() as work:
            await work.users.remove(alice.id, now=world.clock())

    for meanwhile, code in ((ban, ErrorCode.ACCOUNT_DISABLED), (reset, ErrorCode.INVALID_CREDENTIALS)):
        alice = await world.user(f"{code}@example.org")
        delete = replace(world.delete_me, check=replace(world.check, hasher=InterruptedHasher(meanwhile)))
        assert await error_code_of(delete(await world.caller(alice.email), password=PASSWORD)) is code
        assert not gone(world, alice)
    alice = await world.user(ALICE)
    delete = replace(world.delete_me, check=replace(world.check, hasher=InterruptedHasher(end)))
    assert await error_code_of(delete(await world.caller(), password=PASSWORD)) is ErrorCode.INVALID_CREDENTIALS
    assert queued_mails(world, MailKind.ACCOUNT_CLOSED) == []


async def test_a_deleted_user_is_refused(world: World) -> None:
    await world.user(ALICE)
    caller = await world.caller()
    await world.delete_me(caller, password=PASSWORD)
    with refused(ErrorCode.TOKEN_REVOKED):
        await world.delete_me(caller, password=PASSWORD)


async def test_of_many_concurrent_deletions_one_succeeds_and_one_mail_is_queued(world: World) -> None:
    alice = await world.user(ALICE)
    caller = await world.caller()
    outcomes = await run_concurrently([partial(world.delete_me, caller, password=PASSWORD)] * 10)
    assert outcomes.count(None) == 1
    assert len(queued_mails(world, MailKind.ACCOUNT_CLOSED)) == 1
    assert actions_of(world, alice).count(EventType.DELETED) == 1


async def test_a_user_deleted_by_an_admin_gets_a_notice(world: World) -> None:
    await world.user(ALICE, role=Role.ADMIN)
    bob = await world.user(BOB)
    await world.request_reset(email=BOB)
    await world.deliver_mail(limit=10)
    await world.delete_user(await world.caller(ALICE), bob.id, client_info=HERE)
    await purge(world)
    [mail] = world.store.rows.mails.values()
    assert (mail.kind, mail.recipient, mail.user_id) == (MailKind.ACCOUNT_DELETED, BOB, None)
    event = list(world.store.rows.events.values())[-1]
    assert (event.action, event.user_id, event.client_info) == (EventType.DELETED, bob.id, HERE)


# -- undoing it from the mailbox ---------------------------------------------------------------------------


async def deleted(world: World, *, username: str | None = None, role: Role = Role.MEMBER) -> tuple[User, str]:
    """The account was deleted by its password; the token in the mail about it."""
    user = await world.user(ALICE, username=username, role=role)
    await world.delete_me(await world.caller(), password=PASSWORD)
    return user, await world.mailed_token(ALICE)


async def test_undoing_a_deletion_from_the_mailbox_removes_the_password(world: World) -> None:
    await world.user(BOB, role=Role.ADMIN)
    user, token = await deleted(world, username="queen", role=Role.MODERATOR)
    restored = await world.follow_email_link(token=token)
    assert (restored.id, restored.email, restored.username, restored.role) == (user.id, ALICE, "queen", user.role)
    assert (restored.verified, restored.disabled, restored.created_at) == (True, False, user.created_at)
    assert await error_code_of(world.log_in(ALICE)) is ErrorCode.INVALID_CREDENTIALS
    assert actions_of(world, user)[-2:] == [EventType.DELETED, EventType.EMAIL_RESTORED]
    await reset_by_mail(world, ALICE, OTHER_PASSWORD)
    caller = await world.authenticate((await world.log_in(ALICE, OTHER_PASSWORD)).access_token)
    assert caller.user_id == user.id
    world.clock.advance(days=400)
    await purge(world)
    assert not gone(world, user)


async def test_a_link_that_undoes_a_deletion_works_once(world: World) -> None:
    user, token = await deleted(world)
    outcomes = await run_concurrently([partial(world.restore_email, token=token)] * 10)
    assert [it.id for it in outcomes if isinstance(it, User)] == [user.id]
    await reset_by_mail(world, ALICE, OTHER_PASSWORD)
    caller = await world.authenticate((await world.log_in(ALICE, OTHER_PASSWORD)).access_token)
    assert await error_code_of(world.restore_email(token=token)) is ErrorCode.LINK_INVALID
    await world.delete_me(caller, password=OTHER_PASSWORD)
    assert await error_code_of(world.restore_email(token=token)) is ErrorCode.LINK_INVALID
    assert (await world.restore_email(token=await world.mailed_token(ALICE))).id == user.id


@pytest.mark.parametrize(
    ("seconds", "code"), [(-1, None), (0, ErrorCode.LINK_EXPIRED), (86_400, ErrorCode.LINK_EXPIRED)]
)
async def test_a_deletion_can_be_undone_for_seven_days(world: World, seconds: int, code: ErrorCode | None) -> None:
    user, token = await deleted(world)
    world.clock.advance(days=7, seconds=seconds)
    await purge(world)
    assert await error_code_of(world.restore_email(token=token)) is code
    assert (user.id in world.store.rows.deletions) is False
    assert gone(world, user) is (code is not None)


async def test_a_deleted_user_is_not_found_and_address_and_name_are_free(world: World) -> None:
    await world.user(BOB, role=Role.ADMIN)
    user, _ = await deleted(world, username="queen")
    page, _ = await world.list_users()
    assert [it.email for it in page] == [BOB]
    assert await error_code_of(world.show_user(user.id)) is ErrorCode.NOT_FOUND
    boss = await world.caller(BOB)
    for act in (world.change_user(boss, user.id, disabled=True), world.delete_user(boss, user.id)):
        assert await error_code_of(act) is ErrorCode.NOT_FOUND
    await claim(world, ALICE, OTHER_PASSWORD, username="queen")
    newcomer = await world.verify(token=await world.mailed_token(ALICE))
    assert (newcomer.id != user.id, newcomer.username) == (True, "queen")
    assert await error_code_of(world.log_in(ALICE, OTHER_PASSWORD)) is None


async def test_deletion_can_be_undone_after_another_user_verified_the_address(world: World) -> None:
    user, token = await deleted(world)
    await claim(world, ALICE, OTHER_PASSWORD)
    newcomer = await world.verify(token=await world.mailed_token(ALICE))
    pair = await world.log_in(ALICE, OTHER_PASSWORD)
    assert (await world.restore_email(token=token)).id == user.id
    assert gone(world, newcomer)
    assert await token_errors(world, pair) == REVOKED
    assert actions_of(world, newcomer)[-1] is EventType.DELETED
    assert queued_mails(world, MailKind.ACCOUNT_CLOSED)[1:] == []
    await reset_by_mail(world, ALICE, "what only the owner knows")
    assert await error_code_of(world.log_in(ALICE, OTHER_PASSWORD)) is ErrorCode.INVALID_CREDENTIALS


async def test_undoing_a_deletion_removes_unverified_users_of_the_address(world: World) -> None:
    user, token = await deleted(world, username="queen")
    squatter = await claim(world, ALICE, OTHER_PASSWORD)
    planted = await world.log_in(ALICE, OTHER_PASSWORD)
    await world.user(BOB, username="Queen")
    restored = await world.restore_email(token=token)
    assert (restored.id, restored.username) == (user.id, None)
    assert gone(world, squatter)
    assert await token_errors(world, planted) == REVOKED
    assert await error_code_of(world.log_in(ALICE, OTHER_PASSWORD)) is ErrorCode.INVALID_CREDENTIALS


async def test_the_owner_recovers_an_account_that_a_thief_moved_and_deleted(world: World) -> None:
    user = await world.user(ALICE)
    await request_email_change(world, user, "thief@example.net")
    undo_token = await world.mailed_token(ALICE)
    world.clock.advance(minutes=1)
    await world.confirm_email(token=await world.mailed_token("thief@example.net"))
    # The mail about the change is not out yet when the account is deleted.
    await world.delete_me(await world.caller("thief@example.net"), password=PASSWORD)
    changed = await world.mailed_token(ALICE)
    assert changed != undo_token
    undone = await world.mailed_token("thief@example.net")
    rows = world.store.rows
    for token in (undo_token, changed):
        world.store.rows = rows.copy()
        restored = await world.restore_email(token=token)
        assert (restored.id, restored.email, restored.verified) == (user.id, ALICE, True)
        assert await error_code_of(world.restore_email(token=undone)) is ErrorCode.LINK_INVALID
    await reset_by_mail(world, ALICE, OTHER_PASSWORD)
    assert await error_code_of(world.log_in(ALICE, OTHER_PASSWORD)) is None


async def test_thief_who_undoes_their_own_deletion_gets_no_reset_link(world: World) -> None:
    user = await world.user(ALICE)
    change = await request_email_change(world, user, "thief@example.net")
    await world.confirm_email(token=change_link(world, change, LinkPurpose.EMAIL))
    await world.delete_me(await world.caller("thief@example.net"), password=PASSWORD)
    await world.restore_email(token=await world.mailed_token("thief@example.net"))
    await world.deliver_mail(limit=10)
    assert "token=" not in world.mailer.letters[-1].text
    assert (await world.restore_email(token=change_link(world, change, LinkPurpose.RESTORE))).email == ALICE


async def test_a_deletion_by_an_admin_is_final(world: World) -> None:
    await world.user(ALICE, role=Role.ADMIN)
    bob = await world.user(BOB)
    admin = await world.caller(ALICE)
    world.clock.tick = timedelta(microseconds=300)
    await world.delete_user(admin, bob.id)
    world.clock.tick = timedelta(0)
    await world.deliver_mail(limit=10)
    assert "token=" not in world.mailer.letters[-1].text
    token = world.links.sign(
        EmailLink(purpose=LinkPurpose.RESTORE, subject=bob.id, version=2, issued_at=world.clock())
    )
    assert await error_code_of(world.restore_email(token=token)) is ErrorCode.LINK_INVALID
    await purge(world)
    assert bob.id not in world.store.rows.deletions
    assert BOB not in {mail.recipient for mail in world.store.rows.mails.values()}

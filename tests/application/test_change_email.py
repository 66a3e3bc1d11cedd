"""Asking for another address: the password is needed, nothing moves yet, and the answer tells nothing of others."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from domain.audit import EventType
from domain.client_info import ClientInfo
from domain.email_change import EmailChange
from domain.outbox import MailKind
from domain.refusals import ErrorCode, Refusal
from domain.user import User
from tests.support.use_cases import (
    ALICE,
    BOB,
    InterruptedHasher,
    claim,
    queued_mails,
    refused,
    request_email_change,
    token_errors,
)
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio

NEW = "alice@example.net"


async def test_link_goes_to_the_new_address_and_a_notice_to_the_old(world: World) -> None:
    user = await world.user(ALICE)
    pair = await world.log_in(ALICE)
    caller = await world.authenticate(pair.access_token)
    await world.change_email(
        caller, new_email="Alice@Example.NET", password=PASSWORD, client_info=ClientInfo(ip="192.0.2.7")
    )

    (change,) = world.store.rows.email_changes.values()
    assert change == EmailChange(
        id=change.id,
        user_id=user.id,
        old_email=ALICE,
        new_email=NEW,
        credential_version=user.credential_version,
        asked_at=world.clock(),
        factor_version=0,
    )
    (link,), (notice,) = queued_mails(world, MailKind.CONFIRM_EMAIL), queued_mails(world, MailKind.EMAIL_CHANGE_ASKED)
    assert [(mail.recipient, mail.user_id, mail.change_id) for mail in (link, notice)] == [
        (NEW, user.id, change.id),
        (ALICE, user.id, change.id),
    ]
    assert {link.id, notice.id} <= set(world.nudged)
    assert world.store.rows.users[user.id] == user
    assert await token_errors(world, pair) == (None, None)
    events = [event for event in world.store.rows.events.values() if event.action is EventType.EMAIL_CHANGE_ASKED]
    assert [(event.user_id, event.actor_id, event.client_info.ip, event.detail) for event in events] == [
        (user.id, user.id, "192.0.2.7", "")
    ]


@pytest.mark.parametrize(
    ("new_email", "password", "code", "field", "paid"),
    [
        (NEW, OTHER_PASSWORD, ErrorCode.INVALID_CREDENTIALS, "password", 1),
        (NEW, "", ErrorCode.INVALID_CREDENTIALS, "password", 1),
        ("alice", PASSWORD, ErrorCode.EMAIL_INVALID, "new_email", 0),
        ("alice@example.net, eve@example.net", OTHER_PASSWORD, ErrorCode.EMAIL_INVALID, "new_email", 0),
        (ALICE, PASSWORD, ErrorCode.EMAIL_INVALID, "new_email", 0),
        (ALICE.upper(), OTHER_PASSWORD, ErrorCode.EMAIL_INVALID, "new_email", 0),
    ],
)
async def test_a_refused_request_changes_nothing(
    world: World, new_email: str, password: str, code: ErrorCode, field: str, paid: int
) -> None:
    await world.user(ALICE)
    caller = await world.caller(ALICE)
    before, calls = world.store.rows.copy(), world.hasher.calls
    with refused(code, field=field):
        await world.change_email(caller, new_email=new_email, password=password)
    assert world.store.rows == before
    assert world.hasher.calls == calls + paid


async def test_a_change_to_the_current_address_is_distinguished_from_a_typo(world: World) -> None:
    await world.user(ALICE)
    with pytest.raises(Refusal) as refusal:
        await world.change_email(await world.caller(ALICE), new_email=ALICE, password=PASSWORD)
    assert refusal.value.reason == "unchanged"


async def test_response_and_cost_do_not_reveal_whether_the_new_address_is_known(world: World) -> None:
    user = await world.user(ALICE)
    await world.user("taken@example.net")
    await claim(world, "claimed@example.net", PASSWORD)
    done = []
    for new_email in ("taken@example.net", "claimed@example.net", "free@example.net"):
        before, calls = world.store.rows.copy(), world.hasher.calls
        change = await request_email_change(world, user, new_email)
        rows = world.store.rows
        mails = [(mail.kind, mail.recipient) for mail in rows.mails.values() if mail.id not in before.mails]
        assert mails == [(MailKind.CONFIRM_EMAIL, new_email), (MailKind.EMAIL_CHANGE_ASKED, ALICE)]
        assert rows.users == before.users
        done.append((world.hasher.calls - calls, len(rows.events) - len(before.events), change.old_email))
    assert len(set(done)) == 1


async def test_an_unverified_old_address_gets_no_notice_and_no_undo_link(world: World) -> None:
    """It may be a slip of the fingers: its reader must not get what is put right now."""
    slip = await claim(world, ALICE, PASSWORD)
    await request_email_change(world, slip, NEW)
    assert queued_mails(world, MailKind.EMAIL_CHANGE_ASKED) == []
    assert [mail.recipient for mail in queued_mails(world, MailKind.CONFIRM_EMAIL)] == [NEW]
    moved = await world.confirm_email(token=await world.mailed_token(NEW))
    assert (moved.email, moved.verified) == (NEW, True)
    assert queued_mails(world, MailKind.EMAIL_CHANGED) == []


async def _change(world: World, user: User) -> None:
    caller = await world.caller(ALICE)
    await world.change_password(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD)


async def _move(world: World, user: User) -> None:
    async with world.begin() as work:
        await work.users.lock(user.id)
        await work.users.change_email(user.id, BOB, over=[], now=world.clock())


async def _disable(world: World, user: User) -> None:
    async with world.begin() as work:
        await work.users.set_disabled(user.id, True, now=world.clock())


async def _remove(world: World, user: User) -> None:
    async with world.begin() as work:
        await work.users.remove(user.id, now=world.clock())


@pytest.mark.parametrize(
    ("meanwhile", "code", "field"),
    [
        (_change, ErrorCode.INVALID_CREDENTIALS, "password"),
        (_move, ErrorCode.INVALID_CREDENTIALS, "password"),
        (_remove, ErrorCode.INVALID_CREDENTIALS, "password"),
        (_disable, ErrorCode.ACCOUNT_DISABLED, None),
    ],
)
async def test_a_concurrent_change_during_the_password_check_wins(
    world: World, meanwhile: Callable[[World, User], Awaitable[None]], code: ErrorCode, field: str | None
) -> None:
    user = await world.user(ALICE)
    caller = await world.caller(ALICE)
    interrupted = InterruptedHasher(by=lambda: meanwhile(world, user))
    slow = replace(world.change_email, check=replace(world.check, hasher=interrupted))
    with refused(code, field=field):
        await slow(caller, new_email=NEW, password=PASSWORD)
    assert world.store.rows.email_changes == {}
    assert queued_mails(world, MailKind.CONFIRM_EMAIL) == []


async def test_a_deleted_user_cannot_request_a_change(world: World) -> None:
    user = await world.user(ALICE)
    caller = await world.caller(ALICE)
    await _remove(world, user)
    with refused(ErrorCode.TOKEN_REVOKED):
        await world.change_email(caller, new_email=NEW, password=PASSWORD)

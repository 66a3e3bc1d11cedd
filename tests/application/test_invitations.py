"""Invitations: who may send them, who may accept them, and that each works once."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from uuid import UUID

import pytest

from domain.audit import EventType
from domain.authentication import Authentication
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.email_change import EmailChange
from domain.invitation import Invitation, InvitationStatus, RegistrationMode
from domain.outbox import EmailLink, LinkPurpose, MailKind
from domain.refusals import ErrorCode, Refusal
from domain.role import Role
from domain.tokens import AccessToken
from domain.user import User
from tests.support.stored_factors import passkey
from tests.support.use_cases import (
    ALICE,
    BOB,
    REVOKED,
    InterruptedHasher,
    actions_of,
    claim,
    error_code_of,
    queued_mails,
    refused,
    run_concurrently,
    token_errors,
)
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio

MODERATOR, ADMIN = "moderator@example.org", "admin@example.org"
HERE = ClientInfo(ip="192.0.2.7", user_agent="curl/8")


async def caller_with(world: World, role: Role = Role.MODERATOR) -> AccessToken:
    email = ADMIN if role is Role.ADMIN else MODERATOR
    await world.user(email, role=role)
    return await world.caller(email)


async def invited(world: World, email: str = ALICE, role: Role = Role.MEMBER) -> tuple[AccessToken, str]:
    """An inviter, and the token of the mail that their invitation caused."""
    inviter = await caller_with(world, Role.ADMIN if role is not Role.MEMBER else Role.MODERATOR)
    await world.invite(inviter, email=email, role=role)
    return inviter, await world.mailed_token(email)


def stored(world: World, invitation: Invitation) -> Invitation:
    return world.store.rows.invitations[invitation.id]


def tokens_of(world: World) -> list[str]:
    """The token of each stored invitation, oldest first."""
    return [
        world.links.sign(EmailLink(purpose=LinkPurpose.INVITE, subject=it.id, version=0, issued_at=it.created_at))
        for it in sorted(world.store.rows.invitations.values(), key=lambda it: it.id)
    ]


# -- inviting ---------------------------------------------------------------------------------------------


async def test_invited_person_gets_a_verified_account_by_the_link(world: World) -> None:
    inviter = await caller_with(world)
    sent = await world.invite(inviter, email=" Alice@Example.org ", client_info=HERE)
    assert (sent.email, sent.role, sent.invited_by) == (ALICE, Role.MEMBER, inviter.user_id)
    [mail] = queued_mails(world, MailKind.INVITATION)
    assert (mail.recipient, mail.user_id, mail.client_info) == (ALICE, None, UNKNOWN_CLIENT)
    token = await world.mailed_token(ALICE)
    assert (await world.inspect_invitation(token=token)).email == ALICE

    user = await world.accept_invitation(token=token, password=PASSWORD, username="alice", client_info=HERE)

    assert (user.email, user.username, user.role, user.verified) == (ALICE, "alice", Role.MEMBER, True)
    assert user == world.store.rows.users[user.id]
    assert (await world.caller(ALICE)).verified
    assert stored(world, sent).status(world.clock()) is InvitationStatus.ACCEPTED
    assert stored(world, sent).user_id == user.id
    [accepted] = [event for event in world.store.rows.events.values() if event.user_id == user.id][:1]
    assert (accepted.action, accepted.actor_id) == (EventType.INVITATION_ACCEPTED, None)
    assert accepted.detail == f"as member, invited by {inviter.user_id}"
    sent_event = [it for it in world.store.rows.events.values() if it.action is EventType.INVITED]
    assert [(it.user_id, it.actor_id, it.detail) for it in sent_event] == [
        (inviter.user_id, inviter.user_id, "as member")
    ]


@pytest.mark.parametrize(
    ("role", "granted", "error"),
    [
        (Role.MODERATOR, Role.MEMBER, None),
        (Role.MODERATOR, Role.MODERATOR, ErrorCode.FORBIDDEN),
        (Role.MODERATOR, Role.ADMIN, ErrorCode.FORBIDDEN),
        (Role.ADMIN, Role.MODERATOR, None),
        (Role.ADMIN, Role.ADMIN, None),
        (Role.MEMBER, Role.MEMBER, ErrorCode.ROLE_REQUIRED),
    ],
)
async def test_only_admins_invite_to_a_role_above_member(
    world: World, role: Role, granted: Role, error: ErrorCode | None
) -> None:
    caller = await caller_with(world, role)
    assert await error_code_of(world.invite(caller, email=ALICE, role=granted)) is error
    if error is None:
        user = await world.accept_invitation(token=await world.mailed_token(ALICE), password=PASSWORD)
        assert (user.role, (await world.caller(ALICE)).role) == (granted, granted)
    else:
        assert (world.store.rows.invitations, queued_mails(world, MailKind.INVITATION)) == ({}, [])


async def test_role_of_the_inviter_is_read_from_the_database(world: World) -> None:
    caller = await caller_with(world, Role.ADMIN)
    await world.user(BOB, role=Role.ADMIN)
    await world.grant_role(email=ADMIN, role=Role.MODERATOR)
    with refused(ErrorCode.FORBIDDEN):
        await world.invite(caller, email=ALICE, role=Role.ADMIN)
    await world.grant_role(email=ADMIN, role=Role.MEMBER)
    with refused(ErrorCode.ROLE_REQUIRED):
        await world.invite(caller, email=ALICE)


async def test_role_above_member_requires_a_fresh_factor(world: World) -> None:
    caller = await caller_with(world, Role.ADMIN)
    async with world.begin() as work:
        admin = await work.users.by_id(caller.user_id)
        assert admin is not None
        await work.factors.add(passkey(admin))
    await world.invite(caller, email=BOB)
    with refused(ErrorCode.STEP_UP_REQUIRED):
        await world.invite(caller, email=ALICE, role=Role.MODERATOR)
    fresh = replace(caller, authentication=Authentication.by_passkey(world.clock()))
    await world.invite(fresh, email=ALICE, role=Role.MODERATOR)


async def test_invitation_to_a_verified_address_is_refused(world: World) -> None:
    caller = await caller_with(world)
    await world.user(ALICE)
    with refused(ErrorCode.EMAIL_TAKEN, field="email"):
        await world.invite(caller, email=ALICE)
    with refused(ErrorCode.EMAIL_INVALID, field="email"):
        await world.invite(caller, email="alice")


async def test_new_invitation_replaces_the_open_one(world: World) -> None:
    caller = await caller_with(world)
    first = await world.invite(caller, email=ALICE)
    await world.deliver_mail(limit=10)
    second = await world.invite(caller, email=ALICE)
    dead, alive = tokens_of(world)
    assert stored(world, first).status(world.clock()) is InvitationStatus.REVOKED
    for use in (world.inspect_invitation, partial(world.accept_invitation, password=PASSWORD)):
        assert await error_code_of(use(token=dead)) is ErrorCode.LINK_INVALID
    assert (await world.accept_invitation(token=alive, password=PASSWORD)).id == stored(world, second).user_id


async def test_moderator_cannot_replace_or_revoke_an_invitation_to_a_role(world: World) -> None:
    admin, moderator = await caller_with(world, Role.ADMIN), await caller_with(world)
    sent = await world.invite(admin, email=ALICE, role=Role.MODERATOR)
    with refused(ErrorCode.FORBIDDEN):
        await world.invite(moderator, email=ALICE)
    with refused(ErrorCode.FORBIDDEN):
        await world.revoke_invitation(moderator, sent.id)
    await world.revoke_invitation(admin, sent.id)
    await world.invite(moderator, email=ALICE)


async def test_invitations_to_a_mailbox_are_limited_and_refusals_are_not_counted(world: World) -> None:
    caller, admin = await caller_with(world), await caller_with(world, Role.ADMIN)
    await world.user(ALICE)
    for _ in range(5):
        assert await error_code_of(world.invite(caller, email=ALICE)) is ErrorCode.EMAIL_TAKEN
    for email in ("bob@example.org", "bob+1@example.org", "bob@example.org"):
        await world.invite(caller, email=email)
    with refused(ErrorCode.RATE_LIMITED):
        await world.invite(admin, email="bob+2@example.org")
    await world.invite(caller, email="carol@example.org")


async def test_revoked_invitation_is_not_mailed_and_its_link_is_invalid(world: World) -> None:
    caller = await caller_with(world)
    sent = await world.invite(caller, email=ALICE)
    await world.revoke_invitation(caller, sent.id, client_info=HERE)
    await world.deliver_mail(limit=10)
    assert [letter.recipient for letter in world.mailer.letters if letter.recipient == ALICE] == []
    assert actions_of(world, world.store.rows.users[caller.user_id])[-1] is EventType.INVITATION_REVOKED
    [token] = tokens_of(world)
    with refused(ErrorCode.LINK_INVALID):
        await world.accept_invitation(token=token, password=PASSWORD)
    for unknown in (sent.id, UUID(int=7)):
        with refused(ErrorCode.NOT_FOUND):
            await world.revoke_invitation(caller, unknown)


async def test_invitations_are_listed_in_pages(world: World) -> None:
    caller = await caller_with(world)
    sent = [await world.invite(caller, email=f"user{number}@example.org") for number in range(3)]
    page, after = await world.list_invitations(limit=2)
    rest, end = await world.list_invitations(limit=2, after=after)
    assert ([*page, *rest], end) == (sent[::-1], None)


# -- accepting --------------------------------------------------------------------------------------------


async def test_accepting_removes_unverified_users_of_the_address(world: World) -> None:
    await claim(world, ALICE, OTHER_PASSWORD, username="squatter")
    pair = await world.log_in(ALICE, OTHER_PASSWORD)
    _, token = await invited(world)
    user = await world.accept_invitation(token=token, password=PASSWORD)
    assert [it.id for it in world.store.rows.users.values() if it.email == ALICE] == [user.id]
    assert await token_errors(world, pair) == REVOKED
    with refused(ErrorCode.INVALID_CREDENTIALS):
        await world.log_in(ALICE, OTHER_PASSWORD)


async def test_invitation_is_accepted_by_one_of_many_concurrent_requests(world: World) -> None:
    _, token = await invited(world)
    accepts = [
        partial(world.accept_invitation, token=token, password=f"{PASSWORD} number {number}") for number in range(20)
    ]
    outcomes = await run_concurrently([*accepts])
    [user] = [it for it in outcomes if isinstance(it, User)]
    assert {it.code for it in outcomes if isinstance(it, Refusal)} <= {ErrorCode.LINK_INVALID, ErrorCode.RATE_LIMITED}
    assert [it for it in world.store.rows.users.values() if it.email == ALICE] == [user]


async def test_invitation_expires_after_seven_days(world: World) -> None:
    _, token = await invited(world)
    world.clock.advance(days=7, seconds=-1)
    await world.inspect_invitation(token=token)
    world.clock.advance(seconds=1)
    for use in (world.inspect_invitation, partial(world.accept_invitation, password=PASSWORD)):
        assert await error_code_of(use(token=token)) is ErrorCode.LINK_EXPIRED
    [invitation] = world.store.rows.invitations.values()
    assert invitation.status(world.clock()) is InvitationStatus.EXPIRED


@pytest.mark.parametrize("purpose", [it for it in LinkPurpose if it is not LinkPurpose.INVITE])
async def test_link_of_another_purpose_is_no_invitation(world: World, purpose: LinkPurpose) -> None:
    await invited(world)
    [invitation] = world.store.rows.invitations.values()
    link = EmailLink(purpose=purpose, subject=invitation.id, version=0, issued_at=world.clock())
    with refused(ErrorCode.LINK_INVALID):
        await world.accept_invitation(token=world.links.sign(link), password=PASSWORD)


Change = Callable[[World, AccessToken], Awaitable[None]]


async def demote(world: World, inviter: AccessToken) -> None:
    role = Role.MODERATOR if inviter.role is Role.ADMIN else Role.MEMBER
    await world.grant_role(email=world.store.rows.users[inviter.user_id].email, role=role)


async def disable(world: World, inviter: AccessToken) -> None:
    async with world.begin() as work:
        await work.users.set_disabled(inviter.user_id, True, now=world.clock())


async def delete(world: World, inviter: AccessToken) -> None:
    async with world.begin() as work:
        await work.users.remove(inviter.user_id, now=world.clock())


async def evict(world: World, inviter: AccessToken) -> None:
    """Their address belongs to another user, so they are unverified."""
    async with world.begin() as work:
        new = "evicted@example.org"
        old = world.store.rows.users[inviter.user_id].email
        change = EmailChange(
            id=world.new_id(),
            user_id=inviter.user_id,
            old_email=old,
            new_email=new,
            credential_version=1,
            asked_at=world.clock(),
        )
        await work.email_changes.add(change)
        await work.users.evict_from_email(inviter.user_id, to=new)


@pytest.mark.parametrize("role", [Role.MEMBER, Role.ADMIN])
@pytest.mark.parametrize("change", [demote, disable, delete, evict])
async def test_invitation_is_void_once_its_inviter_could_not_send_it(
    world: World, role: Role, change: Change
) -> None:
    await world.user("other-admin@example.org", role=Role.ADMIN)
    inviter, token = await invited(world, role=role)
    await change(world, inviter)
    for use in (world.inspect_invitation, partial(world.accept_invitation, password=PASSWORD)):
        assert await error_code_of(use(token=token)) is ErrorCode.LINK_INVALID
    assert [it for it in world.store.rows.users.values() if it.email == ALICE] == []


async def test_inviter_who_is_demoted_during_the_hashing_grants_no_role(world: World) -> None:
    await world.user("other-admin@example.org", role=Role.ADMIN)
    inviter, token = await invited(world, role=Role.ADMIN)
    hasher = InterruptedHasher(by=partial(demote, world, inviter))
    with refused(ErrorCode.LINK_INVALID):
        await replace(world.accept_invitation, hasher=hasher)(token=token, password=PASSWORD)


async def test_address_that_was_verified_meanwhile_is_not_overwritten(world: World) -> None:
    inviter, token = await invited(world, role=Role.ADMIN)
    await world.invite(inviter, email=BOB)
    alice, _ = await world.user(ALICE), await world.user(BOB)
    for use in (world.inspect_invitation, partial(world.accept_invitation, password=OTHER_PASSWORD)):
        assert await error_code_of(use(token=token)) is ErrorCode.LINK_INVALID
    assert world.store.rows.users[alice.id] == alice
    await world.deliver_mail(limit=10)
    assert [letter for letter in world.mailer.letters if letter.recipient == BOB] == []


async def test_refused_input_leaves_the_invitation_open(world: World) -> None:
    await world.user(BOB, username="taken")
    _, token = await invited(world)
    for username, password, code, field in (
        (None, "short", ErrorCode.PASSWORD_WEAK, "password"),
        (None, ALICE, ErrorCode.PASSWORD_WEAK, "password"),
        ("-", PASSWORD, ErrorCode.USERNAME_INVALID, "username"),
        ("Taken", PASSWORD, ErrorCode.USERNAME_TAKEN, "username"),
    ):
        with refused(code, field=field):
            await world.accept_invitation(token=token, password=password, username=username)
    [invitation] = world.store.rows.invitations.values()
    assert invitation.status(world.clock()) is InvitationStatus.OPEN
    await world.accept_invitation(token=token, password=PASSWORD, username="free")


async def test_username_taken_at_the_same_moment_is_refused(world: World) -> None:
    _, token = await invited(world)
    hasher = InterruptedHasher(by=partial(world.user, BOB, username="ada"))
    with refused(ErrorCode.USERNAME_TAKEN, field="username"):
        await replace(world.accept_invitation, hasher=hasher)(token=token, password=PASSWORD, username="Ada")
    assert (await world.accept_invitation(token=token, password=PASSWORD)).verified


async def test_forged_invitations_are_limited(world: World) -> None:
    for _ in range(20):
        with refused(ErrorCode.LINK_INVALID):
            await world.accept_invitation(token="forged", password=PASSWORD, client_info=HERE)
    with refused(ErrorCode.RATE_LIMITED):
        await world.accept_invitation(token="forged", password=PASSWORD, client_info=HERE)


# -- registration modes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [RegistrationMode.INVITED, RegistrationMode.CLOSED])
async def test_registration_is_refused_unless_it_is_open(world: World, mode: RegistrationMode) -> None:
    for email in (ALICE, "not an address"):
        with refused(ErrorCode.REGISTRATION_CLOSED):
            await replace(world.register, registration=mode)(email=email, password=PASSWORD)
    assert (world.store.rows.users, world.store.rows.mails) == ({}, {})


async def test_invitations_work_while_registration_is_by_invitation(world: World) -> None:
    _, token = await invited(world)
    inspect = replace(world.inspect_invitation, registration=RegistrationMode.INVITED)
    accept = replace(world.accept_invitation, inspect_invitation=inspect)
    assert (await accept(token=token, password=PASSWORD)).verified


async def test_closed_registration_closes_invitations(world: World) -> None:
    inviter, token = await invited(world)
    inspect = replace(world.inspect_invitation, registration=RegistrationMode.CLOSED)
    with refused(ErrorCode.REGISTRATION_CLOSED):
        await inspect(token=token)
    with refused(ErrorCode.REGISTRATION_CLOSED):
        await replace(world.accept_invitation, inspect_invitation=inspect)(token=token, password=PASSWORD)
    with refused(ErrorCode.REGISTRATION_CLOSED):
        await replace(world.invite, registration=RegistrationMode.CLOSED)(inviter, email=BOB)
    page, _ = await world.list_invitations()
    await world.revoke_invitation(inviter, page[0].id)


# -- export -----------------------------------------------------------------------------------------------


async def test_export_contains_invitations_to_the_user_only(world: World) -> None:
    inviter, token = await invited(world)
    await world.invite(inviter, email=BOB)
    user = await world.accept_invitation(token=token, password=PASSWORD)
    [invitation] = (await world.export_me(await world.caller(ALICE))).invitations
    assert (invitation.email, invitation.user_id) == (ALICE, user.id)
    assert (await world.export_me(await world.caller(MODERATOR))).invitations == []

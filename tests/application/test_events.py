"""Every act on an account is an event of the same transaction, with actor and client."""

from collections.abc import Sequence
from uuid import UUID

import pytest

from domain.audit import AuditEvent, EventType
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.refusals import ErrorCode
from domain.role import Role
from tests.support.use_cases import ALICE, BOB, refused
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio

HERE = ClientInfo(ip="192.0.2.7", user_agent="curl/8")


async def events_of(world: World, user_id: UUID) -> list[AuditEvent]:
    """Oldest first."""
    page, _ = await world.list_events(user_id, limit=200)
    return list(reversed(page))


def actions(events: Sequence[AuditEvent]) -> list[EventType]:
    return [event.action for event in events]


async def test_events_cover_an_account_from_registration_to_deletion(world: World) -> None:
    await world.register(email=ALICE, password=PASSWORD, client_info=HERE)
    await world.verify(token=await world.mailed_token(ALICE), client_info=HERE)
    pair = await world.login(login=ALICE, password=PASSWORD, client_info=HERE)
    caller = await world.authenticate(pair.access_token)
    await world.deliver_mail(limit=100)
    await world.change_password(caller, current_password=PASSWORD, new_password=OTHER_PASSWORD, client_info=HERE)
    await world.deliver_mail(limit=100)
    await world.request_reset(email=ALICE)
    await world.reset_password(
        token=await world.mailed_token(ALICE), new_password=PASSWORD, confirm_password=PASSWORD, client_info=HERE
    )
    caller = await world.authenticate(
        (await world.login(login=ALICE, password=PASSWORD, client_info=HERE)).access_token
    )
    await world.logout(caller, client_info=HERE)
    caller = await world.authenticate(
        (await world.login(login=ALICE, password=PASSWORD, client_info=HERE)).access_token
    )
    await world.logout_everywhere(caller, client_info=HERE)

    events = await events_of(world, caller.user_id)
    assert actions(events) == [
        EventType.REGISTERED,
        EventType.VERIFIED,
        EventType.LOGGED_IN,
        EventType.PASSWORD_CHANGED,
        EventType.PASSWORD_RESET,
        EventType.LOGGED_IN,
        EventType.LOGGED_OUT,
        EventType.LOGGED_IN,
        EventType.LOGGED_OUT_EVERYWHERE,
    ]
    assert {event.client_info for event in events} == {HERE}
    assert {event.created_at for event in events} == {world.clock()}
    by_nobody = {EventType.REGISTERED, EventType.VERIFIED, EventType.PASSWORD_RESET}
    assert all((event.actor_id is None) == (event.action in by_nobody) for event in events)
    assert {event.actor_id for event in events} == {None, caller.user_id}


async def test_events_about_others_name_the_actor(world: World) -> None:
    root = await world.user("root@example.org", role=Role.ADMIN)
    caller = await world.caller("root@example.org")
    user = await world.user(ALICE)
    await world.change_user(caller, user.id, role=Role.MODERATOR, client_info=HERE)
    await world.change_user(caller, user.id, role=Role.MEMBER, disabled=True, client_info=HERE)
    await world.change_user(caller, user.id, disabled=False, client_info=HERE)
    await world.admin_revoke_sessions(caller, user.id, client_info=HERE)
    await world.delete_user(caller, user.id, client_info=HERE)

    created, *done = await events_of(world, user.id)
    assert (created.action, created.detail) == (EventType.CREATED, "as member, verified")
    assert [(event.action, event.detail) for event in done] == [
        (EventType.ROLE_CHANGED, "from member to moderator"),
        (EventType.DISABLED, ""),
        (EventType.ROLE_CHANGED, "from moderator to member"),
        (EventType.ENABLED, ""),
        (EventType.LOGGED_OUT_EVERYWHERE, ""),
        (EventType.DELETED, ""),
    ]
    assert {event.actor_id for event in done} == {root.id}
    assert done[-1].client_info == HERE


async def test_only_admins_see_the_ip_address_of_an_admin(world: World) -> None:
    user, root = await world.user(ALICE), await world.user("root@example.org", role=Role.ADMIN)
    caller, boss = await world.caller(ALICE), await world.caller("root@example.org")
    await world.change_username(caller, username="alice", client_info=HERE)
    await world.change_user(boss, user.id, role=Role.MODERATOR, client_info=HERE)
    for reader, place in ((None, HERE), (root.id, HERE), (user.id, UNKNOWN_CLIENT)):
        (by_admin, by_self), _ = await world.list_events(user.id, reader=reader, limit=2)
        assert (by_admin.actor_id, by_admin.client_info, by_self.client_info) == (root.id, place, HERE)
    export = await world.export_me(caller, client_info=HERE)
    _, by_admin, by_self, *_ = [event async for page in export.events for event in page]
    assert (by_admin.actor_id, by_admin.client_info, by_self.client_info) == (root.id, UNKNOWN_CLIENT, HERE)


@pytest.mark.parametrize(
    ("reader", "subject", "place"),
    [
        (Role.MODERATOR, Role.ADMIN, UNKNOWN_CLIENT),
        (Role.MODERATOR, Role.MODERATOR, HERE),
        (Role.MODERATOR, Role.MEMBER, HERE),
        (Role.ADMIN, Role.ADMIN, HERE),
        (Role.ADMIN, Role.MEMBER, HERE),
    ],
)
async def test_events_of_a_higher_role_hide_address_and_device(
    world: World, reader: Role, subject: Role, place: ClientInfo
) -> None:
    user, looking = await world.user(ALICE, role=subject), await world.user("reader@example.org", role=reader)
    await world.register(email=ALICE, password=OTHER_PASSWORD, client_info=HERE)  # by an unknown actor
    await world.login(login=ALICE, password=PASSWORD, client_info=HERE)
    (login, again), _ = await world.list_events(user.id, reader=looking.id, limit=2)
    assert (login.action, again.action) == (EventType.LOGGED_IN, EventType.REGISTERED_AGAIN)
    assert (login.client_info, again.client_info) == (place, place)


async def test_acts_of_a_higher_role_upon_others_hide_address_and_device(world: World) -> None:
    user, reader = await world.user(ALICE), await world.user("reader@example.org", role=Role.MODERATOR)
    root = await world.user("root@example.org", role=Role.ADMIN)
    peer = await world.user("peer@example.org", role=Role.MODERATOR)
    await world.admin_revoke_sessions(await world.caller("peer@example.org"), user.id, client_info=HERE)
    boss = await world.caller("root@example.org")
    await world.change_user(boss, user.id, disabled=True, client_info=HERE)

    async def seen_by(who: UUID) -> list[tuple[UUID | None, ClientInfo]]:
        page, _ = await world.list_events(user.id, reader=who, limit=2)
        return [(event.actor_id, event.client_info) for event in page]

    assert await seen_by(reader.id) == [(root.id, UNKNOWN_CLIENT), (peer.id, HERE)]
    assert await seen_by(root.id) == [(root.id, HERE), (peer.id, HERE)]
    await world.user("other@example.org", role=Role.ADMIN)
    await world.delete_user(await world.caller("other@example.org"), reader.id)
    assert await seen_by(reader.id) == [(root.id, UNKNOWN_CLIENT), (peer.id, UNKNOWN_CLIENT)]


async def test_acts_of_the_operator_are_events_without_an_actor(world: World) -> None:
    user = await world.user(ALICE)
    await world.grant_role(email=ALICE, role=Role.ADMIN)
    *_, granted = await events_of(world, user.id)
    assert (granted.action, granted.actor_id, granted.client_info) == (EventType.ROLE_CHANGED, None, UNKNOWN_CLIENT)
    assert granted.detail == "from member to admin"


async def test_registering_a_known_address_is_an_event_of_its_owner(world: World) -> None:
    user = await world.user(ALICE)
    await world.register(email=ALICE, password=OTHER_PASSWORD, client_info=HERE)
    *_, last = await events_of(world, user.id)
    assert (last.action, last.actor_id, last.client_info) == (EventType.REGISTERED_AGAIN, None, HERE)


async def test_refresh_token_reuse_is_an_event(world: World) -> None:
    user = await world.user(ALICE)
    first = await world.log_in(ALICE)
    await world.refresh(refresh_token=first.refresh_token)
    world.clock.advance(seconds=11)
    with refused(ErrorCode.REFRESH_REUSED):
        await world.refresh(refresh_token=first.refresh_token, client_info=HERE)
    *_, last = await events_of(world, user.id)
    assert (last.action, last.actor_id, last.client_info) == (EventType.REFRESH_REUSED, None, HERE)
    with refused(ErrorCode.SESSION_ENDED):
        await world.refresh(refresh_token=first.refresh_token, client_info=HERE)
    assert actions(await events_of(world, user.id)).count(EventType.REFRESH_REUSED) == 1


async def test_calls_without_effect_are_no_events(world: World) -> None:
    user = await world.user(ALICE)
    await world.user("root@example.org", role=Role.ADMIN)
    boss = await world.caller("root@example.org")
    pair = await world.log_in(ALICE)
    caller = await world.authenticate(pair.access_token)
    await world.logout(caller)
    before = await events_of(world, user.id)

    await world.logout(caller)
    await world.change_user(boss, user.id, role=Role.MEMBER, disabled=False)
    await world.grant_role(email=ALICE, role=Role.MEMBER)
    with refused(ErrorCode.INVALID_CREDENTIALS):
        await world.log_in(ALICE, "not the password at all")
    assert await events_of(world, user.id) == before


async def test_verifying_twice_is_one_event(world: World) -> None:
    await world.register(email=ALICE, password=PASSWORD)
    token = await world.mailed_token(ALICE)
    user = await world.verify(token=token)
    await world.verify(token=token)
    assert actions(await events_of(world, user.id)) == [EventType.REGISTERED, EventType.VERIFIED]


async def test_pages_are_newest_first(world: World) -> None:
    user = await world.user(ALICE)
    for _ in range(5):
        await world.log_in(ALICE)
    everything = await events_of(world, user.id)
    seen: list[AuditEvent] = []
    after: UUID | None = None
    while True:
        page, after = await world.list_events(user.id, limit=3, after=after)
        assert len(page) <= 3
        seen += page
        if after is None:
            break
    assert list(reversed(seen)) == everything
    assert len(everything) == 6


async def test_an_unknown_user_has_no_events_but_a_deleted_one_has(world: World) -> None:
    with refused(ErrorCode.NOT_FOUND):
        await world.list_events(UUID(int=1))
    user = await world.user(BOB)
    await world.login(login=BOB, password=PASSWORD, client_info=HERE)
    await world.user("root@example.org", role=Role.ADMIN)
    await world.delete_user(await world.caller("root@example.org"), user.id)
    events = await events_of(world, user.id)
    assert actions(events)[-1] is EventType.DELETED
    assert {event.client_info for event in events} == {UNKNOWN_CLIENT}

"""What admins do to the installation: only with a fresh authentication, and in their own audit log."""

from collections.abc import Awaitable, Callable
from copy import deepcopy
from typing import Any

import pytest

from application.mail.ports import MailRefused
from domain.audit import EventType
from domain.client_info import ClientInfo
from domain.factor import FactorKind
from domain.outbox import MailKind
from domain.refusals import ErrorCode
from domain.role import Role
from domain.tokens import AccessToken
from tests.support.factor_owner import factor_owner
from tests.support.use_cases import ALICE, actions_of, refused
from tests.support.world import World

pytestmark = pytest.mark.anyio

OFFICE = ClientInfo(ip="192.0.2.7")
Act = Callable[[AccessToken], Awaitable[object]]


def _changed(world: World) -> list[Any]:
    """What the acts change."""
    rows = world.store.rows
    return deepcopy([rows.clients, rows.mails, rows.events])


async def acts_of(world: World) -> dict[EventType, Act]:
    client, _ = await world.add_client(name="billing")
    await world.register(email="new@example.org", password="a fine passphrase of a stranger")
    world.mailer.trouble = MailRefused("550 no such user")
    await world.deliver_mail()
    [mail] = await world.list_parked_mails()
    return {
        EventType.CLIENT_ADDED: lambda caller: world.add_client(name="x", caller=caller, client_info=OFFICE),
        EventType.CLIENT_REMOVED: lambda caller: world.remove_client(client.id, caller=caller, client_info=OFFICE),
        EventType.MAIL_REDRIVEN: lambda caller: world.redrive_mail(
            mail_id=mail.id, caller=caller, client_info=OFFICE
        ),
    }


async def test_act_of_an_admin_is_in_the_log_of_the_admin(world: World) -> None:
    acts = await acts_of(world)
    admin = await factor_owner(world, role=Role.ADMIN)
    for action, act in acts.items():
        assert await act(admin.caller)
        [event] = [one for one in world.store.rows.events.values() if one.action is action]
        assert (event.user_id, event.actor_id, event.client_info) == (admin.user.id, admin.user.id, OFFICE)


async def test_act_of_an_operator_is_in_no_log(world: World) -> None:
    client, _ = await world.add_client(name="billing")
    assert await world.remove_client(client.id)
    assert not world.store.rows.events


async def test_act_without_effect_is_in_no_log(world: World) -> None:
    acts = await acts_of(world)
    admin = await factor_owner(world, role=Role.ADMIN)
    for action in (EventType.CLIENT_REMOVED, EventType.MAIL_REDRIVEN):
        assert await acts[action](admin.caller)
        assert not await acts[action](admin.caller)
        assert actions_of(world, admin.user).count(action) == 1


@pytest.mark.parametrize("role", [Role.MEMBER, Role.MODERATOR])
async def test_lower_roles_are_refused(world: World, role: Role) -> None:
    acts = await acts_of(world)
    user = await factor_owner(world, role=role)
    before = _changed(world)
    for act in acts.values():
        with refused(ErrorCode.ROLE_REQUIRED):
            await act(user.caller)
    assert _changed(world) == before


@pytest.mark.parametrize("kinds", [(), (FactorKind.TOTP,)])
async def test_stale_authentication_is_refused(world: World, kinds: tuple[FactorKind, ...]) -> None:
    acts = await acts_of(world)
    admin = await factor_owner(world, *kinds, email=ALICE, role=Role.ADMIN)
    world.clock.advance(seconds=301)
    for action, act in acts.items():
        with refused(ErrorCode.STEP_UP_REQUIRED):
            await act(admin.caller)
        assert action not in actions_of(world, admin.user)


async def test_invitation_is_shown_by_its_id(world: World) -> None:
    admin = await factor_owner(world, role=Role.ADMIN)
    sent = await world.invite(admin.caller, email="guest@example.org")
    assert await world.show_invitation(sent.id) == sent
    with refused(ErrorCode.NOT_FOUND):
        await world.show_invitation(admin.user.id)
    assert MailKind.INVITATION in {mail.kind for mail in world.store.rows.mails.values()}

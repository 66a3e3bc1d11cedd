"""Every kind of link is accepted only by the use case of its purpose."""

from collections.abc import Awaitable, Callable

import pytest

from domain.outbox import LinkPurpose
from domain.refusals import ErrorCode
from domain.tokens import RefreshToken
from tests.support.use_cases import ALICE, change_link, error_code_of, link, request_email_change
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio

Use = Callable[[World, str], Awaitable[object]]


async def _verify(world: World, token: str) -> object:
    return await world.verify(token=token)


async def _reset(world: World, token: str) -> None:
    await world.reset_password(token=token, new_password=OTHER_PASSWORD, confirm_password=OTHER_PASSWORD)


async def _confirm(world: World, token: str) -> object:
    return await world.confirm_email(token=token)


async def _restore(world: World, token: str) -> object:
    return await world.restore_email(token=token)


async def _follow(world: World, token: str) -> object:
    return await world.follow_email_link(token=token)


USES: dict[Use, set[LinkPurpose]] = {
    _verify: {LinkPurpose.VERIFY},
    _reset: {LinkPurpose.RESET},
    _confirm: {LinkPurpose.EMAIL},
    _restore: {LinkPurpose.RESTORE},
    _follow: {LinkPurpose.EMAIL, LinkPurpose.RESTORE},
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("purpose", LinkPurpose)
async def test_a_link_is_valid_for_its_purpose_only(world: World, purpose: LinkPurpose, use: Use) -> None:
    user = await world.user(ALICE)
    change = await request_email_change(world, user, "alice@example.net")
    about_a_change = purpose in {LinkPurpose.EMAIL, LinkPurpose.RESTORE}
    token = change_link(world, change, purpose) if about_a_change else link(world, user, purpose)
    before = world.store.rows.copy()
    right = purpose in USES[use]
    # Pasted from a mail, it may have white space around it.
    assert await error_code_of(use(world, f" {token}\r\n")) is (None if right else ErrorCode.LINK_INVALID)
    assert right or world.store.rows == before


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("purpose", LinkPurpose)
async def test_links_of_users_and_of_address_changes_are_not_interchangeable(
    world: World, purpose: LinkPurpose, use: Use
) -> None:
    """Signed for the right purpose, but with another subject."""
    user = await world.user(ALICE)
    change = await request_email_change(world, user, "alice@example.net")
    about_a_change = purpose in {LinkPurpose.EMAIL, LinkPurpose.RESTORE}
    token = link(world, user, purpose) if about_a_change else change_link(world, change, purpose)
    assert await error_code_of(use(world, token)) is ErrorCode.LINK_INVALID


@pytest.mark.parametrize("use", USES)
async def test_other_signed_texts_are_not_links(world: World, use: Use) -> None:
    await world.user(ALICE)
    pair = await world.log_in(ALICE)
    refresh = world.refresh_codec.encode(RefreshToken(session_id=pair.session_id, generation=1))
    for text in (pair.access_token, pair.refresh_token, refresh, PASSWORD, "", ".", "a.b", "\0", "\ud800"):
        assert await error_code_of(use(world, text)) is ErrorCode.LINK_INVALID


async def test_a_link_can_be_described_before_it_is_used(world: World) -> None:
    user = await world.user(ALICE)
    change = await request_email_change(world, user, "alice@example.net")
    before = world.store.rows.copy()
    purposes = {
        purpose: world.follow_email_link.purpose(change_link(world, change, purpose)) for purpose in LinkPurpose
    }
    assert purposes == {
        LinkPurpose.VERIFY: None,
        LinkPurpose.RESET: None,
        LinkPurpose.EMAIL: LinkPurpose.EMAIL,
        LinkPurpose.RESTORE: LinkPurpose.RESTORE,
        LinkPurpose.INVITE: None,
    }
    assert world.follow_email_link.purpose("nonsense") is None
    assert world.store.rows == before

"""A login from a new device or network is mailed to the owner, with a link that undoes it."""

import pytest

from application.factors.check_factor import PresentedFactor
from domain.client_info import UNKNOWN_CLIENT, ClientInfo
from domain.factor import FactorKind
from domain.outbox import MailKind
from domain.refusals import ErrorCode
from tests.support.factor_owner import factor_owner
from tests.support.use_cases import ALICE, BOB, REVOKED, claim, queued_mails, refused, token_errors
from tests.support.world import PASSWORD, World

pytestmark = pytest.mark.anyio

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
NEWER_FIREFOX = FIREFOX.replace("140", "141")
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
HOME = ClientInfo(user_agent=FIREFOX, ip="192.0.2.7")


async def log_in(world: World, client_info: ClientInfo, email: str = ALICE) -> None:
    await world.login(login=email, password=PASSWORD, client_info=client_info)
    world.clock.advance(minutes=1)


@pytest.mark.parametrize(
    ("later", "is_new"),
    [
        (HOME, False),
        (ClientInfo(user_agent=NEWER_FIREFOX, ip="192.0.2.7"), False),
        (ClientInfo(user_agent=CHROME, ip="192.0.2.7"), True),
        (ClientInfo(user_agent=FIREFOX, ip="192.0.2.8"), True),
        (UNKNOWN_CLIENT, False),
    ],
)
async def test_login_from_a_new_device_is_mailed(world: World, later: ClientInfo, *, is_new: bool) -> None:
    await world.user(ALICE)
    await log_in(world, HOME)
    assert queued_mails(world, MailKind.NEW_DEVICE) == []
    for _ in range(2):
        await log_in(world, later)
    mails = [(mail.recipient, mail.client_info) for mail in queued_mails(world, MailKind.NEW_DEVICE)]
    assert mails == ([(ALICE, later)] if is_new else [])


async def test_first_login_of_an_old_account_is_not_mailed(world: World) -> None:
    """Otherwise an import would send a mail at the first login of every user."""
    await world.user(ALICE)
    world.clock.advance(days=400)
    await log_in(world, HOME)
    assert queued_mails(world, MailKind.NEW_DEVICE) == []


async def test_devices_of_others_are_new(world: World) -> None:
    for email, client_info in ((ALICE, HOME), (BOB, ClientInfo(user_agent=CHROME, ip="192.0.2.9"))):
        await world.user(email)
        await log_in(world, client_info, email)
    await log_in(world, HOME, BOB)
    assert [mail.recipient for mail in queued_mails(world, MailKind.NEW_DEVICE)] == [BOB]


async def test_unverified_mailbox_gets_no_notice(world: World) -> None:
    await claim(world, ALICE, PASSWORD)
    for number in range(3):
        await log_in(world, ClientInfo(user_agent=FIREFOX, ip=f"192.0.2.{number}"))
    assert queued_mails(world, MailKind.NEW_DEVICE) == []


async def test_notices_are_limited(world: World) -> None:
    """A thief with the password can change networks at will; the login is not refused for it."""
    await world.user(ALICE)
    for number in range(9):
        await log_in(world, ClientInfo(user_agent=FIREFOX, ip=f"192.0.2.{number}"))
    assert len(queued_mails(world, MailKind.NEW_DEVICE)) == 5


async def test_login_with_a_factor_is_mailed_once_it_succeeds(world: World) -> None:
    owner = await factor_owner(world, FactorKind.TOTP)
    await owner.log_in("totp", client_info=HOME)
    abroad = ClientInfo(user_agent=FIREFOX, ip="198.51.100.3")
    asked = await owner.password_step(abroad)
    with refused(ErrorCode.FACTOR_INVALID):
        await world.login_with_factor(
            challenge=asked["challenge"], factor=PresentedFactor(recovery_code="wrong"), client_info=abroad
        )
    assert queued_mails(world, MailKind.NEW_DEVICE) == []
    await owner.log_in("totp", client_info=abroad)
    assert len(queued_mails(world, MailKind.NEW_DEVICE)) == 1


async def test_wrong_codes_do_not_use_up_the_notices(world: World) -> None:
    """Otherwise a thief could silence the notice of their login."""
    owner = await factor_owner(world, FactorKind.TOTP)
    await owner.log_in("totp", client_info=HOME)
    for number in range(12):
        abroad = ClientInfo(user_agent=FIREFOX, ip=f"198.51.100.{number}")
        asked = await owner.password_step(abroad)
        with refused(ErrorCode.FACTOR_INVALID):
            await world.login_with_factor(
                challenge=asked["challenge"], factor=PresentedFactor(recovery_code="wrong"), client_info=abroad
            )
    await owner.log_in("totp", client_info=abroad)
    assert len(queued_mails(world, MailKind.NEW_DEVICE)) == 1


async def test_owner_ends_the_session_of_a_thief(world: World) -> None:
    await world.user(ALICE)
    await log_in(world, HOME)
    thief = await world.login(
        login=ALICE, password=PASSWORD, client_info=ClientInfo(user_agent=CHROME, ip="198.51.100.3")
    )
    await world.restore_email(token=await world.mailed_token(ALICE))
    assert await token_errors(world, thief) == REVOKED
    with refused(ErrorCode.INVALID_CREDENTIALS):
        await world.log_in(ALICE)

"""Registration. The response is the same for every address, and an unverified user has no rights."""

import pytest

from domain.outbox import LinkPurpose, MailKind
from domain.refusals import ErrorCode
from domain.role import Role
from tests.support.use_cases import ALICE, BOB, claim, link, queued_mails, refused, reset_by_mail
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

pytestmark = pytest.mark.anyio


async def test_a_new_address_gets_an_unverified_user_and_a_link(world: World) -> None:
    made = await claim(world, "Alice@Example.ORG", PASSWORD, username="Alice")

    assert (made.email, made.username, made.role, made.verified) == (ALICE, "Alice", Role.MEMBER, False)
    assert made.created_at == world.clock()
    (mail,) = world.store.rows.mails.values()
    assert (mail.kind, mail.recipient, mail.user_id) == (MailKind.VERIFY, ALICE, made.id)
    assert world.nudged == [mail.id]


async def test_the_owner_of_a_verified_address_gets_a_notice_and_nothing_changes(world: World) -> None:
    await world.user(ALICE)
    before = dict(world.store.rows.users)

    await world.register(email="ALICE@example.org", password=OTHER_PASSWORD)

    assert world.store.rows.users == before
    (mail,) = world.store.rows.mails.values()
    assert (mail.kind, mail.recipient, mail.user_id) == (MailKind.ALREADY_REGISTERED, ALICE, None)


async def test_known_and_unknown_addresses_get_the_same_response_and_cost(world: World) -> None:
    await world.user(ALICE)
    prices = []
    for email in (ALICE, BOB):
        calls = world.hasher.calls
        await world.register(email=email, password=OTHER_PASSWORD)
        prices.append((world.hasher.calls - calls, len(world.nudged)))
    assert prices == [(1, 1), (1, 2)]


async def test_an_address_can_be_registered_several_times(world: World) -> None:
    claims = [await claim(world, ALICE, PASSWORD) for _ in range(3)]

    assert len({made.id for made in claims}) == 3
    assert [mail.user_id for mail in queued_mails(world, MailKind.VERIFY)] == [made.id for made in claims]


async def test_a_username_of_an_unverified_user_is_free(world: World) -> None:
    await claim(world, ALICE, PASSWORD, username="queen")
    made = await claim(world, BOB, PASSWORD, username="Queen")
    assert made.username == "Queen"


@pytest.mark.parametrize("email", [ALICE, BOB])
async def test_a_username_of_a_verified_user_is_refused_for_any_address(world: World, email: str) -> None:
    await world.user(ALICE, username="queen")
    with refused(ErrorCode.USERNAME_TAKEN, field="username"):
        await world.register(email=email, password=PASSWORD, username="QUEEN")
    assert not world.store.rows.mails
    assert len(world.store.rows.users) == 1


@pytest.mark.parametrize(
    ("email", "password", "username", "code", "field"),
    [
        ("alice", PASSWORD, None, ErrorCode.EMAIL_INVALID, "email"),
        (ALICE, PASSWORD, "a@b.org", ErrorCode.USERNAME_INVALID, "username"),
        (ALICE, "short", None, ErrorCode.PASSWORD_WEAK, "password"),
        (ALICE, "latchkey-alice-1", None, ErrorCode.PASSWORD_WEAK, "password"),
        (ALICE, "queenqueen 12345", "queen", ErrorCode.PASSWORD_WEAK, "password"),
    ],
)
async def test_bad_input_is_refused_before_hashing(
    world: World, email: str, password: str, username: str | None, code: ErrorCode, field: str
) -> None:
    with refused(code, field=field):
        await world.register(email=email, password=password, username=username)
    assert world.hasher.calls == 0
    assert not world.store.rows.users
    assert not world.store.rows.mails


async def test_a_registration_names_every_field_that_is_wrong(world: World) -> None:
    with refused(ErrorCode.EMAIL_INVALID, field="email") as no:
        await world.register(email="alice", password="short", username="a@b.org")
    others = [(other.code, other.field) for other in no.value.others]
    assert others == [(ErrorCode.USERNAME_INVALID, "username"), (ErrorCode.PASSWORD_WEAK, "password")]
    assert world.hasher.calls == 0


async def test_an_unverified_user_does_not_survive_the_verification_of_another(world: World) -> None:
    """An attacker registers the address of another person with a password of theirs, and waits."""
    await claim(world, ALICE, OTHER_PASSWORD)
    planted = await world.log_in(ALICE, OTHER_PASSWORD)
    owner = await claim(world, ALICE, PASSWORD)

    await world.verify(token=link(world, owner, LinkPurpose.VERIFY))

    with refused(ErrorCode.INVALID_CREDENTIALS):
        await world.log_in(ALICE, OTHER_PASSWORD)
    with refused(ErrorCode.TOKEN_REVOKED):
        await world.authenticate(planted.access_token)
    await reset_by_mail(world, ALICE, PASSWORD)
    assert (await world.log_in(ALICE, PASSWORD)).session_id != planted.session_id

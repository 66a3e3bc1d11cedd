"""The programs that may ask: their secret is shown once, and nothing else lets them in."""

from hashlib import sha256
from uuid import UUID

import pytest

from domain.refusals import ErrorCode
from tests.support.use_cases import error_code_of, refused
from tests.support.world import World

pytestmark = pytest.mark.anyio


async def test_a_client_authenticates_with_its_secret(world: World) -> None:
    client, secret = await world.add_client(name=" billing ")
    other, others = await world.add_client(name="billing")
    assert client.name == other.name == "billing"
    assert client.created_at == world.clock()
    assert client != other
    assert secret != others
    assert await world.authenticate_client(str(client.id), secret) == client
    assert await world.authenticate_client(str(other.id), others) == other


async def test_only_a_digest_of_a_secret_is_stored(world: World) -> None:
    client, secret = await world.add_client(name="billing")
    [client_stored] = await world.list_clients()
    assert client_stored == client
    assert client_stored.secret_digest == sha256(secret.encode()).digest()
    assert secret not in repr(vars(world.store))
    assert "secret_digest" not in repr(client_stored)


@pytest.mark.parametrize("wrong", ["", "x", "secret", "\0", "é", "x" * 10_000])
async def test_a_wrong_secret_is_refused(world: World, wrong: str) -> None:
    client, secret = await world.add_client(name="billing")
    _, others = await world.add_client(name="search")
    for given in (wrong, secret[:-1], secret + " ", secret.upper(), others):
        with refused(ErrorCode.INVALID_CREDENTIALS):
            await world.authenticate_client(str(client.id), given)


async def test_a_client_id_must_be_canonical_and_known(world: World) -> None:
    client, secret = await world.add_client(name="billing")
    plain = str(client.id)
    for other in (
        "",
        "x",
        "billing",
        plain.upper(),
        plain.replace("-", ""),
        f"{{{plain}}}",
        f" {plain}",
        str(UUID(int=7)),
    ):
        with refused(ErrorCode.INVALID_CREDENTIALS):
            await world.authenticate_client(other, secret)


async def test_the_decoy_digest_authenticates_no_client(world: World) -> None:
    with refused(ErrorCode.INVALID_CREDENTIALS):
        await world.authenticate_client(str(UUID(int=7)), "")


async def test_a_removed_client_is_refused_at_once(world: World) -> None:
    client, secret = await world.add_client(name="billing")
    assert await world.remove_client(client.id)
    assert not await world.remove_client(client.id)
    with refused(ErrorCode.INVALID_CREDENTIALS):
        await world.authenticate_client(str(client.id), secret)
    assert await world.list_clients() == []


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "a\nb", "a\tb", "\x1b[31m", "\u202e"])
async def test_client_name_must_fit_on_one_line(world: World, name: str) -> None:
    assert await error_code_of(world.add_client(name=name)) is ErrorCode.MALFORMED
    assert await world.list_clients() == []

"""How often each verb goes to the database and back. A number may fall; one that rises wants a reason."""

from collections.abc import AsyncIterator

import pytest

from adapters.uuid7 import uuid7
from domain.outbox import MailKind, OutboxMail
from domain.role import Role
from domain.user import User
from entrypoints.factories import now
from tests.support.app_under_test import CLIENT_INFO, House, opened
from tests.support.service import PASSWORD, Service, address

pytestmark = pytest.mark.anyio


@pytest.fixture
async def house(service: Service) -> AsyncIterator[House]:
    async with opened(service) as found:
        yield found


async def test_who_is_calling_costs_the_database_nothing_and_who_they_are_one_question(
    house: House, service: Service
) -> None:
    pair = await house.log_in(service.user("member"))
    authenticate = house.container.authenticate()
    assert await house.trips(authenticate(pair.access_token)) == " (0)"
    assert await house.trips(authenticate(pair.access_token, role=Role.MEMBER)) == " (0)"
    assert await house.trips(house.container.show_me()(house.caller(pair))) == "SELECT (0)"


async def test_a_login(house: House, service: Service) -> None:
    email = service.user("member")
    assert await house.trips(house.log_in(email)) == "SELECT WITH SELECT (1)"


async def test_a_refresh(house: House, service: Service) -> None:
    pair = await house.log_in(service.user("member"))
    refresh = house.container.refresh()
    once = await house.trips(refresh(refresh_token=pair.refresh_token, client_info=CLIENT_INFO))
    assert once == "WITH (1)"
    again = await house.trips(refresh(refresh_token=pair.refresh_token, client_info=CLIENT_INFO))
    assert again == "WITH WITH SELECT SELECT (3)"


async def test_a_logout(house: House, service: Service) -> None:
    caller = house.caller(await house.log_in(service.user("member")))
    assert await house.trips(house.container.logout()(caller, client_info=CLIENT_INFO)) == "WITH (0)"


async def test_registering_and_proving(house: House) -> None:
    email = address()
    register = house.container.register()(email=email, password=PASSWORD, client_info=CLIENT_INFO)
    assert await house.trips(register) == "SELECT SELECT SELECT SELECT INSERT INSERT INSERT (2)"
    async with house.begin() as work:
        user = await work.users.by_email(email)
    assert user is not None


@pytest.mark.parametrize("many", [1, 40])
async def test_there_are_no_more_of_them_for_many_rows(house: House, service: Service, many: int) -> None:
    email = service.user("member", role=Role.ADMIN)
    pairs = [await house.log_in(email) for _ in range(min(many, 12))]
    caller, made = house.caller(pairs[0]), house.container
    assert await house.trips(made.list_sessions()(caller)) == "SELECT (1)"
    assert await house.trips(made.list_users()(limit=many)) == "SELECT (1)"
    assert await house.trips(made.list_events()(caller.user_id, reader=caller.user_id, limit=many)) == "SELECT (1)"
    everywhere = await house.trips(made.logout_everywhere()(caller, client_info=CLIENT_INFO))
    assert everywhere == "SELECT UPDATE SELECT INSERT (1)"


@pytest.mark.parametrize("many", [1, 16])
async def test_mails_are_leased_and_addressed_together_and_settled_one_by_one(apart: Service, many: int) -> None:
    async with opened(apart) as house:
        async with house.begin() as work:
            for _ in range(many):
                user = User(id=uuid7(), email=address(), username=None, password_hash="", created_at=now())
                await work.users.add(user)
                await work.outbox.add(
                    OutboxMail.queued(MailKind.VERIFY, user.email, id=uuid7(), now=now(), user_id=user.id)
                )
        deliver = house.container.deliver_mail()
        assert await house.trips(deliver(limit=many)) == f"WITH SELECT {'UPDATE ' * many}(1)"

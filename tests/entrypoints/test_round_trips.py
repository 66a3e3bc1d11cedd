"""The number of database statements of each use case. It may fall; a rise needs a reason."""

from collections.abc import AsyncIterator

import pytest

from adapters.uuid7 import uuid7
from domain.outbox import MailKind, OutboxMail
from domain.role import Role
from domain.user import User
from entrypoints.factories import now
from tests.support.app_under_test import CLIENT_INFO, AppUnderTest, open_app
from tests.support.service import PASSWORD, Service, unique_email

pytestmark = pytest.mark.anyio


@pytest.fixture
async def app(service: Service) -> AsyncIterator[AppUnderTest]:
    async with open_app(service) as opened_app:
        yield opened_app


async def test_authenticate_costs_no_query_and_me_one(app: AppUnderTest, service: Service) -> None:
    pair = await app.log_in(service.user("member"))
    authenticate = app.container.authenticate()
    assert await app.statements_of(authenticate(pair.access_token)) == " (0)"
    assert await app.statements_of(authenticate(pair.access_token, role=Role.MEMBER)) == " (0)"
    assert await app.statements_of(app.container.show_me()(app.caller(pair))) == "SELECT (0)"


async def test_statements_of_a_login(app: AppUnderTest, service: Service) -> None:
    email = service.user("member")
    # The user; the session; those beyond the maximum; earlier logins, to notice a new device.
    assert await app.statements_of(app.log_in(email)) == "SELECT WITH SELECT SELECT (1)"


async def test_statements_of_a_refresh(app: AppUnderTest, service: Service) -> None:
    pair = await app.log_in(service.user("member"))
    refresh = app.container.refresh()
    once = await app.statements_of(refresh(refresh_token=pair.refresh_token, client_info=CLIENT_INFO))
    assert once == "WITH (1)"
    again = await app.statements_of(refresh(refresh_token=pair.refresh_token, client_info=CLIENT_INFO))
    assert again == "WITH WITH SELECT SELECT (3)"


async def test_statements_of_a_logout(app: AppUnderTest, service: Service) -> None:
    caller = app.caller(await app.log_in(service.user("member")))
    assert await app.statements_of(app.container.logout()(caller, client_info=CLIENT_INFO)) == "WITH (0)"


async def test_statements_of_a_registration(app: AppUnderTest) -> None:
    email = unique_email()
    register = app.container.register()(email=email, password=PASSWORD, client_info=CLIENT_INFO)
    assert await app.statements_of(register) == "SELECT SELECT SELECT SELECT INSERT INSERT INSERT (2)"
    async with app.begin() as work:
        user = await work.users.by_email(email)
    assert user is not None


@pytest.mark.parametrize("many", [1, 40])
async def test_number_of_statements_does_not_grow_with_the_rows(
    app: AppUnderTest, service: Service, many: int
) -> None:
    email = service.user("member", role=Role.ADMIN)
    pairs = [await app.log_in(email) for _ in range(min(many, 12))]
    caller, made = app.caller(pairs[0]), app.container
    assert await app.statements_of(made.list_sessions()(caller)) == "SELECT (1)"
    assert await app.statements_of(made.list_users()(limit=many)) == "SELECT (1)"
    assert (
        await app.statements_of(made.list_events()(caller.user_id, reader=caller.user_id, limit=many)) == "SELECT (1)"
    )
    everywhere = await app.statements_of(made.logout_everywhere()(caller, client_info=CLIENT_INFO))
    assert everywhere == "SELECT UPDATE SELECT INSERT (1)"


@pytest.mark.parametrize("many", [1, 16])
async def test_mails_are_leased_in_bulk_and_settled_one_by_one(isolated_service: Service, many: int) -> None:
    async with open_app(isolated_service) as app:
        async with app.begin() as work:
            for _ in range(many):
                user = User(id=uuid7(), email=unique_email(), username=None, password_hash="", created_at=now())
                await work.users.add(user)
                await work.outbox.add(
                    OutboxMail.queued(MailKind.VERIFY, user.email, id=uuid7(), now=now(), user_id=user.id)
                )
        deliver = app.container.deliver_mail()
        assert await app.statements_of(deliver(limit=many)) == f"WITH SELECT {'UPDATE ' * many}(1)"

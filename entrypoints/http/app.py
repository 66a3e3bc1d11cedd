"""The application: its routes, their dependencies, and the middleware around them."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.types import ASGIApp, ControllerRouterHandler

from entrypoints.container import Container
from entrypoints.http.cookies import Cookies
from entrypoints.http.cross_site import CrossSite
from entrypoints.http.dispatch import Dispatch
from entrypoints.http.draining import fail_readiness_on_signal
from entrypoints.http.guard import require_policies
from entrypoints.http.identify import AccessChecks
from entrypoints.http.lifespan import lifespan
from entrypoints.http.middleware.access_log import AccessLog
from entrypoints.http.middleware.client_address import ClientAddresses
from entrypoints.http.middleware.client_checks import ClientChecks
from entrypoints.http.middleware.cors import Cors
from entrypoints.http.middleware.security_headers import SecurityHeaders
from entrypoints.http.pages import (
    account,
    confirm,
    docs,
    home,
    invitation,
    links,
    logo,
    mailbox,
    register,
    second_factor,
    sign_in,
    style,
)
from entrypoints.http.pages import users as user_pages
from entrypoints.http.pages.html import Pages
from entrypoints.http.pages.unhandled import REFUSALS, send_without_route
from entrypoints.http.paths import Paths
from entrypoints.http.request import StrictRequest
from entrypoints.http.return_to import ReturnTo
from entrypoints.http.routes import (
    email,
    enrolment,
    events,
    export,
    factor_logins,
    factors,
    forward_auth,
    invitations,
    me,
    metrics,
    oauth,
    passwords,
    registration,
    session_token,
    sessions,
    step_up,
    system,
    users,
)
from entrypoints.observability.access_log import access_logger
from entrypoints.observability.logs import configure_logs
from entrypoints.observability.metrics import Call, Metrics
from entrypoints.settings import load

BODY_LIMIT = 32 * 1024

T = TypeVar("T")


def _dependency(make: Callable[[], T]) -> Provide:
    """Wraps a provider of the container, because Litestar inspects the signature of a function."""

    def provide() -> T:
        return make()

    return Provide(provide, sync_to_thread=False)


def create(container: Container) -> ASGIApp:
    app = assemble(container)
    return surround(app, app, container)


def surround(inner: ASGIApp, app: Litestar, container: Container) -> ASGIApp:
    """`inner` with the middleware around it. It is the application, or calls it."""
    settings = container.settings()
    cors = Cors(settings.cors_origins)
    dispatch = Dispatch(
        inner,
        litestar=app,
        paths=app.state.paths,
        cors=cors,
        cross_site=CrossSite(settings.public_url, app.state.access_checks.cookies, origins=settings.cors_origins),
        send_without_route=send_without_route,
        prefix=settings.public_path,
    )
    return ClientChecks(
        AccessLog(SecurityHeaders(dispatch, cors=cors), metrics=app.state.metrics, log=access_logger(settings)),
        addresses=ClientAddresses(settings.trusted_proxies),
        start_request=container.start_request(),
        hosts=settings.allowed_hosts,
        page_hosts=settings.own_hosts if settings.development else (),
    )


def assemble(container: Container) -> Litestar:
    settings = container.settings()
    accounts = (registration, me, export, sessions, session_token, passwords, email)
    second_factors = (factor_logins, factors, enrolment, step_up)
    version_1 = (*accounts, *second_factors, users, invitations, events, forward_auth, oauth)
    versioned = [handler for resource in version_1 for handler in resource.handlers]
    pages = [
        *home.handlers,
        *logo.handlers,
        *style.handlers,
        *sign_in.handlers,
        *second_factor.handlers,
        *confirm.handlers,
        *register.handlers,
        *account.handlers,
        *links.handlers,
        *invitation.handlers,
        *user_pages.handlers,
        *docs.handlers,
        *(mailbox.handlers if settings.development else []),
    ]
    unversioned = [*system.handlers, *metrics.handlers, *pages]
    routes: list[ControllerRouterHandler] = [Router("/v1", route_handlers=versioned), *unversioned]
    # Provides what handlers name as parameters. Others are left out, because Litestar compares each dependency with
    # all others for every route.
    named = {name for handler in (*versioned, *unversioned) for name in handler.fn.__annotations__}
    dependencies = {name: _dependency(provider) for name, provider in container.providers.items() if name in named}
    app = Litestar(
        route_handlers=routes,
        dependencies=dependencies,
        exception_handlers=REFUSALS,
        request_class=StrictRequest,
        request_max_body_size=BODY_LIMIT,
        openapi_config=None,
        lifespan=[lifespan(container)],
        logging_config=None,
    )
    app.state.access_checks = AccessChecks(
        authenticate=container.authenticate(),
        authenticate_cookie=container.authenticate_cookie(),
        cookies=Cookies(settings.public_url),
        authenticate_client=container.authenticate_client(),
        require_fresh=container.require_fresh(),
        rate_limiter=container.rate_limiter(),
        clock=container.clock(),
        set_user=container.set_request_user(),
    )
    app.state.return_to = ReturnTo(
        container.return_signer(), origins=settings.protected_origins, public_url=settings.public_url
    )
    app.state.show_me = container.show_me()
    app.state.routes = routes
    app.state.public_url = settings.public_url
    app.state.translations = container.translations()
    app.state.pages = Pages(
        settings.public_url,
        name=settings.name,
        product_url=settings.product_url,
        translations=app.state.translations,
        accent=settings.accent,
        templates=None if settings.templates is None else settings.templates / "pages",
        logo=None if settings.logo is None else logo.path_of(settings.logo),
        registration=settings.registration,
    )
    app.state.paths = Paths(app)
    app.state.metrics = Metrics(_calls(app.state.paths))
    require_policies(app)
    return app


def _calls(paths: Paths) -> Iterator[Call]:
    """Every method of every route."""
    for path in paths:
        yield from ((method, path.template) for method in path.methods)


def serve() -> ASGIApp:
    """The application factory that uvicorn calls."""
    settings = load()
    configure_logs(settings)
    fail_readiness_on_signal()
    return create(Container(settings=settings))

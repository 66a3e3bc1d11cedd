"""The pages on which people manage their own account. Each calls the use case that the API calls."""

from litestar.handlers import HTTPRouteHandler

from entrypoints.http.pages.account import (
    activity,
    address,
    data,
    deletion,
    devices,
    enrolment,
    factors,
    overview,
    password,
    profile,
    recovery_codes,
)

_PAGES = (overview, profile, address, password, factors, enrolment, recovery_codes, devices, activity, data, deletion)

handlers: list[HTTPRouteHandler] = [handler for module in _PAGES for handler in module.handlers]

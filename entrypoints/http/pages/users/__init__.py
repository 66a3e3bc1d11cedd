"""The pages on which moderators and admins manage users. Each calls the use case that the API calls."""

from litestar.handlers import HTTPRouteHandler

from entrypoints.http.pages.users import acts, clients, invitations, mails, person, search

_PAGES = (search, person, acts, invitations, mails, clients)

handlers: list[HTTPRouteHandler] = [handler for module in _PAGES for handler in module.handlers]

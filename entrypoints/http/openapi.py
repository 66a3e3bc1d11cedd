"""The OpenAPI 3.1 document. The framework derives it from the routes, msgspec writes the schemas."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from inspect import isclass
from typing import Any

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, Contact, License, Reference, SecurityScheme, Server, Tag
from litestar.routes import HTTPRoute
from msgspec import UNSET, Struct

from entrypoints.http.cookies import Cookies
from entrypoints.http.problems import Problem
from entrypoints.release import release

TAGS = {
    "Registration": "Create an account and verify its e-mail address.",
    "Sessions": "Log in, stay logged in, log out.",
    "Account": "The caller's own account.",
    "Password": "Reset a forgotten password, change a known one.",
    "Second factors": "Passkeys, authenticator apps and recovery codes; log in with them, and authenticate again.",
    "E-mail": "Change the e-mail address, or undo a change.",
    "Users": "For moderators and admins: find, change and remove users.",
    "Invitations": "Let a moderator invite a person, who creates a verified account by the mailed link.",
    "Services": "For other programs: check and revoke tokens, protect a service behind a proxy.",
    "System": "Health, keys and metrics.",
}


def _security(public_url: str) -> dict[str, SecurityScheme | Reference]:
    cookie = SecurityScheme(
        type="apiKey",
        security_scheme_in="cookie",
        name=Cookies(public_url).session,
        description="The cookie of a browser session, which the sign-in page sets.",
    )
    return {**_SECURITY, "cookie": cookie}


_SECURITY: dict[str, SecurityScheme | Reference] = {
    "bearer": SecurityScheme(
        type="http", scheme="bearer", bearer_format="JWT", description="The `access_token` of a token pair."
    ),
    "basic": SecurityScheme(
        type="http",
        scheme="basic",
        description="Id and secret of a client, as printed by `clients add`. They may be sent as"
        " `client_id` and `client_secret` in the form instead.",
    ),
}


@cache
def document(app: Litestar) -> dict[str, Any]:
    """Built from a second application with the same routes: the framework would add routes to the first."""
    twin = Litestar(
        route_handlers=app.state.routes,
        dependencies=app.dependencies,
        openapi_config=OpenAPIConfig(
            title="Latchkey",
            version=release(),
            description="Accounts over HTTP: registration, login, sessions, roles and audit.",
            contact=Contact(name="The operator of this installation", url=app.state.public_url),
            license=License(name="MIT", identifier="MIT"),
            servers=[Server(url=app.state.public_url)],
            tags=[Tag(name=name, description=text) for name, text in TAGS.items()],
            components=Components(security_schemes=_security(app.state.public_url)),
            use_handler_docstrings=True,
        ),
        logging_config=None,
    )
    openapi = twin.openapi_schema.to_schema()
    openapi["components"]["schemas"] = _schemas(handler for _, handler in documented_routes(app))
    return openapi


def documented_routes(app: Litestar) -> Iterator[tuple[str, HTTPRouteHandler]]:
    """Handlers with the template of their path."""
    for route in app.routes:
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            if handler.include_in_schema is not False:
                yield route.path_format, handler


def resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema, or the component to which it refers."""
    return schemas[schema["$ref"].rsplit("/", 1)[-1]] if "$ref" in schema else schema


def _schemas(handlers: Iterable[HTTPRouteHandler]) -> dict[str, Any]:
    types: set[type[Struct]] = {Problem}
    for handler in handlers:
        annotations = [handler.parsed_fn_signature.return_type.annotation]
        annotations += [handler.parsed_data_field.annotation] if handler.parsed_data_field else []
        annotations += [spec.data_container for spec in (handler.responses or {}).values()]
        types.update(kind for kind in annotations if isclass(kind) and issubclass(kind, Struct))
    _, schemas = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    for schema in schemas.values():
        for field in schema.get("properties", {}).values():
            if field.get("default", ...) is None:
                del field["default"]  # generated TypeScript would make the field required
        _example(schema, schemas)
    return dict(sorted(schemas.items()))


def _example(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """An example that fits the schema, or UNSET. That of an object is made of its fields', and written into it."""
    if "$ref" in schema:
        return _example(schemas[schema["$ref"].rsplit("/", 1)[-1]], schemas)
    if "examples" not in schema and "properties" in schema:
        fields = {name: _example(field, schemas) for name, field in schema["properties"].items()}
        schema["examples"] = [{name: value for name, value in fields.items() if value is not UNSET}]
    if "examples" in schema:
        return schema["examples"][0]
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], schemas)
    if "items" in schema:
        item = _example(schema["items"], schemas)
        return UNSET if item is UNSET else [item]
    return schema["enum"][0] if "enum" in schema else UNSET

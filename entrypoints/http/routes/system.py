"""Health, public keys and the metadata of the server."""

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Annotated, Any
from urllib.parse import urlsplit

from litestar import Response
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, SkipValidation
from msgspec import UNSET, Struct, UnsetType

from domain.authentication import AssuranceLevel
from domain.refusals import ErrorCode, Refusal
from entrypoints.http.endpoint import get
from entrypoints.http.fields import documented
from entrypoints.http.guard import public
from entrypoints.http.request import FOR_ANY_ORIGIN
from entrypoints.observability.health import Health, shutting_down
from entrypoints.settings import Settings

KeySet = Callable[[], dict[str, list[dict[str, str]]]]
"""All keys that verify, public parts only (RFC 7517)."""


class Alive(Struct, frozen=True):
    status: Annotated[str, documented("`ok`, or `degraded:` and what is down.", "ok")]


@get("/health/live", operation_id="getLiveness", summary="Liveness", tag="System", policy=public())
async def live() -> Alive:
    """The process is running."""
    return Alive("ok")


@get("/health/ready", operation_id="getReadiness", summary="Readiness", tag="System", policy=public())
async def ready(health: NamedDependency[Health]) -> Alive:
    """Whether requests can be served. 503 names what is down, or says that the process shuts down. If only Redis
    is down, the status is 200 `degraded`."""
    if shutting_down.is_set():
        raise Refusal(ErrorCode.UNAVAILABLE, "Shutting down.")
    down = await health.unhealthy()
    if "database" in down:
        raise Refusal(ErrorCode.UNAVAILABLE, f"Down: {', '.join(down)}.")
    return Alive("ok" if not down else f"degraded: {', '.join(down)}")


class PublicKey(Struct, frozen=True, kw_only=True):
    """A JSON Web Key (RFC 7517). Which members it has depends on `kty`."""

    kty: Annotated[str, documented("The kind of key.", "EC", enum=["EC", "OKP", "RSA"])]
    kid: Annotated[str, documented("As in the header of the tokens that this key signed.", "pCa4jBCzFUNdh4gkz1kp")]
    use: Annotated[str, documented("For signatures.", "sig", enum=["sig"])]
    alg: Annotated[str, documented("The only algorithm of this key.", "ES256", enum=["ES256", "EdDSA", "RS256"])]
    crv: Annotated[str, documented("The curve of an EC or OKP key.", "P-256")] | UnsetType = UNSET
    x: Annotated[str, documented("Public coordinate.", "f83OJ3D2xF1Bg8vub9tLe1gHMzV7")] | UnsetType = UNSET
    y: Annotated[str, documented("Public coordinate.", "x_FEzRu9m36HLN_tue659LNpXW6p")] | UnsetType = UNSET
    n: Annotated[str, documented("Modulus of an RSA key.")] | UnsetType = UNSET
    e: Annotated[str, documented("Exponent of an RSA key.")] | UnsetType = UNSET


class PublicKeys(Struct, frozen=True):
    keys: list[PublicKey]


@get(
    "/.well-known/jwks.json",
    operation_id="getJwks",
    summary="Get the public keys",
    tag="System",
    policy=public(),
    responses={200: ResponseSpec(PublicKeys, generate_examples=False, description="The key set")},
)
async def key_set(
    jwks: NamedDependency[SkipValidation[KeySet]], settings: NamedDependency[SkipValidation[Settings]]
) -> Response[dict[str, Any]]:
    """The public keys that verify access tokens (RFC 7517)."""
    return Response(jwks(), headers=_while_keys_last(settings))


def _while_keys_last(settings: Settings) -> dict[str, str]:
    # A cached copy must expire before a new key signs, and half a minute earlier for clients that reload the keys
    # only that long after the last time (PyJWT and jose by default).
    seconds = min(15, int(settings.key_delay.total_seconds()) // 4)
    return {"Cache-Control": f"public, max-age={seconds}", **FOR_ANY_ORIGIN}


METADATA = "/.well-known/oauth-authorization-server"
_CLIENT_METHODS = ["client_secret_basic", "client_secret_post"]
_ClientMethods = Annotated[list[str], documented("How a client authenticates there.", _CLIENT_METHODS)]
_LEVELS = [level.value for level in AssuranceLevel]
_EXAMPLE = "https://accounts.example.org"


class ServerMetadata(Struct, frozen=True, kw_only=True):
    """Authorization server metadata (RFC 8414 section 2).

    Latchkey has no authorization requests and no OAuth grants, so these lists are empty.
    """

    issuer: Annotated[str, documented("As in the `iss` of access tokens.", _EXAMPLE, format="uri")]
    jwks_uri: Annotated[str, documented("Public keys.", f"{_EXAMPLE}/.well-known/jwks.json", format="uri")]
    introspection_endpoint: Annotated[str, documented("RFC 7662.", f"{_EXAMPLE}/v1/introspect", format="uri")]
    introspection_endpoint_auth_methods_supported: _ClientMethods
    revocation_endpoint: Annotated[str, documented("RFC 7009.", f"{_EXAMPLE}/v1/revoke", format="uri")]
    revocation_endpoint_auth_methods_supported: _ClientMethods
    access_token_signing_alg_values_supported: Annotated[
        list[str], documented("Algorithms of the keys that verify access tokens at present.", ["ES256"])
    ]
    id_token_signing_alg_values_supported: Annotated[
        list[str], documented("The same; many libraries look here to verify access tokens.", ["ES256"])
    ]
    acr_values_supported: Annotated[
        list[str], documented("Levels of authentication, from weakest to strongest (RFC 9470).", _LEVELS)
    ]
    response_types_supported: Annotated[list[str], documented("None.", [])]
    grant_types_supported: Annotated[list[str], documented("None.", [])]
    service_documentation: Annotated[str, documented("For people.", f"{_EXAMPLE}/docs", format="uri")]


@get(
    METADATA,
    operation_id="getServerMetadata",
    summary="Get the OAuth server metadata",
    tag="System",
    policy=public(),
    responses={200: ResponseSpec(ServerMetadata, generate_examples=False, description="The metadata")},
)
async def server_metadata(
    jwks: NamedDependency[SkipValidation[KeySet]],
    settings: NamedDependency[SkipValidation[Settings]],
) -> Response[ServerMetadata]:
    """The URLs of keys, introspection and revocation, for OAuth libraries (RFC 8414)."""
    url = settings.public_url
    algorithms = list(dict.fromkeys(key["alg"] for key in jwks()["keys"]))
    metadata = ServerMetadata(
        issuer=url,
        jwks_uri=f"{url}/.well-known/jwks.json",
        introspection_endpoint=f"{url}/v1/introspect",
        introspection_endpoint_auth_methods_supported=_CLIENT_METHODS,
        revocation_endpoint=f"{url}/v1/revoke",
        revocation_endpoint_auth_methods_supported=_CLIENT_METHODS,
        access_token_signing_alg_values_supported=algorithms,
        id_token_signing_alg_values_supported=algorithms,
        acr_values_supported=_LEVELS,
        response_types_supported=[],
        grant_types_supported=[],
        service_documentation=f"{url}/docs",
    )
    return Response(metadata, headers=_while_keys_last(settings))


@get(METADATA + "/{path:path}", policy=public())
async def server_metadata_of_path(
    path: FromPath[PurePosixPath],
    jwks: NamedDependency[SkipValidation[KeySet]],
    settings: NamedDependency[SkipValidation[Settings]],
) -> Response[ServerMetadata]:
    """Where clients look if the public URL has a path: they insert the well-known part before it (RFC 8414, section
    3.1)."""
    if str(path) != urlsplit(settings.public_url).path:
        raise Refusal(ErrorCode.NOT_FOUND, "This is not the path of the public URL.")
    response: Response[ServerMetadata] = await server_metadata.fn(jwks, settings)
    return response


class RelatedOrigins(Struct, frozen=True):
    origins: Annotated[
        list[str], documented("Origins of pages that may use the passkeys of this site.", ["https://app.example.com"])
    ]


@get(
    "/.well-known/webauthn",
    operation_id="getRelatedOrigins",
    summary="Get the related origins of passkeys",
    tag="System",
    policy=public(),
    errors=["not_found"],
)
async def related_origins(settings: NamedDependency[SkipValidation[Settings]]) -> RelatedOrigins:
    """The origins of `LATCHKEY_PASSKEY_ORIGINS` (WebAuthn Level 3 section 5.11). 404 if there are none."""
    if not settings.related_origins:
        raise Refusal(ErrorCode.NOT_FOUND, "Passkeys of this site are used on its own origin only.")
    return RelatedOrigins(list(settings.related_origins))


handlers = [live, ready, key_set, server_metadata, server_metadata_of_path, related_origins]

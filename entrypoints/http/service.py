"""What machines ask of the service itself: is it well, and which keys does it sign with."""

import asyncio
from typing import Any

from litestar import Request, Response, get, head
from litestar.di import NamedDependency
from msgspec import Struct

from adapters.argon2_hasher import Argon2Hasher
from adapters.jwt_sealer import JwtSealer
from adapters.live_keys import LiveKeys
from domain.refusals import Code, Refusal
from entrypoints.health import Health, Lookout
from entrypoints.http.guard import anybody
from entrypoints.metrics import Metrics

TEXT = "text/plain; version=0.0.4"  # the framework adds the charset
OPENMETRICS = "application/openmetrics-text"


class Alive(Struct, frozen=True):
    status: str


@get("/health/live", guards=anybody())
async def live() -> Alive:
    """The process runs."""
    return Alive("ok")


@get("/health/ready", guards=anybody())
async def ready(health: NamedDependency[Health]) -> Alive:
    """Whether requests can be served; 503 names what is down. Redis alone being down slows, and stops nothing."""
    down = await health.down()
    if "database" in down:
        raise Refusal(Code.UNAVAILABLE, f"Down: {', '.join(down)}.", retry_after=2)
    return Alive("ok" if not down else f"degraded: {', '.join(down)}")


@get("/.well-known/jwks.json", guards=anybody())
async def key_set(
    access_sealer: NamedDependency[JwtSealer], signing_keys: NamedDependency[LiveKeys]
) -> Response[dict[str, Any]]:
    """Every public key that still verifies an access token (RFC 7517)."""
    # A copy has to be stale before a new key signs, and half a minute before that for clients that, having just
    # fetched a copy, ask again for an unknown kid only then (PyJWT and jose by default).
    seconds = min(15, int(signing_keys.delay.total_seconds()) // 4)
    return Response(access_sealer.jwks(), headers={"Cache-Control": f"public, max-age={seconds}"})


@get("/metrics", guards=anybody(), media_type=TEXT)
async def numbers(
    request: Request[Any, Any, Any], lookout: NamedDependency[Lookout], hasher: NamedDependency[Argon2Hasher]
) -> Response[bytes]:
    """What Prometheus reads: of all processes, whichever answers, and whatever is down."""
    asked = {kind.split(";")[0].strip() for kind in request.headers.get("accept", "").lower().split(",")}
    openmetrics = OPENMETRICS in asked
    metrics: Metrics = request.app.state.metrics
    metrics.hashing(*hasher.load())
    up, backlog = await lookout.look()

    def write() -> bytes:
        # Loaded when somebody asks for the first time; not everybody does.
        from entrypoints.exposition import exposition

        return exposition(metrics.counted(), up, backlog, openmetrics=openmetrics)

    media_type = f"{OPENMETRICS}; version=1.0.0; charset=utf-8" if openmetrics else TEXT
    return Response(await asyncio.to_thread(write), media_type=media_type)


@head("/metrics", guards=anybody(), media_type=TEXT, include_in_schema=False)
async def no_numbers() -> None:
    """For who only looks whether the page is there."""


handlers = [live, ready, key_set, numbers, no_numbers]

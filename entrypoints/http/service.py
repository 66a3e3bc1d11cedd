"""What machines ask of the service itself: is it well, and which keys does it sign with."""

from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from msgspec import Struct

from adapters.jwt_sealer import JwtSealer
from adapters.live_keys import LiveKeys
from domain.refusals import Code, Refusal
from entrypoints.health import Health
from entrypoints.http.guard import anybody


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


handlers = [live, ready, key_set]

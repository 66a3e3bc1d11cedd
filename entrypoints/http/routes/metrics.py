"""Metrics in the text format of Prometheus, or as OpenMetrics."""

import asyncio
from collections.abc import Callable
from hmac import compare_digest
from typing import Any

from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import SkipValidation

from domain.refusals import ErrorCode, Refusal
from entrypoints.http.credentials import bearer_token
from entrypoints.http.endpoint import get
from entrypoints.http.guard import public
from entrypoints.observability.exposition import exposition
from entrypoints.observability.health import DependencyProbe
from entrypoints.observability.metrics import Metrics
from entrypoints.settings import Settings

TEXT = "text/plain; version=0.0.4"  # the framework adds the charset
OPENMETRICS = "application/openmetrics-text"

_EXAMPLE = """\
# HELP latchkey_dependency_up Whether a dependency answers in time.
# TYPE latchkey_dependency_up gauge
latchkey_dependency_up{dependency="database"} 1.0
"""


@get(
    "/metrics",
    operation_id="getMetrics",
    summary="Get the metrics",
    tag="System",
    policy=public(),
    media_type=TEXT,
    responses={
        200: ResponseSpec(
            str,
            description="The metrics in the text format of Prometheus",
            media_type=TEXT,
            examples=[Example(value=_EXAMPLE)],
            generate_examples=False,
        )
    },
    errors=["token_missing", "token_invalid"],
)
async def metrics_page(
    request: Request[Any, Any, Any],
    settings: NamedDependency[SkipValidation[Settings]],
    dependency_probe: NamedDependency[DependencyProbe],
    hashing_load: NamedDependency[SkipValidation[Callable[[], tuple[int, int]]]],
) -> Response[bytes]:
    """Prometheus metrics of all processes. Requires a bearer token if LATCHKEY_METRICS_TOKEN is set."""
    _require_token(request, settings.metrics_token)
    accepted_types = {kind.split(";")[0].strip() for kind in request.headers.get("accept", "").lower().split(",")}
    openmetrics = OPENMETRICS in accepted_types
    metrics: Metrics = request.app.state.metrics
    metrics.set_hashing(*hashing_load())
    up, backlog = await dependency_probe.probe()

    def write() -> bytes:
        return exposition(metrics, up, backlog, lost=dependency_probe.lost_revocations, openmetrics=openmetrics)

    media_type = f"{OPENMETRICS}; version=1.0.0; charset=utf-8" if openmetrics else TEXT
    return Response(await asyncio.to_thread(write), media_type=media_type)


def _require_token(request: Request[Any, Any, Any], token: str | None) -> None:
    if token is not None and not compare_digest(bearer_token(request.scope).encode(), token.encode()):
        raise Refusal(ErrorCode.TOKEN_INVALID, "The token does not match LATCHKEY_METRICS_TOKEN.")


handlers = [metrics_page]

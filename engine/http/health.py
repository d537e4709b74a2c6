"""/healthz, /readyz and /metrics: never limited, never slow, never secret.

Part of every port; all that the port of a worker or a dispatcher has.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Watched(Protocol):
    """A process that is looked after."""

    def ready(self) -> Sequence[str]:
        """Return the reasons why it is not ready; empty when it is."""
        ...

    def metrics(self) -> bytes:
        """Return the metrics in Prometheus text form. May ask a database: not called in the event loop."""
        ...


def make_health_app(watched: Watched) -> Starlette:
    """Return an application of these routes alone."""
    return Starlette(routes=Health(watched).routes())


class Health:
    """Is the process up, is the engine ready, and what do its metrics say."""

    def __init__(self, watched: Watched) -> None:
        self.watched = watched

    def routes(self) -> list[BaseRoute]:
        """Return the three routes."""
        return [
            Route("/healthz", self.healthz, methods=["GET"]),
            Route("/readyz", self.readyz, methods=["GET"]),
            Route("/metrics", self.metrics, methods=["GET"]),
        ]

    async def healthz(self, _request: Request) -> Response:
        """Answer 200 while the process answers at all."""
        return Response(b"ok\n", media_type="text/plain")

    async def readyz(self, _request: Request) -> Response:
        """Answer 200 when events and touches flow, else 503 with the reasons."""
        reasons = list(self.watched.ready())
        body = msgspec.json.encode({"ready": not reasons, "reasons": reasons})
        return Response(body, 503 if reasons else 200, media_type="application/json")

    async def metrics(self, _request: Request) -> Response:
        """Answer the metrics of `telemetry.METRICS`."""
        return Response(await asyncio.to_thread(self.watched.metrics), headers={"Content-Type": _METRICS_TYPE})

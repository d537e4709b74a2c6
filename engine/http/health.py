"""/healthz, /readyz and /metrics: never limited, never slow, never secret."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from engine.http.gateway import Gateway

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Health:
    """Is the process up, is the engine ready, and what do its metrics say."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

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
        reasons = list(self.gateway.ready())
        body = msgspec.json.encode({"ready": not reasons, "reasons": reasons})
        return Response(body, 503 if reasons else 200, media_type="application/json")

    async def metrics(self, _request: Request) -> Response:
        """Answer the metrics of `telemetry.METRICS`."""
        return Response(self.gateway.metrics(), headers={"Content-Type": _METRICS_TYPE})

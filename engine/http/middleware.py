"""Round every request: security headers, CORS for the ingest paths, one count and one time by route. Plain ASGI."""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.core.ids import SECOND
from engine.http.gateway import Gateway

_ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
_INGEST: Final = frozenset(
    f"/v1/{kind}" for kind in ["identify", "track", "page", "screen", "group", "alias", "batch", "import"]
)
_SENSORS: Final = frozenset({"/sa", "/sa.gif"})
_OPEN: Final = _INGEST | _SENSORS
"""What browsers may call from any site."""
_ROUTES: Final = _OPEN | {"/healthz", "/readyz", "/metrics"}
_PREFIXES: Final = (
    *("/v1/ops/touches", "/v1/ops/directives", "/v1/ops/consents", "/v1/journeys", "/v1/customers"),
    *("/callbacks", "/t/c", "/t/o", "/t/u", "/t/y", "/t/p"),
)
_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "authorization, content-type, content-encoding",
    "Access-Control-Max-Age": "86400",
}


class Guard:
    """ASGI middleware. Browsers may post to the ingest paths from any site: the write key says who they are."""

    def __init__(self, app: ASGIApp, gateway: Gateway) -> None:
        self.app, self.gateway = app, gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; answer CORS preflights of the ingest paths here."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path: str = scope["path"]
        started = self.gateway.clock.now()
        status = 500

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _ALWAYS.items():
                    headers.setdefault(name, value)
                if path in _OPEN:
                    headers["Access-Control-Allow-Origin"] = "*"
                    headers["Access-Control-Expose-Headers"] = "Retry-After"
            await send(message)

        try:
            if scope["method"] == "OPTIONS" and path in _OPEN:
                await _preflight(send_guarded)
            else:
                await self.app(scope, receive, send_guarded)
        finally:
            route = _route(path)
            telemetry = self.gateway.telemetry
            telemetry.count("journeyd_http_requests_total", route=route, status=str(status))
            telemetry.observe("journeyd_http_seconds", (self.gateway.clock.now() - started) / SECOND, route=route)


async def _preflight(send: Send) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in _PREFLIGHT.items()]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _route(path: str) -> str:
    """Return the route's label: few values whatever is asked for."""
    if path in _ROUTES:
        return path
    return next((prefix for prefix in _PREFIXES if path.startswith(prefix)), "other")

"""What providers call: /callbacks/{channel}/{provider}/{secret}. The adapter reads, the log keeps, then we answer.

The path's last part is unguessable; the adapter verifies signatures where the provider makes them. Nothing is worked
off here: entries are durable before the answer, the engine applies them.
"""

import hmac
import inspect
from collections.abc import Mapping

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from engine.core.errors import BadInput
from engine.http.body import read_body
from engine.http.gateway import Callback, Gateway
from engine.http.problems import Problem, refuse_input
from engine.http.segment import stamp
from engine.http.settings import WIRE_LIMIT, HttpSettings

_log = structlog.get_logger("http")


class Callbacks:
    """The callback endpoint; adapters are found by "channel/provider"."""

    def __init__(self, gateway: Gateway, settings: HttpSettings, callbacks: Mapping[str, Callback]) -> None:
        self.gateway, self.settings, self.callbacks = gateway, settings, callbacks

    def routes(self) -> list[BaseRoute]:
        """Return the callback route; a GET is how some providers check that the address is ours."""
        return [Route("/callbacks/{channel}/{provider}/{secret}", self.call, methods=["GET", "POST"])]

    async def call(self, request: Request) -> Response:
        """Let the adapter read the call, log what it says, answer what it wants answered."""
        adapter, name = self._find(request)
        body = await read_body(request, limit=WIRE_LIMIT, seconds=self.settings.body_timeout)
        headers = {key.lower(): value for key, value in request.headers.items()}
        try:
            reply = adapter(request.method, dict(request.query_params), headers, body, self.gateway.clock.now())
            status, kind, content, entries = await reply if inspect.isawaitable(reply) else reply
        except (BadInput, ValueError, LookupError, msgspec.MsgspecError) as error:
            channel, _, provider = name.partition("/")
            _log.warning("callback_refused", channel=channel, provider=provider, exc_info=error)
            if isinstance(error, BadInput):
                raise refuse_input(error, code="bad_callback") from None
            raise Problem(
                400, "bad_callback", "The callback cannot be read", remedy="Check the provider's form"
            ) from None
        if entries:
            await self.gateway.accept(stamp(entries))
            self.gateway.telemetry.count("journeyd_entries_accepted_total", len(entries), source=f"callback:{name}")
        return Response(content, status, media_type=kind)

    def _find(self, request: Request) -> tuple[Callback, str]:
        """Return the adapter; a wrong secret and an unknown provider are the same 404."""
        name = f"{request.path_params['channel']}/{request.path_params['provider']}"
        secret = self.settings.callback_secrets.get(name, "")
        given = request.path_params["secret"].encode("utf-8", "replace")
        adapter = self.callbacks.get(name)
        if not hmac.compare_digest(secret.encode(), given) or not secret or adapter is None:
            remedy = "Copy the address from `journeyd callbacks`"
            raise Problem(404, "not_found", "No callback lives here", remedy=remedy)
        return adapter, name

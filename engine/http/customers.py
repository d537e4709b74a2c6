"""GET /v1/customers/{id}: what other channels may know of one customer, with a key of their own.

Whoever is not found, was erased, or is named in a way that cannot be, gets the same 404: the answers do not tell who is
known. Every look takes from the key's bucket, so that nobody reads the customers one after the other at speed.
"""

from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from engine.http.auth import find_reader
from engine.http.gateway import Gateway
from engine.http.limiter import Turnstile
from engine.http.problems import Problem
from engine.http.segment import Ingest
from engine.http.settings import Reader
from engine.http.who import NAME_LIMIT

_STRANGER_RATE: Final = 1.0
_STRANGER_BURST: Final = 20.0


class Customers:
    """The endpoint. It shares the ingest's gateway, settings and spelling of identifiers; its turnstile is its own."""

    def __init__(self, ingest: Ingest) -> None:
        self.ingest = ingest
        self.gateway: Gateway = ingest.gateway
        self.turnstile = Turnstile("key", rate=_STRANGER_RATE, burst=_STRANGER_BURST)

    def routes(self) -> list[BaseRoute]:
        """Return the route."""
        return [Route("/v1/customers/{asked:path}", self.show, methods=["GET"])]

    async def show(self, request: Request) -> Response:
        """Answer the card of one customer."""
        reader = self._admit(request)
        name = self._name(request.path_params["asked"])
        card = await self.gateway.card(name, reader.traits) if name else None
        if card is None:
            raise Problem(
                404, "unknown_customer", "Nobody is known by that name", remedy="Ask for a OneID or kind:value"
            )
        return Response(msgspec.json.encode(card), media_type="application/json")

    def _admit(self, request: Request) -> Reader:
        """Return whose key it is; raises `Problem` 401 for a strange one, 429 for one that asks too fast."""
        reader = find_reader(self.ingest.settings.readers, request)
        self.turnstile.admit(request, reader, self.gateway.clock.now())
        if reader is None:
            problem = Problem(
                401, "unknown_read_key", "The read key is missing or unknown", remedy="Send a key of read_keys"
            )
            problem.headers["WWW-Authenticate"] = 'Bearer realm="journeyd"'
            raise problem
        return reader

    def _name(self, asked: str) -> str:
        """Return the OneID or "kind:value" in normal form; "" for what can name nobody."""
        if len(asked) > NAME_LIMIT:
            return ""
        kind, colon, value = asked.partition(":")
        if not colon:
            return asked
        normal = self.ingest.naming().normal(kind, value)
        return f"{kind}:{normal}" if normal else ""

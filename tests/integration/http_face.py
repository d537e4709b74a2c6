"""The HTTP face round a gateway in memory, asked without a socket: for tests of its routes."""

import httpx

from engine.core.ids import SECOND
from engine.http.app import make_app
from engine.http.memory import MemoryGateway
from engine.http.settings import HttpSettings
from engine.runtime.clock import mint_id
from engine.tracking.links import SignedLinks
from engine.tracking.tokens import Key, KeyRing

NOW = 1_767_225_600 * SECOND  # 2026-01-01T00:00Z


def client_of(gateway: MemoryGateway, settings: HttpSettings) -> httpx.AsyncClient:
    """Return a client of the face; use it as a context."""
    links = SignedLinks("https://go.brand.example", KeyRing([Key(1, b"0123456789abcdef")]))
    app = make_app(gateway, settings, links=links, mint=mint_id)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")

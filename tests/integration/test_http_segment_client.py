"""The official Segment client for Python, unchanged, against a live server."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import uvicorn
from segment.analytics.client import Client

from engine.core.events import Event
from engine.http.app import make_app
from engine.http.auth import hash_key
from engine.http.memory import MemoryGateway
from engine.http.settings import HttpSettings, Source
from engine.runtime.clock import SystemClock, mint_id
from engine.tracking.links import SignedLinks
from engine.tracking.tokens import Key, KeyRing


@asynccontextmanager
async def serve(gateway: MemoryGateway) -> AsyncIterator[str]:
    settings = HttpSettings(sources=(Source(name="shop", key_hash=hash_key("server-key")),))
    links = SignedLinks("https://go.brand.example", KeyRing([Key(1, b"0123456789abcdef")]))
    app = make_app(gateway, settings, links=links, mint=mint_id)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
        task = asyncio.create_task(server.serve([listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


def send_all(host: str, key: str, *, packed: bool) -> list[Exception]:
    errors: list[Exception] = []
    client = Client(key, host=host, gzip=packed, max_retries=0, on_error=lambda error, _batch: errors.append(error))
    long_ago = datetime(2025, 3, 1, 9, 30, tzinfo=UTC)
    client.identify("u1", {"email": "Mei@Brand.Example", "phone": "13800138000"})
    client.track("u1", "Order Paid", {"total": 29.9, "items": [{"sku": "a", "n": 2}]}, timestamp=long_ago)
    client.page("u1", "shop", "Cart", {"url": "https://shop.example/cart"})
    client.screen("u1", "shop", "Home")
    client.group("u1", "acme", {"plan": "pro"})
    client.alias("a1", "u1")
    for n in range(300):
        client.track(anonymous_id=f"a{n}", event="product_viewed")
    client.flush()
    client.join()
    return errors


async def test_the_official_client_works_unchanged() -> None:
    for packed in (False, True):
        gateway = MemoryGateway(SystemClock())
        async with serve(gateway) as host:
            assert await asyncio.to_thread(send_all, host, "server-key", packed=packed) == []
        events = [entry for entry in gateway.entries if isinstance(entry, Event)]
        assert len(events) == 306
        assert len({event.id for event in events}) == 306
        named = {event.name: event for event in events}
        assert set(named) == {
            *("identified", "order_paid", "page_viewed", "screen_viewed", "account_joined", "aliased"),
            "product_viewed",
        }
        assert named["identified"].identifiers["email"] == "mei@brand.example"
        assert named["order_paid"].at == int(datetime(2025, 3, 1, 9, 30, tzinfo=UTC).timestamp() * 1e6)


async def test_the_official_client_hears_what_was_wrong() -> None:
    gateway = MemoryGateway(SystemClock())
    async with serve(gateway) as host:
        errors: list[Any] = await asyncio.to_thread(send_all, host, "wrong-key", packed=False)
    assert {(error.status, error.code) for error in errors} == {(401, "unknown_key")}
    assert gateway.entries == []

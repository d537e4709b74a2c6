"""The HTTP port: uvicorn's protocol on a socket of our own, so that a connection can be closed without an answer.

Uvicorn's `Server` is not used: it takes the process's signals and polls, and the sandbox is often a guest in a loop.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.server import ServerState

Handler: TypeAlias = Callable[[Request], Awaitable[Response | None]]


class HttpHost:
    """The listening side of one ASGI app."""

    def __init__(self) -> None:
        self._state = ServerState()
        self._server: asyncio.Server | None = None

    async def start(self, app: ASGIApp, host: str, port: int) -> int:
        """Listen, and return the port."""
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            log_level=logging.CRITICAL,
            access_log=False,
            timeout_keep_alive=75,
        )
        config.load()
        protocol: Callable[..., asyncio.Protocol] = AutoHTTPProtocol
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._server = await asyncio.get_running_loop().create_server(
            lambda: protocol(config=config, server_state=self._state, app_state={}),
            sock=socket.create_server((host, port), family=family),
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and close every connection; idempotent."""
        if self._server is None:
            return
        self._server.close()
        tasks = list(self._state.tasks)
        for connection in list(self._state.connections):
            connection.transport.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    def exchange(self, handle: Handler) -> ASGIApp:
        """Make an app of a vendor's handler: an answer of None closes the connection without a word."""
        return _Exchange(handle, self._hang_up)

    def _hang_up(self, client: tuple[str, int]) -> None:
        for connection in list(self._state.connections):
            if getattr(connection, "client", None) == client:
                connection.transport.close()


class _Exchange:
    """A class, because Starlette takes a plain function for a handler that returns its answer."""

    def __init__(self, handle: Handler, hang_up: Callable[[tuple[str, int]], None]) -> None:
        self._handle, self._hang_up = handle, hang_up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._handle(Request(scope, receive))
        if answer is not None:
            await answer(scope, receive, send)
            return
        self._hang_up(tuple(scope["client"]))
        while (await receive())["type"] != "http.disconnect":
            continue

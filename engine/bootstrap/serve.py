"""`journeyd run`: the embedded system and its port, until a signal or a failure ends it."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

import msgspec
import structlog
import uvicorn
import uvloop
from starlette.applications import Starlette

from channels.sandbox.server import Sandbox
from channels.sandbox.settings import Receipts
from engine.bootstrap.failpoints import arm
from engine.bootstrap.providers import callbacks_of, sandbox_settings
from engine.bootstrap.storage import on_ledger
from engine.bootstrap.system import embedded, links_of
from engine.bootstrap.workspace import Workspace
from engine.core.errors import BadSetting
from engine.http.app import make_app
from engine.http.auth import hash_key
from engine.http.gateway import Gateway
from engine.http.settings import HttpSettings, Reader, Source
from engine.ports import Clock
from engine.runtime.clock import SystemClock, mint_id
from engine.runtime.collector import calm

BACKLOG_LIMIT = 1_000
"""Connections served at once; uvicorn answers 503 beyond it."""


def serve(workspace: Workspace, *, on_ready: Callable[[str], None]) -> int:
    """Run the daemon until SIGTERM or SIGINT; return 0, or 1 when the engine failed. `on_ready` gets the address."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(workspace, on_ready))


async def _serve(workspace: Workspace, on_ready: Callable[[str], None]) -> int:
    clock = SystemClock()
    files = workspace.files()
    async with AsyncExitStack() as stack:
        stack.callback(files.close)
        listener = listen(workspace)
        stack.callback(listener.close)
        await start_sandbox(workspace, clock, stack)
        system = embedded(workspace, files, clock)
        trip = arm(os.environ)
        system.arm(trip)
        on_ledger(files.store, lambda: trip("erase.ledger"))
        await system.start()
        calm()
        stack.push_async_callback(system.stop)
        await until_told(make_face(workspace, system), listener, [system.failed], on_ready)
        structlog.get_logger("daemon").info("daemon_stopped")
        return 1 if system.failed.is_set() else 0


def make_face(workspace: Workspace, gateway: Gateway) -> Starlette:
    """Return the application of the workspace's port."""
    return make_app(
        gateway, http_settings(workspace), links=links_of(workspace), mint=mint_id, callbacks=callbacks_of(workspace)
    )


async def start_sandbox(workspace: Workspace, clock: Clock, stack: AsyncExitStack, *, receipts: bool = True) -> bool:
    """Start the sandbox when it is enabled and nobody listens on its ports yet; say whether it was started."""
    said = workspace.settings.sandbox
    if not said.enabled:
        return False
    if _is_taken(said.host, said.smtp_port):
        structlog.get_logger("daemon").warning("sandbox_shared", host=said.host, port=said.smtp_port)
        return False
    settings = sandbox_settings(workspace)
    if not receipts:
        settings = msgspec.structs.replace(settings, receipts=Receipts())
    sandbox = Sandbox(settings, clock.now)
    await sandbox.start()
    stack.push_async_callback(sandbox.stop)
    return True


def http_settings(workspace: Workspace) -> HttpSettings:
    """Return the HTTP face's dials."""
    settings = workspace.settings
    return HttpSettings(
        sources=tuple(
            Source(
                name=said.name,
                key_hash=hash_key(said.key.reveal()),
                scope=said.scope,
                rate=said.rate,
                burst=said.burst,
            )
            for said in settings.write_keys
        ),
        readers=tuple(
            Reader(
                name=said.name,
                key_hash=hash_key(said.key.reveal()),
                traits=said.traits,
                rate=said.rate,
                burst=said.burst,
            )
            for said in settings.read_keys
        ),
        ops_key_hash="" if settings.ops_key is None else hash_key(settings.ops_key.reveal()),
        callback_secrets={name: workspace.callback_secret(name) for name in callbacks_of(workspace)},
        region=settings.default_region,
        brand=settings.brand,
    )


async def until_told(
    app: Starlette, listener: socket.socket, failing: Sequence[asyncio.Event], on_ready: Callable[[str], None]
) -> None:
    """Serve the application until a signal comes, or one of the events that say that something has failed."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=BACKLOG_LIMIT,
        timeout_graceful_shutdown=5,
        lifespan="on",
    )
    server = uvicorn.Server(config)
    # Before uvicorn listens to signals itself they are heard here; it raises one again when it has stopped, in vain.
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, setattr, server, "should_exit", True)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    failures = [asyncio.create_task(failed.wait()) for failed in failing]
    host, port = listener.getsockname()[:2]
    structlog.get_logger("daemon").info("daemon_started", port=port)
    on_ready(f"http://{host}:{port}")
    await asyncio.wait({serving, *failures}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    for failure in failures:
        failure.cancel()


def listen(workspace: Workspace, port: int | None = None) -> socket.socket:
    """Return the socket of the workspace's port, or of another one; raises `BadSetting` when it cannot be had."""
    server = workspace.settings.server
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    wanted = server.port if port is None else port
    try:
        listener.bind((server.host, wanted))
    except OSError as problem:
        listener.close()
        where = f"{server.host}:{wanted}"
        raise BadSetting(f"cannot listen on {where}: {problem.strerror}. Set server.port to a free one") from None
    return listener


def _is_taken(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0

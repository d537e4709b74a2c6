"""The sandbox put together: one SMTP port, one HTTP port with Aliyun at `POST /` and WeChat at `/cgi-bin/...`.

`Sandbox` runs inside somebody's loop (tests, the demo); `run_sandbox` is a process of its own until it is told to stop.
"""

import asyncio
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from channels.sandbox import aliyun, wechatpush
from channels.sandbox.aliyun import AliyunSms
from channels.sandbox.control import Control
from channels.sandbox.dials import Dials
from channels.sandbox.receipts import Courier
from channels.sandbox.record import Recorder
from channels.sandbox.settings import SandboxSettings
from channels.sandbox.smtp import SmtpHost
from channels.sandbox.wechat import WechatAccountServer
from channels.sandbox.wechatpush import Packer
from engine.core.errors import BadSetting
from engine.core.ids import Micros

_Handler: TypeAlias = Callable[[Request], Awaitable[Response | None]]


class Address(msgspec.Struct, frozen=True):
    """Where a started sandbox listens."""

    host: str
    smtp_port: int
    http_port: int

    @property
    def url(self) -> str:
        """Return the base URL for the HTTP adapters and the inbox."""
        return f"http://{self.host}:{self.http_port}"


class Sandbox:
    """The providers of one record. `dials` may be turned at any time; `address` is known once started."""

    def __init__(self, settings: SandboxSettings, now: Callable[[], Micros]) -> None:
        self.settings = settings
        self.dials = Dials()
        self.recorder = Recorder(settings, now)
        self.address = Address(settings.host, settings.smtp_port, settings.http_port)
        self._now = now
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> Address:
        """Open the record and both ports, and return where they are."""
        settings = self.settings
        self.recorder.open()
        self.couriers = {
            "aliyun": Courier(aliyun.MANNERS, settings.receipts, aliyun.pack_reports, aliyun.is_taken),
            "wechat": Courier(
                wechatpush.MANNERS, settings.receipts, Packer(settings.wechat, self._now).pack, wechatpush.is_taken
            ),
        }
        self._sms = AliyunSms(settings.aliyun, self.dials, self.recorder, self.couriers["aliyun"], self._now)
        self.wechat = WechatAccountServer(
            settings.wechat, self.dials, self.recorder, self.couriers["wechat"], self._now
        )
        self.wechat.recall()
        self._smtp = SmtpHost(settings.smtp, self.dials, self.recorder, self._now)
        try:
            smtp_port = await self._smtp.start(settings.host, settings.smtp_port)
            listening = _listen(settings.host, settings.http_port)
        except OSError as taken:
            await self._close()
            wanted = f"{settings.host} ports {settings.smtp_port} (SMTP) and {settings.http_port} (HTTP)"
            raise BadSetting(f"cannot listen on {wanted}: {taken}. Stop what uses them, or choose others") from taken
        self._http = _Server(_config(self._app()))
        self._serving = asyncio.get_running_loop().create_task(self._http.serve([listening]))
        self.address = Address(settings.host, smtp_port, listening.getsockname()[1])
        return self.address

    async def settled(self) -> None:
        """Wait until no receipt is waiting or being posted."""
        for courier in self.couriers.values():
            await courier.settled()

    async def stop(self) -> None:
        """Close both ports, drop receipts under way, finish the record; idempotent."""
        if self._serving is None:
            return
        self._http.should_exit = True
        await self._serving
        self._serving = None
        await self._close()

    async def _close(self) -> None:
        await self._smtp.stop()
        for courier in self.couriers.values():
            await courier.stop()
        await self.recorder.close()

    def _app(self) -> Starlette:
        wechat = self.wechat
        vendor = [
            ("/", self._sms.handle, ["POST"]),
            ("/cgi-bin/token", wechat.token, ["GET"]),
            ("/cgi-bin/stable_token", wechat.stable_token, ["POST"]),
            ("/cgi-bin/message/template/send", wechat.template, ["POST"]),
            ("/cgi-bin/message/custom/send", wechat.custom, ["POST"]),
        ]
        routes = [Route(path, _Exchange(handle, self._hang_up), methods=methods) for path, handle, methods in vendor]
        control = Control(self.recorder, self.dials, self.couriers, wechat)
        return Starlette(routes=routes + control.routes())

    def _hang_up(self, client: tuple[str, int]) -> None:
        for connection in list(self._http.server_state.connections):
            if getattr(connection, "client", None) == client:
                connection.transport.close()


class _Exchange:
    """A vendor's path as an ASGI app: an answer of None closes the connection without a word."""

    def __init__(self, handle: _Handler, hang_up: Callable[[tuple[str, int]], None]) -> None:
        self._handle, self._hang_up = handle, hang_up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._handle(Request(scope, receive))
        if answer is not None:
            await answer(scope, receive, send)
            return
        self._hang_up(tuple(scope["client"]))
        while (await receive())["type"] != "http.disconnect":
            continue


class _Server(uvicorn.Server):
    """Uvicorn that leaves the process's signals alone: the sandbox is often a guest in the loop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing."""
        yield


def _config(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        log_level=logging.CRITICAL,
        access_log=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
        server_header=False,
    )


def _listen(host: str, port: int) -> socket.socket:
    listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setblocking(False)
    return listening


def run_sandbox(settings: SandboxSettings, now: Callable[[], Micros], started: Callable[[Address], None]) -> None:
    """Run until SIGINT or SIGTERM; `started` is told the address once both ports are open."""
    with asyncio.Runner(loop_factory=_fastest_loop()) as runner:
        runner.run(_until_told(settings, now, started))


def _fastest_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:  # not made for every platform; the standard loop serves as well
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _until_told(settings: SandboxSettings, now: Callable[[], Micros], started: Callable[[Address], None]) -> None:
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    sandbox = Sandbox(settings, now)
    started(await sandbox.start())
    await told.wait()
    await sandbox.stop()

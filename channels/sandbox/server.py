"""The sandbox put together: one SMTP port, and one HTTP port with Aliyun at `POST /`, WeChat and WeCom at
`/cgi-bin/...`, push at `/v1/projects/...` and a receiver of webhooks at `/hooks/...`.

`Sandbox` runs inside somebody's loop (tests, the demo); `run_sandbox` is a process of its own until it is told to stop.
"""

import asyncio
import signal
from collections.abc import Callable

import httpx
import msgspec
from starlette.applications import Starlette
from starlette.routing import Route

from channels.sandbox import aliyun, bounces, wechatpush
from channels.sandbox.aliyun import AliyunSms
from channels.sandbox.bounces import PostOffice
from channels.sandbox.control import Control
from channels.sandbox.dials import Dials
from channels.sandbox.fcm import FcmServer
from channels.sandbox.httphost import HttpHost
from channels.sandbox.receipts import Courier
from channels.sandbox.record import Recorder
from channels.sandbox.settings import SandboxSettings
from channels.sandbox.smsup import Phones, pack_replies
from channels.sandbox.smtp import SmtpHost
from channels.sandbox.webhooks import WebhookReceiver
from channels.sandbox.wechat import WechatAccountServer
from channels.sandbox.wechatpush import Packer
from channels.sandbox.wecom import WecomServer
from engine.core.errors import BadSetting
from engine.core.ids import Micros


class Address(msgspec.Struct, frozen=True):
    """Where a started sandbox listens."""

    host: str
    smtp_port: int
    http_port: int

    @property
    def url(self) -> str:
        """Return the base URL for the HTTP adapters and the inbox."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.http_port}"


class Sandbox:
    """The providers of one record; `now` is the clock of all of them.

    `dials` may be turned at any time; `address`, `couriers`, `wechat`, `wecom` and `fcm` are there once started.
    """

    def __init__(self, settings: SandboxSettings, now: Callable[[], Micros]) -> None:
        self.settings = settings
        self.dials = Dials()
        self.recorder = Recorder(settings, now)
        self.address = Address(settings.host, settings.smtp_port, settings.http_port)
        self.couriers: dict[str, Courier] = {}
        self._client: httpx.AsyncClient | None = None
        self._smtp = SmtpHost(settings.smtp, self.dials, self.recorder, now)
        self._http = HttpHost()
        self._now = now

    async def start(self) -> Address:
        """Open the record and both ports, and return where they are. Raises `BadSetting` when a port is taken."""
        settings = self.settings
        self.recorder.open()
        push = Packer(settings.wechat, self._now).pack
        client = self._client = httpx.AsyncClient(trust_env=False, limits=httpx.Limits(max_connections=16))
        self.couriers = {
            "aliyun": Courier(aliyun.MANNERS, settings.receipts, aliyun.pack_reports, aliyun.is_taken, client),
            "aliyun-replies": Courier(aliyun.MANNERS, settings.receipts, pack_replies, aliyun.is_taken, client),
            "email": Courier(bounces.MANNERS, settings.receipts, bounces.pack_report, bounces.is_taken, client),
            "wechat": Courier(wechatpush.MANNERS, settings.receipts, push, wechatpush.is_taken, client),
        }
        self.wechat = WechatAccountServer(
            settings.wechat, self.dials, self.recorder, self.couriers["wechat"], self._now
        )
        self.wechat.recall()
        self.wecom = WecomServer(settings.wecom, self.dials, self.recorder, self._now)
        self.wecom.recall()
        self.fcm = FcmServer(settings.fcm, self.dials, self.recorder, self._now)
        self._hooks = WebhookReceiver(settings.webhook, self.dials, self.recorder, self._now)
        self._hooks.recall()
        try:
            office = PostOffice(self.couriers["email"], self._now)
            smtp_port = await self._smtp.start(settings.host, settings.smtp_port, office)
            http_port = await self._http.start(self._app(), settings.host, settings.http_port)
        except OSError as taken:
            await self.stop()
            wanted = f"{settings.host} ports {settings.smtp_port} (SMTP) and {settings.http_port} (HTTP)"
            raise BadSetting(f"cannot listen on {wanted}: {taken}. Stop what uses them, or choose others") from taken
        self.address = Address(settings.host, smtp_port, http_port)
        return self.address

    async def settled(self) -> None:
        """Wait until no receipt is waiting or being posted."""
        for courier in self.couriers.values():
            await courier.settled()

    async def stop(self) -> None:
        """Close both ports, drop receipts under way, finish the record; idempotent."""
        await self._smtp.stop()
        await self._http.stop()
        for courier in self.couriers.values():
            await courier.stop()
        if self._client is not None:
            await self._client.aclose()
        await self.recorder.close()

    def _app(self) -> Starlette:
        sms = AliyunSms(self.settings.aliyun, self.dials, self.recorder, self.couriers["aliyun"], self._now)
        wechat, wecom, fcm = self.wechat, self.wecom, self.fcm
        vendors = [
            ("/", sms.handle, ["POST"]),
            ("/cgi-bin/token", wechat.token, ["GET"]),
            ("/cgi-bin/stable_token", wechat.stable_token, ["POST"]),
            ("/cgi-bin/message/template/send", wechat.template, ["POST"]),
            ("/cgi-bin/message/custom/send", wechat.custom, ["POST"]),
            ("/cgi-bin/gettoken", wecom.token, ["GET"]),
            ("/cgi-bin/message/send", wecom.message, ["POST"]),
            ("/cgi-bin/externalcontact/add_msg_template", wecom.template, ["POST"]),
            ("/hooks/{name:path}", self._hooks.handle, ["POST"]),
            ("/token", fcm.token, ["POST"]),
            ("/v1/projects/{project}/messages:send", fcm.send, ["POST"]),
        ]
        routes = [Route(path, self._http.exchange(handle), methods=methods) for path, handle, methods in vendors]
        phones = Phones(self.couriers["aliyun-replies"], self._now)
        control = Control(self.recorder, self.dials, self.couriers, wechat, phones)
        return Starlette(routes=routes + control.routes())


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

"""The webhook channel: one signed POST per touch, to an address that the guard lets through.

The touch's id is `webhook-id` on every attempt, so that a receiver can drop repeats: a doubtful hand-over is sent again
with the same bytes. Redirects are not followed, answers are read a little and no further.
"""

import asyncio
import re
import ssl
from typing import Final

import httpcore
import msgspec

from channels import content as contents
from channels.connection import CLOSED
from channels.content import WebhookContent
from channels.webhook import guard
from channels.webhook.answers import ANSWER_LIMIT, read
from channels.webhook.guard import Forbidden, GuardedNetwork
from channels.webhook.settings import WebhookSettings
from channels.webhook.signing import key_of, sign
from engine.core.delivery import Retry
from engine.core.ids import DAY, SECOND, Micros
from engine.ports import Clock, Message, NotSent, Result, Unclear

_SAYING: Final = 2.0  # seconds for the words after the status
_NEVER_LEFT: Final = (
    httpcore.ConnectError,
    httpcore.ConnectTimeout,
    httpcore.PoolTimeout,
    httpcore.UnsupportedProtocol,
    httpcore.LocalProtocolError,
)


class Webhooks:
    """The webhook channel. `clock` dates signatures, `lookup` finds the addresses of names.

    `key_window`: receivers that keep Standard Webhooks drop repeats of an id; senders are expected to try for days.
    """

    provider: str = "webhook"
    channel: str = "webhook"
    key_window: Micros = 3 * DAY

    def __init__(self, settings: WebhookSettings, clock: Clock, lookup: guard.Resolve = guard.resolve) -> None:
        self._settings, self._clock, self._lookup = settings, clock, lookup
        self._keys = [key_of(secret) for secret in settings.secrets]
        self._pool: httpcore.AsyncConnectionPool | None = None

    async def open(self) -> None:
        """Make the connection pool; proxies of the environment are never asked."""
        if self._pool is None:
            self._pool = httpcore.AsyncConnectionPool(
                ssl_context=ssl.create_default_context(),
                max_connections=self._settings.connections,
                keepalive_expiry=10,
                network_backend=GuardedNetwork(self._settings.allow, self._lookup),
            )

    async def close(self) -> None:
        """Release the connections."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.aclose()

    async def send(self, message: Message) -> Result:
        """Post the message; never raises for what the receiver or its network does."""
        pool = self._pool
        if pool is None:
            return CLOSED
        try:
            content = contents.decode(message.content, WebhookContent)
            target = guard.check_url(diverted(content.url, self._settings.divert), self._settings.allow)
        except msgspec.MsgspecError as problem:
            return NotSent(Retry.CONTENT, str(problem), "bad_content")
        except Forbidden as problem:
            return NotSent(Retry.CONTENT, str(problem), "forbidden")
        try:
            async with asyncio.timeout(self._settings.timeout):
                return await self._post(pool, target.url, content.body, message)
        except Forbidden as problem:
            return NotSent(Retry.CONTENT, str(problem), "forbidden")
        except _NEVER_LEFT as failed:
            return NotSent(Retry.TRANSIENT, f"{type(failed).__name__}: {failed}"[:300], "connect")
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as failed:
            return Unclear(f"{type(failed).__name__}")
        except TimeoutError:
            return Unclear(f"no answer within {self._settings.timeout:g} s")

    async def _post(self, pool: httpcore.AsyncConnectionPool, url: str, body: bytes, message: Message) -> Result:
        stamp = self._clock.now() // SECOND
        headers: dict[bytes | str, bytes | str] = {
            "content-type": "application/json",
            "user-agent": "journeyd",
            "webhook-id": message.key,
            "webhook-timestamp": str(stamp),
            "webhook-signature": sign(self._keys, message.key, stamp, body),
        }
        limits = self._settings
        times = {"connect": limits.connect_timeout, "read": limits.timeout, "write": limits.timeout}
        extensions = {"timeout": {**times, "pool": limits.timeout}}
        async with pool.stream("POST", url, headers=headers, content=body, extensions=extensions) as response:
            said = await _beginning(response)
            return read(response.status, response.headers, said, self._clock.now())


async def _beginning(response: httpcore.Response) -> bytes:
    """Return the start of what the receiver says; its status is known by then, so what goes wrong here is no matter.

    Leaving the stream early closes the connection: nobody can feed us for ever.
    """
    said = b""
    try:
        async with asyncio.timeout(_SAYING):
            async for part in response.aiter_stream():
                said += part
                if len(said) >= ANSWER_LIMIT:
                    break
    except (TimeoutError, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        pass
    return said[:ANSWER_LIMIT]


def diverted(url: str, base: str) -> str:
    """Return where a webhook goes when all go to `base`; the URL itself when none do, or when it is there already.

    >>> diverted("https://crm.example/hooks?a=1", "http://127.0.0.1:8028/hooks")
    'http://127.0.0.1:8028/hooks/crm.example/hooks?a=1'
    """
    if not base or url.startswith(base + "/"):
        return url
    rest = re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*://", "", url)
    return f"{base}/{rest}"

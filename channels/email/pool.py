"""SMTP connections, each doing one transaction at a time: N at most, reused, recycled, dropped when in doubt.

A connection whose dialogue may be out of step (cancelled, timed out, odd reply) is never reused: the next message
would be paired with the wrong reply. Only `smtp.py` calls this.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import Final

import aiosmtplib

from channels.email.settings import SmtpSettings

_QUIT_TIMEOUT: Final = 2.0


class Connection:
    """One client and how many messages it has carried. `usable` is set only by a transaction that ended cleanly."""

    __slots__ = ("carried", "client", "usable")

    def __init__(self, client: aiosmtplib.SMTP) -> None:
        self.client, self.carried, self.usable = client, 0, False

    @property
    def is_fresh(self) -> bool:
        """Has it carried nothing yet? A used one may have been closed by the server while it idled."""
        return self.carried == 0


class Pool:
    """At most `settings.connections` connections; the most recently used one is taken first."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._idle: list[Connection] = []
        self._slots = asyncio.Semaphore(settings.connections)
        self._tls: ssl.SSLContext | None = None

    async def open(self) -> None:
        """Build the one TLS context that all connections share (building it per connection costs 20 ms each)."""
        if self._settings.tls != "none" and self._tls is None:
            self._tls = await asyncio.to_thread(ssl.create_default_context, cafile=self._settings.ca_file or None)

    @contextlib.asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold one of the N places while a message is handed over."""
        async with self._slots:
            yield

    async def take(self, *, fresh: bool = False) -> Connection:
        """Return an idle connection, or a new one; raises what connecting raises. Call it inside a `slot`."""
        while self._idle and not fresh:
            connection = self._idle.pop()
            if connection.client.is_connected:
                connection.usable = False
                return connection
        return Connection(await self._connect())

    async def give_back(self, connection: Connection) -> None:
        """Keep the connection if its last transaction ended cleanly; else, or when it is worn out, close it."""
        connection.carried += 1
        if not connection.usable or not connection.client.is_connected:
            connection.client.close()
        elif connection.carried >= self._settings.recycle_after:
            await _quit(connection.client)
        else:
            self._idle.append(connection)

    async def close(self) -> None:
        """Wait for the transactions in flight (each is bounded), then say goodbye on every idle connection."""
        for _ in range(self._settings.connections):
            await self._slots.acquire()
        idle, self._idle = self._idle, []
        await asyncio.gather(*(_quit(connection.client) for connection in idle))
        for _ in range(self._settings.connections):
            self._slots.release()

    async def _connect(self) -> aiosmtplib.SMTP:
        settings = self._settings
        client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            username=settings.username or None,
            password=settings.password.reveal() if settings.username else None,
            local_hostname=settings.local_hostname,  # else the library asks DNS for our name, which can stall
            timeout=settings.timeout,
            use_tls=settings.tls == "tls",
            start_tls=settings.tls == "starttls",  # never None: that silently stays in plain text
            tls_context=self._tls,
        )
        try:
            async with asyncio.timeout(settings.connect_timeout):
                await client.connect()
                if client.is_ehlo_or_helo_needed:
                    await client.ehlo()
        except BaseException:
            client.close()
            raise
        return client


async def _quit(client: aiosmtplib.SMTP) -> None:
    with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
        await client.quit(timeout=_QUIT_TIMEOUT)
    client.close()

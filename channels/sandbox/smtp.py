"""The mail provider: a small, fast SMTP server that records and relays nothing.

`server.Sandbox` starts one `SmtpHost`; the dialogue with each client is in `smtpdialogue`.
"""

import asyncio
import ssl
from collections.abc import Callable

from channels.sandbox.bounces import PostOffice
from channels.sandbox.dials import Dials
from channels.sandbox.record import Recorder
from channels.sandbox.settings import SmtpAccount
from channels.sandbox.smtpdialogue import Shared, SmtpConnection
from engine.core.ids import Micros


class SmtpHost:
    """The listening side."""

    def __init__(self, account: SmtpAccount, dials: Dials, recorder: Recorder, now: Callable[[], Micros]) -> None:
        self._shared = Shared(account, dials, recorder, _tls(account), now())
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int, office: PostOffice) -> int:
        """Listen, and return the port; `office` sends back what comes back by mail."""
        self._shared.office = office
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: SmtpConnection(self._shared), host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and close every connection; idempotent."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._shared.connections):
            connection.abort()
        for task in list(self._shared.tasks):
            task.cancel()
        await self._server.wait_closed()
        self._server = None


def _tls(account: SmtpAccount) -> ssl.SSLContext | None:
    if not (account.tls_certificate and account.tls_key):
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(account.tls_certificate, account.tls_key)
    return context

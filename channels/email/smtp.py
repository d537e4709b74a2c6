"""Email over SMTP: hands one message over and says exactly what is known of it afterwards.

SMTP collapses nothing, so `key_window` is 0. The line that matters is the first byte of the body: before it, whatever
happens means certainly not sent; after it, only a reply counts and silence is `Unclear`.
"""

import asyncio
import re
import ssl
from typing import Final

import aiosmtplib
import msgspec

from channels import content as contents
from channels.email import dkim
from channels.email.address import address, mailbox
from channels.email.message import assemble
from channels.email.pool import Connection, Pool
from channels.email.replies import judge
from channels.email.settings import SmtpSettings
from channels.email.verp import bounce_address, message_id
from engine.core.delivery import Retry
from engine.core.errors import BadInput
from engine.core.ids import Micros
from engine.ports import Message, NotSent, Result, Sent, Unclear

_DOT_AT_LINE_START: Final = re.compile(rb"(?m)^\.")
_DETAIL: Final = 300


class _Letter(msgspec.Struct, frozen=True):
    """Everything one transaction needs."""

    key: str
    sender: str
    recipient: str
    body: bytes


class SmtpChannel:
    """The email channel: a pool of connections to one relay."""

    provider: str = "smtp"
    channel: str = "email"
    key_window: Micros = 0

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._pool = Pool(settings)
        self._sign = dkim.signer(settings.dkim) if settings.dkim else None

    async def open(self) -> None:
        """Prepare TLS; connections are made when messages come."""
        await self._pool.open()

    async def close(self) -> None:
        """Finish what is in flight and close the connections."""
        await self._pool.close()

    async def send(self, message: Message) -> Result:
        """Hand the message over; never raises for what the server does."""
        letter = self._letter(message)
        if isinstance(letter, NotSent):
            return letter
        async with self._pool.slot():
            connection = await self._take()
            if isinstance(connection, NotSent):
                return connection
            was_fresh = connection.is_fresh
            result = await self._transact(connection, letter)
            if not was_fresh and _hung_up(result):
                # The server closed an idle connection: nothing was said yet, so a new one may be tried at once.
                connection = await self._take(fresh=True)
                if isinstance(connection, NotSent):
                    return connection
                result = await self._transact(connection, letter)
            return result

    def _letter(self, message: Message) -> "_Letter | NotSent":
        settings = self._settings
        try:
            recipient = address(message.address, field="to")
        except BadInput as problem:
            return NotSent(Retry.PERMANENT, str(problem), "bad_address")
        try:
            content = contents.decode(message.content, contents.EmailContent)
            sender = mailbox(content.from_, field="from").address
            if settings.bounce_domain:
                sender = bounce_address(settings.key, message.key, settings.bounce_domain)
            body = assemble(content, recipient, message_id=message_id(settings.key, message.key, settings.domain))
        except (BadInput, msgspec.MsgspecError) as problem:
            return NotSent(Retry.CONTENT, str(problem), "bad_content")
        if self._sign:
            body = self._sign(body, content.date)
        return _Letter(message.key, sender, recipient, body)

    async def _take(self, *, fresh: bool = False) -> Connection | NotSent:
        try:
            return await self._pool.take(fresh=fresh)
        except aiosmtplib.SMTPResponseException as refused:
            verdict = judge(refused.code, str(refused.message), about_recipient=False)
            return NotSent(verdict.retry, _said(refused.code, refused.message), str(refused.code), verdict.retry_after)
        except (aiosmtplib.SMTPException, OSError, ValueError) as failed:
            return NotSent(_why_no_connection(failed), f"cannot connect: {failed}"[:_DETAIL], "connect")

    async def _transact(self, connection: Connection, letter: _Letter) -> Result:
        try:
            return await _Transaction(connection, letter, self._settings).run()
        finally:
            await self._pool.give_back(connection)


class _Transaction:
    """MAIL, RCPT, DATA, body: remembers whether a byte of the body may have left."""

    def __init__(self, connection: Connection, letter: _Letter, settings: SmtpSettings) -> None:
        self._connection, self._letter, self._settings = connection, letter, settings
        self._body_began = False

    async def run(self) -> Result:
        try:
            async with asyncio.timeout(self._settings.timeout):
                return await self._envelope() or await self._body()
        except aiosmtplib.SMTPResponseException as malformed:  # not a reply: the dialogue is out of step
            return self._broken(f"malformed reply: {malformed.message}")
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as broken:
            code = "disconnected" if isinstance(broken, ConnectionError) else "timeout"
            return self._broken(f"{type(broken).__name__}: {broken}", code)

    async def _envelope(self) -> NotSent | None:
        client, letter = self._connection.client, self._letter
        limit = client.esmtp_extensions.get("size", "")
        if limit.isdigit() and 0 < int(limit) < len(letter.body):
            self._connection.usable = True
            return NotSent(Retry.CONTENT, f"{len(letter.body)} bytes, the server takes {limit}", "size")
        wants_report = bool(self._settings.bounce_domain) and client.supports_extension("dsn")
        # The addresses were checked when the letter was made; the library's `mail` and `rcpt` would parse them anew.
        options = f" ENVID={letter.key} RET=HDRS" if wants_report else ""
        reply = await client.execute_command(f"MAIL FROM:<{letter.sender}>{options}".encode("ascii"))
        if reply.code != 250:
            return await self._refused(reply.code, reply.message, about_recipient=False)
        options = " NOTIFY=FAILURE,DELAY" if wants_report else ""
        reply = await client.execute_command(f"RCPT TO:<{letter.recipient}>{options}".encode("ascii"))
        if reply.code not in {250, 251}:
            return await self._refused(reply.code, reply.message)
        reply = await client.execute_command(b"DATA")
        return None if reply.code == 354 else await self._refused(reply.code, reply.message)

    async def _body(self) -> Result:
        protocol = self._connection.client.protocol
        if protocol is None or not protocol.is_connected:
            return self._broken("the connection was lost before the body")
        self._body_began = True
        protocol.write(_DOT_AT_LINE_START.sub(b"..", self._letter.body) + b".\r\n")
        reply = await protocol.read_response(timeout=self._settings.timeout)
        if 200 <= reply.code < 300:
            self._connection.usable = True
            return Sent(provider_id=self._letter.key, detail=_said(reply.code, reply.message))
        if 400 <= reply.code < 600:
            return await self._refused(reply.code, reply.message)
        return self._broken(f"odd reply after the body: {_said(reply.code, reply.message)}")

    async def _refused(self, code: int, text: str, *, about_recipient: bool = True) -> NotSent:
        """A clear no, at whatever point, means not sent. RSET leaves the connection ready for the next message."""
        if not 400 <= code < 600:
            return NotSent(Retry.TRANSIENT, f"odd reply: {_said(code, text)}", str(code))
        if code != 421 and self._connection.client.is_connected:
            try:
                await self._connection.client.rset()
                self._connection.usable = True
            except (aiosmtplib.SMTPException, OSError):
                self._connection.client.close()
        verdict = judge(code, text, about_recipient=about_recipient)
        return NotSent(verdict.retry, _said(code, text), str(code), verdict.retry_after)

    def _broken(self, detail: str, code: str = "disconnected") -> Result:
        if self._body_began:
            return Unclear(detail[:_DETAIL])
        return NotSent(Retry.TRANSIENT, detail[:_DETAIL], code)


def _hung_up(result: Result) -> bool:
    return isinstance(result, NotSent) and result.code == "disconnected"


def _said(code: int, text: str) -> str:
    return f"{code} {text}".replace("\n", " ")[:_DETAIL]


def _why_no_connection(failed: Exception) -> Retry:
    """A wrong certificate or a missing extension needs a person; a refused port or a name error needs time."""
    if isinstance(failed, ssl.SSLError) or isinstance(failed.__cause__, ssl.SSLError):
        return Retry.CONFIGURATION
    if isinstance(failed, aiosmtplib.SMTPConnectError | aiosmtplib.SMTPServerDisconnected | TimeoutError | OSError):
        return Retry.TRANSIENT
    return Retry.CONFIGURATION

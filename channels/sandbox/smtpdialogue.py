"""One client's SMTP dialogue: commands and bodies in, replies out, 250 only after the record is on disk.

ESMTP with SIZE, 8BITMIME, PIPELINING, SMTPUTF8, STARTTLS and AUTH; faults come from `dials`. `smtp.SmtpHost` listens
and makes one of these per connection.
"""

import asyncio
import re
import ssl
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, cast

from channels.sandbox.bounces import Mailed, PostOffice
from channels.sandbox.dials import Dials, Fault, Trouble, magic_name
from channels.sandbox.mail import drafts_of
from channels.sandbox.record import Recorder
from channels.sandbox.settings import SmtpAccount
from channels.sandbox.smtpauth import Login
from channels.sandbox.smtpreplies import capabilities, is_said_at_rcpt, reply_of
from engine.core.ids import Micros

_MAX_LINE: Final = 4_096
_MAX_RECIPIENTS: Final = 100
_FROM: Final = re.compile(r"FROM:\s*<([^<>\s]*)>(.*)", re.IGNORECASE | re.DOTALL)
_TO: Final = re.compile(r"TO:\s*<([^<>\s]+)>(.*)", re.IGNORECASE | re.DOTALL)
_SIZE: Final = re.compile(r"\bSIZE=(\d{1,18})\b", re.IGNORECASE)


@dataclass
class Shared:
    """What the connections of one host share."""

    account: SmtpAccount
    dials: Dials
    recorder: Recorder
    tls: ssl.SSLContext | None
    started: Micros
    office: PostOffice | None = None
    queued: int = 0
    connections: set["SmtpConnection"] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it beside the dialogues."""
        self.tasks.add(task := asyncio.get_running_loop().create_task(work))
        task.add_done_callback(self.tasks.discard)

    def mint(self) -> str:
        """Return a queue id that no other mail of this host has."""
        self.queued += 1
        return f"{self.started:x}.{self.queued}"


class SmtpConnection(asyncio.Protocol):
    """One client's dialogue. While an answer is owed (`_busy`), what the client pipelines waits in the buffer."""

    def __init__(self, host: Shared) -> None:
        self._host = host
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._busy = False
        self._secure = False
        self._login = Login(host.account)
        self._reset()

    # --- the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, unless the provider is down."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._host.connections.add(self)
        if self._host.dials.is_down("smtp"):
            self.abort()
            return
        self._say("220 sandbox ESMTP ready")

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the client."""
        self._host.connections.discard(self)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Take commands or a body off the wire."""
        self._buffer += data
        if self._busy and self._transport is not None and len(self._buffer) > self._host.account.max_size:
            self._transport.pause_reading()
        self._go_on()

    def abort(self) -> None:
        """Close without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _say(self, line: str) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(line.encode("utf-8", "replace") + b"\r\n")
        if line.startswith("421"):
            self._transport.close()

    # --- the dialogue

    def _reset(self) -> None:
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._trouble: Trouble | None = None
        self._in_body = False
        self._oversize = False
        self._scanned = 0

    def _go_on(self) -> None:
        while not self._busy and self._transport is not None and not self._transport.is_closing():
            if self._in_body:
                if not self._take_body():
                    return
                continue
            end = self._buffer.find(b"\n")
            if end > _MAX_LINE or (end < 0 and len(self._buffer) > _MAX_LINE):
                self._say("421 4.5.2 line too long")
                return
            if end < 0:
                return
            line = bytes(self._buffer[:end]).rstrip(b"\r").decode("utf-8", "replace")
            del self._buffer[: end + 1]
            if self._login.asked:
                self._say(self._login.answer(line))
            else:
                self._command(line)

    def _command(self, line: str) -> None:
        verb, _, rest = line.strip().partition(" ")
        match verb.upper():
            case "EHLO":
                self._reset()
                is_tls_open = self._host.tls is not None and not self._secure
                self._say(capabilities(self._host.account.max_size, is_tls_open=is_tls_open))
            case "HELO":
                self._reset()
                self._say("250 sandbox")
            case "MAIL":
                self._mail(rest)
            case "RCPT":
                self._rcpt(rest)
            case "DATA":
                self._data()
            case "RSET":
                self._reset()
                self._say("250 2.0.0 forgotten")
            case "NOOP":
                self._say("250 2.0.0 still here")
            case "STARTTLS":
                self._start_tls()
            case "AUTH":
                self._say(self._login.begin(rest))
            case "QUIT":
                self._say("221 2.0.0 bye")
                if self._transport is not None:
                    self._transport.close()
            case _:
                self._say("502 5.5.1 unknown command")

    def _mail(self, rest: str) -> None:
        found = _FROM.fullmatch(rest)
        size = _SIZE.search(found.group(2)) if found else None
        if self._host.dials.is_down("smtp"):
            self.abort()
        elif self._host.account.auth == "required" and not self._login.done:
            self._say("530 5.7.0 authentication required")
        elif found is None:
            self._say("501 5.5.4 use MAIL FROM:<address>")
        elif self._sender is not None:
            self._say("503 5.5.1 one sender at a time: RSET first")
        elif size is not None and int(size.group(1)) > self._host.account.max_size:
            self._say("552 5.3.4 message too big")
        else:
            self._trouble = self._host.dials.pick("smtp")
            if self._trouble is not None and self._trouble.fault is Fault.RATE_LIMIT:
                self._say(reply_of(self._trouble))
                return
            self._sender = found.group(1)
            self._say("250 2.1.0 sender ok")

    def _rcpt(self, rest: str) -> None:
        found = _TO.fullmatch(rest)
        if self._sender is None:
            self._say("503 5.5.1 MAIL first")
        elif found is None:
            self._say("501 5.5.4 use RCPT TO:<address>")
        elif "@" not in found.group(1).strip("@"):
            self._say("553 5.1.3 that is not an address")
        elif len(self._recipients) >= _MAX_RECIPIENTS:
            self._say("452 4.5.3 too many recipients")
        else:
            trouble = magic_name(found.group(1).partition("@")[0].lower()) or self._trouble
            if trouble is not None and is_said_at_rcpt(trouble):
                self._say(reply_of(trouble))
                return
            self._trouble = trouble
            self._recipients.append(found.group(1))
            self._say("250 2.1.5 recipient ok")

    def _data(self) -> None:
        if not self._recipients:
            self._say("503 5.5.1 RCPT first" if self._sender is not None else "503 5.5.1 MAIL first")
            return
        self._in_body = True
        self._buffer[:0] = b"\r\n"  # so that a body whose first line is the lone dot ends like any other
        self._say("354 go on, end with a dot")

    def _take_body(self) -> bool:
        end = self._buffer.find(b"\r\n.\r\n", max(0, self._scanned - 4))
        if end < 0:
            self._scanned = len(self._buffer)
            if self._scanned > self._host.account.max_size + _MAX_LINE:
                self._oversize = True
                del self._buffer[:-4]
                self._scanned = 4
            return False
        body = bytes(self._buffer[: end + 2]).replace(b"\r\n.", b"\r\n")[2:]
        del self._buffer[: end + 5]
        if self._oversize or len(body) > self._host.account.max_size:
            self._reset()
            self._say("552 5.3.4 message too big")
        else:
            self._accept(body)
        return True

    # --- accepting

    def _accept(self, body: bytes) -> None:
        trouble, sender, recipients = self._trouble, self._sender or "", self._recipients
        self._reset()
        if trouble is not None and trouble.fault in (Fault.ERROR_BEFORE, Fault.REFUSE):
            self._say(reply_of(trouble))
            return
        mailed = Mailed(sender, tuple(recipients), self._host.mint(), body[: max(body.find(b"\r\n\r\n"), 0)])
        self._busy = True
        try:
            future = self._host.recorder.append(drafts_of(body, mailed, trouble.fault.value if trouble else ""))
        except OSError:
            self._ready("452 4.3.1 the record is closed")
            return
        future.add_done_callback(lambda done: self._recorded(done, trouble, mailed))

    def _recorded(self, done: asyncio.Future[int], trouble: Trouble | None, mailed: Mailed) -> None:
        office = self._host.office
        if done.cancelled() or done.exception() is not None:
            self._ready("452 4.3.1 the record could not be written")
        elif office is not None and office.has_word(mailed.sender, mailed.recipients):
            self._host.begin(self._reported(office, trouble, mailed))
        else:
            self._conclude(trouble, mailed)

    async def _reported(self, office: PostOffice, trouble: Trouble | None, mailed: Mailed) -> None:
        await office.report(mailed)
        self._conclude(trouble, mailed)

    def _conclude(self, trouble: Trouble | None, mailed: Mailed) -> None:
        reply = f"250 2.0.0 queued as {mailed.queued}"
        match trouble.fault if trouble is not None else None:
            case Fault.DROP_REPLY:
                if self._transport is not None:
                    self._transport.close()
            case Fault.STALL if trouble is not None:
                asyncio.get_running_loop().call_later(trouble.seconds, self._ready, reply)
            case Fault.ERROR_AFTER if trouble is not None:
                self._ready(reply_of(trouble))
            case _:
                self._ready(reply)

    def _ready(self, reply: str) -> None:
        self._say(reply)
        self._busy = False
        if self._transport is not None:
            self._transport.resume_reading()
        self._go_on()

    # --- TLS

    def _start_tls(self) -> None:
        if self._host.tls is None or self._secure or self._transport is None:
            self._say("502 5.5.1 TLS is not offered")
            return
        self._busy = True
        self._transport.pause_reading()
        self._say("220 2.0.0 go ahead")
        self._buffer.clear()  # what was pipelined in the clear must not count as said inside TLS
        self._host.begin(self._upgrade(self._transport, self._host.tls))

    async def _upgrade(self, plain: asyncio.Transport, context: ssl.SSLContext) -> None:
        try:
            secure = await asyncio.get_running_loop().start_tls(plain, self, context, server_side=True)
        except (OSError, ssl.SSLError):
            plain.abort()
            return
        self._transport, self._secure, self._busy = secure, True, False
        self._login = Login(self._host.account)
        self._reset()
        self._go_on()

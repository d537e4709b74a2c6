"""The SMTP channel against a real server that follows a script: what is certainly not sent, and what is unclear."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from channels import content as contents
from channels.content import EmailContent
from channels.email import verp
from channels.email.replies import judge
from channels.email.settings import SmtpSettings
from channels.email.smtp import SmtpChannel
from channels.secret import Secret
from engine.core.delivery import Retry
from engine.core.ids import MINUTE
from engine.ports import Message, NotSent, Sent, Unclear

KEY = Secret("k")
CONTENT = contents.encode(EmailContent("您好", "<p>.</p>", "hi\n.\nend", "Shop <news@brand.example>", date=10**15))
HANG_UP, STALL = "hang up", "stall"


def _message(key: str = "touch01", to: str = "mei@brand.example") -> Message:
    return Message(key, "email", to, "welcome", CONTENT)


@dataclass
class Relay:
    """An SMTP server that answers each command from `script` (by command, "BODY" for the message), else politely."""

    port: int = 0
    script: Callable[[str, str], str | None] = lambda command, argument: None
    connections: int = 0
    commands: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    extensions: tuple[str, ...] = ("SIZE 1000000",)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            if not await self._say(writer, "CONNECT", "", "220 hello"):
                return
            while line := (await reader.readline()).decode().rstrip("\r\n"):
                command, _, argument = line.partition(" ")
                self.commands.append(line)
                if not await self._say(writer, command.upper(), argument, self._polite(command.upper())):
                    return
                if command.upper() == "DATA" and self._last.startswith("354"):
                    body = await reader.readuntil(b"\r\n.\r\n")
                    self.bodies.append(body)
                    if not await self._say(writer, "BODY", "", "250 2.0.0 queued as Q1"):
                        return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _polite(self, command: str) -> str:
        if command == "EHLO":
            return "\r\n".join(
                ["250-relay.example", *(f"250-{extension}" for extension in self.extensions), "250 HELP"]
            )
        return {"DATA": "354 go on", "QUIT": "221 bye"}.get(command, "250 2.0.0 OK")

    async def _say(self, writer: asyncio.StreamWriter, command: str, argument: str, polite: str) -> bool:
        self._last = self.script(command, argument) or polite
        if self._last == STALL:
            await self.release.wait()
            return False
        if self._last == HANG_UP:
            return False
        writer.write(f"{self._last}\r\n".encode())
        await writer.drain()
        return command != "QUIT" and not self._last.startswith("421")


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    relay = Relay()
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    yield relay
    relay.release.set()
    server.close()


def _settings(relay: Relay, **more: object) -> SmtpSettings:
    usual = {"tls": "none", "timeout": 0.5, "connect_timeout": 0.5, "connections": 2}
    return SmtpSettings("127.0.0.1", relay.port, "brand.example", KEY, **{**usual, **more})  # type: ignore[arg-type]


@pytest.fixture
async def smtp(relay: Relay) -> AsyncIterator[SmtpChannel]:
    channel = SmtpChannel(_settings(relay))
    await channel.open()
    yield channel
    await channel.close()


def _fail(command: str, reply: str, times: int = 1_000) -> Callable[[str, str], str | None]:
    left = [times]

    def script(said: str, argument: str) -> str | None:
        if said != command or left[0] == 0:
            return None
        left[0] -= 1
        return reply

    return script


async def test_an_accepted_message_is_sent_whole(smtp: SmtpChannel, relay: Relay) -> None:
    assert await smtp.send(_message()) == Sent(provider_id="touch01", detail="250 2.0.0 queued as Q1")
    assert relay.commands[:3] == ["EHLO localhost", "MAIL FROM:<news@brand.example>", "RCPT TO:<mei@brand.example>"]
    assert verp.message_id(KEY, "touch01", "brand.example").encode() in relay.bodies[0]


async def test_a_retry_has_the_same_bytes(smtp: SmtpChannel, relay: Relay) -> None:
    await smtp.send(_message())
    await smtp.send(_message())
    assert relay.bodies[0] == relay.bodies[1]


async def test_connections_are_reused_and_recycled(relay: Relay) -> None:
    channel = SmtpChannel(_settings(relay, recycle_after=3, connections=1))
    await channel.open()
    for _ in range(6):
        assert isinstance(await channel.send(_message()), Sent)
    await channel.close()
    assert relay.connections == 2
    assert relay.commands.count("QUIT") == 2


async def test_no_more_connections_than_allowed(smtp: SmtpChannel, relay: Relay) -> None:
    results = await asyncio.gather(*(smtp.send(_message(f"t{i}")) for i in range(20)))
    assert all(isinstance(result, Sent) for result in results)
    assert relay.connections <= 2


async def test_with_a_bounce_domain_the_envelope_sender_proves_itself_and_asks_for_reports(relay: Relay) -> None:
    relay.extensions = ("DSN",)
    channel = SmtpChannel(_settings(relay, bounce_domain="bounce.brand.example"))
    await channel.open()
    await channel.send(_message())
    await channel.close()
    mail, rcpt = relay.commands[1:3]
    assert verp.read_bounce_address(KEY, mail) == "touch01"
    assert mail.endswith("ENVID=touch01 RET=HDRS")
    assert rcpt == "RCPT TO:<mei@brand.example> NOTIFY=FAILURE,DELAY"


@pytest.mark.parametrize("command", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("fault", [HANG_UP, STALL])
async def test_before_the_body_a_broken_dialogue_is_certainly_not_sent(
    smtp: SmtpChannel, relay: Relay, command: str, fault: str
) -> None:
    relay.script = _fail(command, fault)
    result = await smtp.send(_message())
    assert isinstance(result, NotSent) and result.retry is Retry.TRANSIENT
    assert relay.bodies == []


@pytest.mark.parametrize("fault", [HANG_UP, STALL, "nonsense", "199 what"])
async def test_after_the_body_only_a_reply_counts(smtp: SmtpChannel, relay: Relay, fault: str) -> None:
    relay.script = _fail("BODY", fault)
    assert isinstance(await smtp.send(_message()), Unclear)
    assert len(relay.bodies) == 1


async def test_after_a_doubt_the_next_message_gets_a_new_connection(smtp: SmtpChannel, relay: Relay) -> None:
    relay.script = _fail("BODY", STALL, times=1)
    assert isinstance(await smtp.send(_message()), Unclear)
    assert isinstance(await smtp.send(_message("touch02")), Sent)
    assert relay.connections == 2


async def test_after_a_cancelled_send_the_next_message_gets_a_new_connection(smtp: SmtpChannel, relay: Relay) -> None:
    await smtp.send(_message())
    reached = asyncio.Event()

    def script(command: str, argument: str) -> str | None:
        if command != "RCPT" or reached.is_set():
            return None
        reached.set()
        return STALL

    relay.script = script
    task = asyncio.create_task(smtp.send(_message("touch02")))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert isinstance(await smtp.send(_message("touch03")), Sent)
    assert relay.connections == 2


async def test_an_idle_connection_that_the_server_closed_costs_nothing(relay: Relay) -> None:
    channel = SmtpChannel(_settings(relay, connections=1))
    await channel.open()
    await channel.send(_message())
    relay.script = _fail("MAIL", HANG_UP, times=1)
    assert isinstance(await channel.send(_message("touch02")), Sent)
    await channel.close()
    assert relay.connections == 2


@pytest.mark.parametrize(
    ("command", "reply", "retry"),
    [
        ("CONNECT", "421 4.3.2 busy", Retry.RATE_LIMITED),
        ("CONNECT", "554 no service for you", Retry.CONFIGURATION),
        ("MAIL", "550 5.7.1 sender not allowed", Retry.CONFIGURATION),
        ("MAIL", "552 5.3.4 too big", Retry.CONTENT),
        ("MAIL", "451 4.3.0 later", Retry.TRANSIENT),
        ("RCPT", "550 5.1.1 no such user", Retry.PERMANENT),
        ("RCPT", "501 5.1.3 bad address syntax", Retry.PERMANENT),
        ("RCPT", "452 4.2.2 mailbox full", Retry.TRANSIENT),
        ("RCPT", "421 4.7.0 too many", Retry.RATE_LIMITED),
        ("DATA", "451 4.7.1 later", Retry.RATE_LIMITED),
        ("BODY", "554 5.7.1 spam", Retry.CONTENT),
        ("BODY", "421 closing", Retry.RATE_LIMITED),
        ("BODY", "550 5.7.26 unauthenticated", Retry.CONFIGURATION),
    ],
)
async def test_a_clear_no_is_not_sent_and_the_connection_lives_on(
    smtp: SmtpChannel, relay: Relay, command: str, reply: str, retry: Retry
) -> None:
    relay.script = _fail(command, reply, times=1)
    result = await smtp.send(_message())
    assert isinstance(result, NotSent)
    assert (result.retry, result.code, result.detail) == (retry, reply[:3], reply)
    assert isinstance(await smtp.send(_message("touch02")), Sent)
    assert relay.connections == (2 if reply.startswith("421") or command == "CONNECT" else 1)


@pytest.mark.parametrize(
    ("code", "text", "retry", "wait"),
    [
        (550, "5.4.1 Recipient address rejected: Access denied", Retry.PERMANENT, 0),
        (550, "5.2.1 disabled", Retry.PERMANENT, 0),
        (552, "5.2.2 over quota", Retry.UNREACHABLE, 0),
        (450, "4.2.1 receiving too quickly", Retry.RATE_LIMITED, 0),
        (450, "4.7.1 greylisted", Retry.TRANSIENT, 5 * MINUTE),
        (554, "5.7.1 blocked by spamhaus", Retry.RATE_LIMITED, 60 * MINUTE),
        (550, "5.7.515 access denied", Retry.CONFIGURATION, 0),
        (421, "4.7.32 alignment", Retry.CONFIGURATION, 0),
        (535, "5.7.8 bad credentials", Retry.CONFIGURATION, 0),
        (571, "odd", Retry.CONTENT, 0),
    ],
)
def test_replies_have_their_class(code: int, text: str, retry: Retry, wait: int) -> None:
    verdict = judge(code, text)
    assert (verdict.retry, verdict.retry_after) == (retry, wait)


async def test_nothing_listens_there(relay: Relay) -> None:
    channel = SmtpChannel(SmtpSettings("127.0.0.1", 1, "brand.example", KEY, tls="none"))
    await channel.open()
    result = await channel.send(_message())
    assert isinstance(result, NotSent) and result.retry is Retry.TRANSIENT
    await channel.close()


async def test_starttls_that_is_not_offered_is_never_done_without(relay: Relay) -> None:
    channel = SmtpChannel(_settings(relay, tls="starttls"))
    await channel.open()
    result = await channel.send(_message())
    assert isinstance(result, NotSent) and result.retry is Retry.CONFIGURATION
    assert not any(command.startswith("MAIL") for command in relay.commands)
    await channel.close()


async def test_a_bad_address_hurts_only_itself_and_bad_content_too(smtp: SmtpChannel, relay: Relay) -> None:
    bad_address = await smtp.send(_message(to="mei@brand.example>\r\nRCPT TO:<x@evil.example"))
    assert isinstance(bad_address, NotSent) and bad_address.retry is Retry.PERMANENT
    odd = EmailContent("Hi =?utf-8?q?x?=", "", "t", "news@brand.example")
    bad_content = await smtp.send(Message("t", "email", "mei@brand.example", "welcome", contents.encode(odd)))
    assert isinstance(bad_content, NotSent) and bad_content.retry is Retry.CONTENT
    nonsense = await smtp.send(Message("t", "email", "mei@brand.example", "welcome", b"\xc1"))
    assert isinstance(nonsense, NotSent) and nonsense.retry is Retry.CONTENT
    assert relay.commands == []


async def test_a_message_over_the_servers_limit_is_not_even_tried(smtp: SmtpChannel, relay: Relay) -> None:
    relay.extensions = ("SIZE 100",)
    result = await smtp.send(_message())
    assert isinstance(result, NotSent) and (result.retry, result.code) == (Retry.CONTENT, "size")
    assert not any(command.startswith("MAIL") for command in relay.commands)


async def test_closing_waits_for_what_is_in_flight_and_opening_again_works(relay: Relay) -> None:
    channel = SmtpChannel(_settings(relay))
    await channel.open()
    sends = [asyncio.create_task(channel.send(_message(f"t{i}"))) for i in range(6)]
    await asyncio.sleep(0)
    await channel.close()
    await channel.close()
    assert all(isinstance(result, Sent) for result in await asyncio.gather(*sends))
    await channel.open()
    assert isinstance(await channel.send(_message()), Sent)
    await channel.close()

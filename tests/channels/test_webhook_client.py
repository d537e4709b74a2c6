"""The webhook adapter over real sockets: what it signs, how it reads answers, and where it refuses to go."""

import asyncio
import hmac
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels import content as contents
from channels.content import WebhookContent
from channels.sandbox.webhooks import METADATA
from channels.secret import Secret
from channels.webhook.answers import ANSWER_LIMIT, read
from channels.webhook.client import Webhooks, diverted
from channels.webhook.settings import WebhookSettings
from channels.webhook.signing import key_of, sign
from engine.core.delivery import Retry
from engine.core.errors import BadSetting
from engine.core.ids import DAY, HOUR, MINUTE
from engine.ports import Message, NotSent, Sent, Unclear
from engine.runtime.clock import ManualClock

NOW = 1_772_328_600_000_000
NEW, OLD = (Secret("whsec_" + b64encode(letter * 32).decode()) for letter in (b"n", b"o"))
TOO_LONG = "whsec_" + b64encode(b"x" * 65).decode()
BODY = '{"type":"journey.webhook","data":{"name":"小明"}}'.encode()


def _message(url: str, attempt: int = 1) -> Message:
    return Message("touch01", "webhook", url, "webhook", contents.encode(WebhookContent(url, BODY)), attempt)


def _channel(*allow: str, clock: ManualClock | None = None, **dials: Any) -> Webhooks:
    settings = WebhookSettings((NEW, OLD), allow, timeout=dials.pop("timeout", 2.0), divert=dials.pop("divert", ""))
    return Webhooks(settings, clock or ManualClock(NOW), **dials)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def hooks(clock: ManualClock) -> AsyncIterator[Webhooks]:
    channel = _channel("127.0.0.1:*", clock=clock)
    await channel.open()
    yield channel
    await channel.close()


# --- signatures


def test_the_published_example_is_signed_as_published() -> None:
    key = key_of(Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    signed = sign([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("wrong", ["", "whsec_", "whsec_short", "whsec_!!!!", "plain text", TOO_LONG])
def test_a_secret_that_is_none_is_refused_without_being_shown(wrong: str) -> None:
    with pytest.raises(BadSetting) as refused:
        key_of(Secret(wrong))
    assert not wrong.removeprefix("whsec_") or wrong not in str(refused.value)


async def test_every_attempt_has_the_touchs_id_its_own_time_and_a_signature_of_each_key(
    hooks: Webhooks, http_script: Any, clock: ManualClock
) -> None:
    url = f"{http_script.url}/hooks?a=1"
    assert await hooks.send(_message(url)) == Sent(detail="HTTP 200", delivered=True)
    clock.advance(HOUR)
    assert isinstance(await hooks.send(_message(url, attempt=2)), Sent)
    first, second = http_script.asked
    assert (first.method, first.target, first.body) == ("POST", "/hooks?a=1", BODY)
    assert first.headers["host"] == f"127.0.0.1:{http_script.port}"
    assert first.headers["content-type"] == "application/json"
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == "touch01"
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 3_600
    signed = b"touch01." + second.headers["webhook-timestamp"].encode() + b"." + BODY
    expected = [
        "v1," + b64encode(hmac.digest(b64decode(secret.reveal()[6:]), signed, "sha256")).decode()
        for secret in (NEW, OLD)
    ]
    assert second.headers["webhook-signature"].split(" ") == expected


# --- answers


@pytest.mark.parametrize(
    ("status", "retry"),
    [
        (301, Retry.CONTENT),
        (307, Retry.CONTENT),
        (400, Retry.CONTENT),
        (401, Retry.CONTENT),
        (404, Retry.CONTENT),
        (408, Retry.TRANSIENT),
        (410, Retry.PERMANENT),
        (422, Retry.CONTENT),
        (429, Retry.RATE_LIMITED),
        (502, Retry.TRANSIENT),
        (503, Retry.RATE_LIMITED),
        (504, Retry.TRANSIENT),
    ],
)
async def test_a_refusal_keeps_its_class(hooks: Webhooks, http_script: Any, status: int, retry: Retry) -> None:
    http_script.answer = lambda asked: (status, "no")
    result = await hooks.send(_message(http_script.url))
    assert isinstance(result, NotSent) and (result.retry, result.code) == (retry, str(status))
    assert len(http_script.asked) == 1


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_every_2xx_is_delivered(hooks: Webhooks, http_script: Any, status: int) -> None:
    http_script.answer = lambda asked: (status, "")
    assert isinstance(await hooks.send(_message(http_script.url)), Sent)


@pytest.mark.parametrize("answer", [(500, "broke"), (501, ""), (599, ""), None])
async def test_a_server_error_or_silence_after_the_body_is_unclear(
    hooks: Webhooks, http_script: Any, answer: tuple[int, str] | None
) -> None:
    http_script.answer = lambda asked: answer
    assert isinstance(await hooks.send(_message(http_script.url)), Unclear)


async def test_an_answer_that_never_comes_is_unclear_after_the_deadline(http_script: Any) -> None:
    async def never(asked: Any) -> None:
        await asyncio.Event().wait()

    http_script.answer = never
    channel = _channel("127.0.0.1:*", timeout=0.1)
    await channel.open()
    assert isinstance(await channel.send(_message(http_script.url)), Unclear)
    await channel.close()


async def test_nobody_at_home_is_certainly_not_sent(hooks: Webhooks) -> None:
    result = await hooks.send(_message("http://127.0.0.1:1/hooks"))
    assert isinstance(result, NotSent) and (result.retry, result.code) == (Retry.TRANSIENT, "connect")


async def test_a_closed_channel_says_so(hooks: Webhooks) -> None:
    await hooks.close()
    await hooks.close()
    assert isinstance(await hooks.send(_message("https://crm.example")), NotSent)


async def test_an_endless_answer_is_read_a_little_and_its_status_counts() -> None:
    fed = 0

    async def feed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal fed
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000000\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 65_536)
                await writer.drain()
                fed += 65_536
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(feed, "127.0.0.1", 0)
    channel = _channel("127.0.0.1:*")
    await channel.open()
    port = server.sockets[0].getsockname()[1]
    assert isinstance(await channel.send(_message(f"http://127.0.0.1:{port}/")), Sent)
    await channel.close()
    server.close()
    assert fed < 50_000_000


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ("120", 2 * MINUTE),
        ("99999999999999", DAY),
        ("Sun, 01 Mar 2026 01:31:00 GMT", MINUTE),
        ("Sun, 01 Mar 2020 00:00:00 GMT", 0),
        ("soon", 0),
        ("-5", 0),
        ("", 0),
    ],
)
def test_retry_after_is_believed_within_reason(said: str, wait: int) -> None:
    result = read(429, [(b"Retry-After", said.encode())], b"", NOW)
    assert isinstance(result, NotSent) and result.retry_after == wait


@given(st.integers(100, 999), st.binary(max_size=ANSWER_LIMIT), st.text(max_size=40))
def test_any_answer_is_read_without_surprise(status: int, said: bytes, after: str) -> None:
    result = read(status, [(b"retry-after", after.encode("utf-8", "replace"))], said, NOW)
    assert isinstance(result, Sent) == (200 <= status < 300)
    assert result.detail.isprintable() and len(result.detail) <= 300
    if isinstance(result, NotSent):
        assert result.retry is not Retry.CONFIGURATION and 0 <= result.retry_after <= DAY


# --- where it will not go


@pytest.mark.parametrize(
    "url",
    [
        "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:169.254.169.254]/",
        "https://localhost/",
        "https://127.0.0.1:8443/",
        "http://127.0.0.1/",
        "https://[64:ff9b::7f00:1]/",
        "https://2130706433/",
    ],
)
async def test_an_address_of_our_own_network_is_refused_for_good(url: str) -> None:
    channel = _channel()
    await channel.open()
    result = await channel.send(_message(url))
    await channel.close()
    assert isinstance(result, NotSent) and (result.retry, result.code) == (Retry.CONTENT, "forbidden")


async def test_a_redirect_to_the_metadata_service_is_not_followed(hooks: Webhooks) -> None:
    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 302 Found\r\nlocation: {METADATA}\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(redirect, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    result = await hooks.send(_message(f"http://127.0.0.1:{port}/"))
    server.close()
    assert isinstance(result, NotSent) and (result.retry, result.code) == (Retry.CONTENT, "302")


async def test_a_name_that_is_public_at_first_and_ours_later_is_refused_later(http_script: Any) -> None:
    answers = [["93.184.215.14", "127.0.0.1"], ["127.0.0.1"]]

    async def lookup(host: str, port: int) -> Sequence[str]:
        return answers.pop(0)

    channel = _channel(lookup=lookup)
    await channel.open()
    for _ in range(2):
        result = await channel.send(_message("https://rebind.example:8443/"))
        assert isinstance(result, NotSent) and result.code == "forbidden"
    await channel.close()
    assert http_script.asked == []


async def test_proxies_of_the_environment_are_not_asked(
    hooks: Webhooks, http_script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert isinstance(await hooks.send(_message(http_script.url)), Sent)


@pytest.mark.parametrize(
    ("url", "goes"),
    [
        ("https://crm.example/hooks?a=1", "http://sandbox:1/hooks/crm.example/hooks?a=1"),
        ("http://sandbox:1/hooks/crm", "http://sandbox:1/hooks/crm"),
        ("HTTPS://crm.example:8443", "http://sandbox:1/hooks/crm.example:8443"),
    ],
)
def test_with_the_sandbox_every_webhook_goes_there(url: str, goes: str) -> None:
    assert diverted(url, "http://sandbox:1/hooks") == goes
    assert diverted(url, "") == url


async def test_the_right_certificate_is_asked_for_by_name_at_the_address_that_was_judged() -> None:
    """A TLS greeting carries the host name (SNI), although the connection was made to an address."""
    greeted: list[bytes] = []

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeted.append(await reader.read(4_096))
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def lookup(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    channel = _channel(f"crm.internal:{port}", lookup=lookup)
    await channel.open()
    result = await channel.send(_message(f"https://crm.internal:{port}/"))
    await channel.close()
    server.close()
    assert isinstance(result, NotSent) and result.retry is Retry.TRANSIENT
    assert b"crm.internal" in greeted[0]


def test_a_key_lasts_for_days_because_receivers_drop_repeats_of_an_id() -> None:
    assert 2 * DAY <= Webhooks.key_window <= 7 * DAY

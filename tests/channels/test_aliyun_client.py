"""Aliyun's client over a real socket: what it sends, and what it makes of every kind of answer."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from channels import content as contents
from channels.content import SmsContent
from channels.secret import Secret
from channels.sms.aliyun import signing
from channels.sms.aliyun.client import AliyunSms
from channels.sms.aliyun.settings import AliyunSettings
from engine.core.delivery import Retry
from engine.core.ids import HOUR, MINUTE
from engine.ports import Message, NotSent, Sent, Unclear
from engine.runtime.clock import ManualClock

NOW = 1_772_328_600_000_000
CONTENT = SmsContent("", "SMS_1", "阿里云", {"name": "小 明", "code": "1234"})
MESSAGE = Message("touch01", "sms", "+8613800138000", "welcome", contents.encode(CONTENT))
OK = (200, '{"Code":"OK","Message":"OK","BizId":"biz1","RequestId":"r1"}')


@pytest.fixture
async def sms(http_script: Any) -> AsyncIterator[AliyunSms]:
    settings = AliyunSettings("testid", Secret("testsecret"), base_url=http_script.url, timeout=0.3)
    channel = AliyunSms(settings, ManualClock(NOW))
    await channel.open()
    yield channel
    await channel.close()


async def test_an_accepted_message_is_sent_under_its_biz_id(sms: AliyunSms, http_script: Any) -> None:
    http_script.answer = lambda asked: OK
    assert await sms.send(MESSAGE) == Sent(provider_id="biz1", detail="request r1")
    query = parse_qs(urlsplit(http_script.asked[0].target).query)
    assert query["PhoneNumbers"] == ["13800138000"]
    assert query["OutId"] == ["touch01"]
    assert json.loads(query["TemplateParam"][0]) == {"name": "小 明", "code": "1234"}


async def test_the_signature_on_the_wire_verifies_from_decoded_parameters(sms: AliyunSms, http_script: Any) -> None:
    http_script.answer = lambda asked: OK
    await sms.send(MESSAGE)
    asked = http_script.asked[0]
    decoded = {name: values[0] for name, values in parse_qs(urlsplit(asked.target).query).items()}
    request = signing.canonical_request("POST", signing.canonical_query(decoded), asked.headers)
    assert asked.headers["authorization"].endswith(signing.signature(b"testsecret", request))
    assert asked.headers["host"] == f"127.0.0.1:{http_script.port}"
    assert asked.body == b""


async def test_every_attempt_has_its_own_nonce(sms: AliyunSms, http_script: Any) -> None:
    http_script.answer = lambda asked: OK
    await sms.send(MESSAGE)
    await sms.send(Message("touch01", "sms", "+8613800138000", "welcome", MESSAGE.content, attempt=2))
    first, second = (asked.headers["x-acs-signature-nonce"] for asked in http_script.asked)
    assert first != second


@pytest.mark.parametrize(
    ("code", "message", "retry", "wait"),
    [
        ("isv.BUSINESS_LIMIT_CONTROL", "触发分钟级流控Permits:1", Retry.TRANSIENT, MINUTE),
        ("isv.BUSINESS_LIMIT_CONTROL", "触发小时级流控Permits:5", Retry.TRANSIENT, HOUR),
        ("isv.BUSINESS_LIMIT_CONTROL", "触发天级流控Permits:10", Retry.UNREACHABLE, 0),
        ("isv.DAY_LIMIT_CONTROL", "", Retry.RATE_LIMITED, HOUR),
        ("Throttling.User", "", Retry.RATE_LIMITED, 0),
        ("isp.SYSTEM_ERROR", "", Retry.TRANSIENT, 0),
        ("isv.MOBILE_NUMBER_ILLEGAL", "", Retry.PERMANENT, 0),
        ("isv.INVALID_JSON_PARAM", "", Retry.CONTENT, 0),
        ("isv.SOMETHING_NEW", "", Retry.CONTENT, 0),
        ("isv.AMOUNT_NOT_ENOUGH", "", Retry.CONFIGURATION, 0),
        ("SignatureDoesNotMatch", "", Retry.CONFIGURATION, 0),
    ],
)
async def test_a_refusal_is_not_sent_and_keeps_its_class(
    sms: AliyunSms, http_script: Any, code: str, message: str, retry: Retry, wait: int
) -> None:
    http_script.answer = lambda asked: (200, json.dumps({"Code": code, "Message": message}))
    result = await sms.send(MESSAGE)
    assert isinstance(result, NotSent)
    assert (result.retry, result.code, result.retry_after) == (retry, code, wait)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        (500, "oops"),
        (200, "<xml/>"),
        (200, "[]"),
        (503, '{"Code":"ServiceUnavailable","Message":""}'),
        (200, '{"Code":"SignatureNonceUsed","Message":""}'),
    ],
)
async def test_silence_or_nonsense_after_the_request_left_is_unclear(
    sms: AliyunSms, http_script: Any, answer: tuple[int, str] | None
) -> None:
    http_script.answer = lambda asked: answer
    assert isinstance(await sms.send(MESSAGE), Unclear)
    assert len(http_script.asked) == 1


async def test_a_provider_that_stalls_is_unclear_after_the_timeout(sms: AliyunSms, http_script: Any) -> None:
    forever = asyncio.Event()

    async def stall(asked: Any) -> None:
        await forever.wait()

    http_script.answer = stall
    assert isinstance(await sms.send(MESSAGE), Unclear)
    forever.set()


async def test_a_refused_connection_is_certainly_not_sent() -> None:
    channel = AliyunSms(AliyunSettings("i", Secret("s"), base_url="http://127.0.0.1:1"), ManualClock(NOW))
    await channel.open()
    result = await channel.send(MESSAGE)
    await channel.close()
    assert isinstance(result, NotSent) and result.retry is Retry.TRANSIENT


async def test_an_address_that_is_no_number_never_reaches_the_provider(sms: AliyunSms, http_script: Any) -> None:
    result = await sms.send(Message("t", "sms", "138&OutId=x", "welcome", MESSAGE.content))
    assert isinstance(result, NotSent) and result.retry is Retry.PERMANENT
    assert http_script.asked == []


async def test_a_closed_channel_says_so_and_opens_again(sms: AliyunSms, http_script: Any) -> None:
    http_script.answer = lambda asked: OK
    await sms.close()
    await sms.close()
    assert isinstance(await sms.send(MESSAGE), NotSent)
    await sms.open()
    assert isinstance(await sms.send(MESSAGE), Sent)

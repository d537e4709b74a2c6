"""The official account's client over a real socket: token handling, the provider key, every kind of answer."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from channels import content as contents
from channels.content import WechatContent
from channels.secret import Secret
from channels.wechat.official.client import WechatOfficial
from channels.wechat.official.settings import WechatSettings
from engine.core.delivery import Retry
from engine.core.ids import SECOND
from engine.ports import Message, NotSent, Result, Sent, Unclear
from engine.runtime.clock import ManualClock

NOW = 1_772_328_600_000_000
TEMPLATE = WechatContent("template", "TPL1", "https://brand.example/x", {"thing1": "优惠券"})
TEXT = WechatContent("text", text="您好")


class Account:
    """WeChat as the tests need it: hands out tokens t1, t2 ... and answers sends from a list."""

    def __init__(self) -> None:
        self.tokens = 0
        self.fresh = False
        self.sends: list[dict[str, Any]] = []
        self.used: list[str] = []
        self.raw: list[bytes] = []
        self.answers: list[tuple[int, str] | None] = []
        self.stale: set[str] = set()

    def answer(self, asked: Any) -> tuple[int, str] | None:
        if asked.target == "/cgi-bin/stable_token":
            self.tokens += 1
            return 200, json.dumps({"access_token": f"t{self.tokens}", "expires_in": 7200})
        token = parse_qs(urlsplit(asked.target).query)["access_token"][0]
        self.used.append(token)
        if token in self.stale:
            return 200, '{"errcode":42001,"errmsg":"access_token expired"}'
        self.sends.append({"path": urlsplit(asked.target).path, **json.loads(asked.body)})
        self.raw.append(asked.body)
        return self.answers.pop(0) if self.answers else (200, '{"errcode":0,"errmsg":"ok","msgid":200163836}')


@pytest.fixture
def account(http_script: Any) -> Account:
    account = Account()
    http_script.answer = account.answer
    return account


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def wechat(http_script: Any, clock: ManualClock) -> AsyncIterator[WechatOfficial]:
    channel = WechatOfficial(WechatSettings("wx1", Secret("s"), base_url=http_script.url, timeout=0.3), clock)
    await channel.open()
    yield channel
    await channel.close()


def _message(content: WechatContent = TEMPLATE, attempt: int = 1) -> Message:
    return Message("touch01", "wechat", "oABC", "welcome", contents.encode(content), attempt)


async def test_a_template_message_carries_the_touch_as_its_key(wechat: WechatOfficial, account: Account) -> None:
    assert await wechat.send(_message()) == Sent(provider_id="200163836")
    assert account.sends == [
        {
            "path": "/cgi-bin/message/template/send",
            "touser": "oABC",
            "template_id": "TPL1",
            "client_msg_id": "touch01",
            "url": "https://brand.example/x",
            "data": {"thing1": {"value": "优惠券"}},
        }
    ]


async def test_chinese_leaves_as_raw_utf8(wechat: WechatOfficial, account: Account) -> None:
    await wechat.send(_message())
    assert "优惠券".encode() in account.raw[0]


async def test_a_customer_service_message_has_no_receipt_so_taken_is_delivered(
    wechat: WechatOfficial, account: Account
) -> None:
    account.answers = [(200, '{"errcode":0,"errmsg":"ok"}')]
    assert await wechat.send(_message(TEXT)) == Sent(delivered=True)
    assert account.sends[0]["text"] == {"content": "您好"}
    assert account.sends[0]["path"] == "/cgi-bin/message/custom/send"


async def test_a_hundred_sends_fetch_one_token(wechat: WechatOfficial, account: Account) -> None:
    results = await asyncio.gather(*(wechat.send(_message()) for _ in range(100)))
    assert all(isinstance(result, Sent) for result in results)
    assert account.tokens == 1


async def test_a_hundred_sends_with_a_stale_token_fetch_one_more(wechat: WechatOfficial, account: Account) -> None:
    await wechat.send(_message())
    account.stale = {"t1"}
    results = await asyncio.gather(*(wechat.send(_message()) for _ in range(100)))
    assert all(isinstance(result, Sent) for result in results)
    assert account.tokens == 2


async def test_a_token_that_stays_refused_is_a_matter_of_configuration(
    wechat: WechatOfficial, account: Account
) -> None:
    account.stale = {"t1", "t2"}
    result = await wechat.send(_message())
    assert isinstance(result, NotSent) and (result.retry, result.code) == (Retry.CONFIGURATION, "42001")
    assert account.tokens == 2


async def test_a_token_is_renewed_five_minutes_before_its_end(
    wechat: WechatOfficial, account: Account, clock: ManualClock
) -> None:
    await wechat.send(_message())
    clock.advance(6899 * SECOND)
    await wechat.send(_message())
    assert account.tokens == 1
    clock.advance(SECOND)
    await wechat.send(_message())
    assert account.tokens == 2


@pytest.mark.parametrize(
    ("errcode", "retry"),
    [
        (-1, Retry.TRANSIENT),
        (45009, Retry.RATE_LIMITED),
        (45011, Retry.RATE_LIMITED),
        (40003, Retry.PERMANENT),
        (43004, Retry.UNREACHABLE),
        (45015, Retry.UNREACHABLE),
        (47003, Retry.CONTENT),
        (99999, Retry.CONTENT),
        (48001, Retry.CONFIGURATION),
        (40164, Retry.CONFIGURATION),
    ],
)
async def test_a_refusal_keeps_its_class(wechat: WechatOfficial, account: Account, errcode: int, retry: Retry) -> None:
    account.answers = [(200, json.dumps({"errcode": errcode, "errmsg": "no"}))]
    result = await wechat.send(_message())
    assert isinstance(result, NotSent)
    assert (result.retry, result.code) == (retry, str(errcode))


@pytest.mark.parametrize("answer", [None, (500, "oops"), (200, "<html>"), (200, "[]"), (200, '{"errcode":"x"}')])
async def test_silence_or_nonsense_is_unclear(
    wechat: WechatOfficial, account: Account, answer: tuple[int, str] | None
) -> None:
    account.answers = [answer]
    assert isinstance(await wechat.send(_message()), Unclear)
    assert len(account.sends) == 1


async def test_a_duplicate_on_a_keyed_resend_proves_the_first_arrived(wechat: WechatOfficial, account: Account) -> None:
    duplicate = (200, '{"errcode":40241,"errmsg":"duplicate"}')
    account.answers = [duplicate, duplicate]
    assert isinstance(await wechat.send(_message(attempt=2)), Sent)
    assert isinstance(await wechat.send(_message(attempt=1)), NotSent)


@pytest.mark.parametrize(
    ("answer", "retry"),
    [
        ((200, '{"errcode":40125,"errmsg":"invalid appsecret"}'), Retry.CONFIGURATION),
        ((200, '{"errcode":-1,"errmsg":"busy"}'), Retry.TRANSIENT),
        ((500, "oops"), Retry.TRANSIENT),
        (None, Retry.TRANSIENT),
    ],
)
async def test_without_a_token_nothing_was_sent(
    wechat: WechatOfficial, http_script: Any, answer: tuple[int, str] | None, retry: Retry
) -> None:
    http_script.answer = lambda asked: answer
    results: list[Result] = await asyncio.gather(*(wechat.send(_message()) for _ in range(20)))
    assert {result.retry for result in results if isinstance(result, NotSent)} == {retry}
    assert len(http_script.asked) == 1
    assert not any("invalid" in str(asked.target) for asked in http_script.asked)


async def test_a_closed_channel_says_so(wechat: WechatOfficial) -> None:
    await wechat.close()
    await wechat.close()
    assert isinstance(await wechat.send(_message()), NotSent)

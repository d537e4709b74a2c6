"""The WeCom client over a real socket: the token, both kinds of message, and refusals hidden inside a success."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from channels import content as contents
from channels.content import WecomContent
from channels.secret import Secret
from channels.wechat.wecom.client import Wecom
from channels.wechat.wecom.settings import WecomSettings
from engine.core.delivery import Retry
from engine.core.ids import HOUR, SECOND
from engine.ports import Message, NotSent, Result, Sent, Unclear
from engine.runtime.clock import ManualClock

NOW = 1_772_328_600_000_000
COLLEAGUE = WecomContent("colleague", "请致电小明\n\n编号：touch01")
CUSTOMER = WecomContent("customer", "您好", "LiLei", {"title": "新品", "url": "https://brand.example", "picture": ""})


class Company:
    """WeCom as the tests need it: hands out tokens t1, t2 ... and answers sends from a list."""

    def __init__(self) -> None:
        self.tokens: list[dict[str, list[str]]] = []
        self.sends: list[dict[str, Any]] = []
        self.raw: list[bytes] = []
        self.answers: list[tuple[int, str] | None] = []
        self.stale: set[str] = set()

    def answer(self, asked: Any) -> tuple[int, str] | None:
        parts = urlsplit(asked.target)
        if parts.path == "/cgi-bin/gettoken":
            self.tokens.append(parse_qs(parts.query))
            said = {"errcode": 0, "errmsg": "ok", "access_token": f"t{len(self.tokens)}", "expires_in": 7200}
            return 200, json.dumps(said)
        if parse_qs(parts.query)["access_token"][0] in self.stale:
            return 200, '{"errcode":42001,"errmsg":"access_token expired"}'
        self.sends.append({"path": parts.path, **json.loads(asked.body)})
        self.raw.append(asked.body)
        return self.answers.pop(0) if self.answers else (200, '{"errcode":0,"errmsg":"ok","msgid":"m1"}')


@pytest.fixture
def company(http_script: Any) -> Company:
    company = Company()
    http_script.answer = company.answer
    return company


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def wecom(http_script: Any, clock: ManualClock) -> AsyncIterator[Wecom]:
    channel = Wecom(WecomSettings("ww1", 7, Secret("s3cret"), http_script.url, timeout=0.3), clock)
    await channel.open()
    yield channel
    await channel.close()


def _message(content: WecomContent = COLLEAGUE, to: str = "LiLei") -> Message:
    return Message("touch01", "wecom", to, "task", contents.encode(content))


async def test_a_colleague_gets_a_text_under_the_duplicate_check(wecom: Wecom, company: Company) -> None:
    assert await wecom.send(_message()) == Sent("m1", delivered=True)
    assert company.sends == [
        {
            **{"path": "/cgi-bin/message/send", "touser": "LiLei", "msgtype": "text", "agentid": 7},
            **{"text": {"content": COLLEAGUE.text}, "enable_duplicate_check": 1, "duplicate_check_interval": 14_400},
        }
    ]
    assert company.tokens == [{"corpid": ["ww1"], "corpsecret": ["s3cret"]}]
    assert "请致电".encode() in company.raw[0]


async def test_the_same_touch_is_the_same_request_for_as_long_as_the_key_lasts(wecom: Wecom, company: Company) -> None:
    await wecom.send(_message())
    await wecom.send(_message())
    assert company.raw[0] == company.raw[1]
    assert wecom.key_window < 4 * HOUR


async def test_a_customers_message_waits_for_the_member_to_confirm_it(wecom: Wecom, company: Company) -> None:
    result = await wecom.send(_message(CUSTOMER, "wmXiaoming"))
    assert result == Sent("m1", "LiLei has to confirm it in WeCom", delivered=False)
    assert company.sends == [
        {
            **{"path": "/cgi-bin/externalcontact/add_msg_template", "chat_type": "single"},
            **{"external_userid": ["wmXiaoming"], "sender": "LiLei", "text": {"content": "您好"}},
            "attachments": [{"msgtype": "link", "link": {"title": "新品", "url": "https://brand.example"}}],
        }
    ]


@pytest.mark.parametrize(
    ("content", "to", "answer", "retry"),
    [
        (COLLEAGUE, "LiLei", {"invaliduser": "lilei"}, Retry.PERMANENT),
        (COLLEAGUE, "LiLei", {"invaliduser": "other|LiLei"}, Retry.PERMANENT),
        (COLLEAGUE, "LiLei", {"unlicenseduser": "LiLei"}, Retry.UNREACHABLE),
        (CUSTOMER, "wm1", {"fail_list": ["wm1"]}, Retry.UNREACHABLE),
    ],
)
async def test_a_refusal_inside_a_success_is_found(
    wecom: Wecom, company: Company, content: WecomContent, to: str, answer: dict[str, Any], retry: Retry
) -> None:
    company.answers = [(200, json.dumps({"errcode": 0, "errmsg": "ok", **answer}))]
    result = await wecom.send(_message(content, to))
    assert isinstance(result, NotSent) and (result.retry, result.code) == (retry, next(iter(answer)))


async def test_somebody_elses_refusal_is_not_ours(wecom: Wecom, company: Company) -> None:
    company.answers = [(200, '{"errcode":0,"invaliduser":"LiLeiLei","msgid":"m1"}')]
    assert isinstance(await wecom.send(_message()), Sent)


@pytest.mark.parametrize(
    ("errcode", "retry"),
    [
        (-1, Retry.TRANSIENT),
        (45009, Retry.RATE_LIMITED),
        (45033, Retry.RATE_LIMITED),
        (40003, Retry.PERMANENT),
        (81013, Retry.PERMANENT),
        (40096, Retry.PERMANENT),
        (84061, Retry.UNREACHABLE),
        (45002, Retry.CONTENT),
        (99999, Retry.CONTENT),
        (60020, Retry.CONFIGURATION),
        (40056, Retry.CONFIGURATION),
    ],
)
async def test_a_refusal_keeps_its_class(wecom: Wecom, company: Company, errcode: int, retry: Retry) -> None:
    company.answers = [(200, json.dumps({"errcode": errcode, "errmsg": "no"}))]
    result = await wecom.send(_message())
    assert isinstance(result, NotSent) and (result.retry, result.code) == (retry, str(errcode))


@pytest.mark.parametrize("answer", [None, (500, "oops"), (200, "<html>"), (200, "[]"), (200, '{"errcode":"x"}')])
async def test_silence_or_nonsense_is_unclear(wecom: Wecom, company: Company, answer: tuple[int, str] | None) -> None:
    company.answers = [answer]
    assert isinstance(await wecom.send(_message()), Unclear)
    assert len(company.sends) == 1


async def test_a_hundred_sends_fetch_one_token_and_one_more_when_it_is_stale(wecom: Wecom, company: Company) -> None:
    results: list[Result] = await asyncio.gather(*(wecom.send(_message()) for _ in range(100)))
    assert all(isinstance(result, Sent) for result in results) and len(company.tokens) == 1
    company.stale = {"t1"}
    results = await asyncio.gather(*(wecom.send(_message()) for _ in range(100)))
    assert all(isinstance(result, Sent) for result in results) and len(company.tokens) == 2


async def test_a_token_is_renewed_five_minutes_before_its_end(
    wecom: Wecom, company: Company, clock: ManualClock
) -> None:
    await wecom.send(_message())
    clock.advance(6_899 * SECOND)
    await wecom.send(_message())
    assert len(company.tokens) == 1
    clock.advance(SECOND)
    await wecom.send(_message())
    assert len(company.tokens) == 2


@pytest.mark.parametrize(
    ("answer", "retry"),
    [
        ((200, '{"errcode":40001,"errmsg":"invalid credential"}'), Retry.CONFIGURATION),
        ((200, '{"errcode":60020,"errmsg":"not allow to access from your ip"}'), Retry.CONFIGURATION),
        ((200, '{"errcode":-1,"errmsg":"busy"}'), Retry.TRANSIENT),
        ((500, "oops"), Retry.TRANSIENT),
        (None, Retry.TRANSIENT),
    ],
)
async def test_without_a_token_nothing_was_sent_and_no_secret_is_told(
    wecom: Wecom, http_script: Any, answer: tuple[int, str] | None, retry: Retry
) -> None:
    http_script.answer = lambda asked: answer
    result = await wecom.send(_message())
    assert isinstance(result, NotSent) and result.retry is retry
    assert "s3cret" not in result.detail


async def test_a_closed_channel_says_so(wecom: Wecom) -> None:
    await wecom.close()
    await wecom.close()
    assert isinstance(await wecom.send(_message()), NotSent)


async def test_content_of_another_channel_is_refused(wecom: Wecom) -> None:
    result = await wecom.send(Message("touch01", "wecom", "LiLei", "x", b"\xc1"))
    assert isinstance(result, NotSent) and result.retry is Retry.CONTENT

"""The three adapters and the sandbox's providers, written apart from the same facts, understand each other.

Each message is accepted once and recorded under its touch; each receipt the sandbox pushes is read by the adapter.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from channels import content as contents
from channels.content import EmailContent, SmsContent, WechatContent
from channels.email.settings import SmtpSettings
from channels.email.smtp import SmtpChannel
from channels.reply import Callback
from channels.sandbox.dials import Dial, Fault
from channels.sandbox.record import read_record
from channels.sandbox.server import Sandbox
from channels.sandbox.settings import AliyunAccount, Receipts, SandboxSettings, WechatAccount
from channels.secret import Secret
from channels.sms.aliyun.client import AliyunSms
from channels.sms.aliyun.receipts import parse_reports
from channels.sms.aliyun.settings import AliyunSettings
from channels.wechat.official.callback import parse_callback
from channels.wechat.official.client import WechatOfficial
from channels.wechat.official.settings import WechatSettings
from engine.core.delivery import Retry
from engine.core.events import Receipt
from engine.ports import Channel, Message, NotSent, Sent, Unclear
from engine.runtime.clock import SystemClock

TOUCH = "selld2kaqytwf6tljvalb5snci"
CLOCK = SystemClock()
EMAIL = EmailContent("您好", "<p>您好</p>", "您好", "小店 <news@brand.example>", date=1_772_328_600_000_000)
SMS = SmsContent("", "SMS_1", "小店", {"name": "小 明"})
WECHAT = WechatContent("template", "TPL1", "https://brand.example", {"thing1": "优惠券"})


@pytest.fixture(params=["plain", "encrypted"])
async def sandbox(request: Any, tmp_path: Path, http_script: Any) -> AsyncIterator[Sandbox]:
    http_script.answer = lambda asked: (200, '{"code":0,"msg":"ok"}' if "aliyun" in asked.target else "success")
    receipts = Receipts(
        aliyun_url=f"{http_script.url}/aliyun?key=k", wechat_url=f"{http_script.url}/wechat", delay=0, hurry=1e6
    )
    settings = SandboxSettings(
        record=str(tmp_path / "record.db"),
        receipts=receipts,
        aliyun=AliyunAccount(templates={"SMS_1": "您好${name}，拒收请回复R"}, signs=("小店",)),
        wechat=WechatAccount(encrypted=request.param == "encrypted"),
    )
    running = Sandbox(settings, CLOCK.now)
    await running.start()
    yield running
    await running.stop()


def _wechat_settings(sandbox: Sandbox) -> WechatSettings:
    account = sandbox.settings.wechat
    return WechatSettings(
        account.appid,
        Secret(account.secret),
        token=Secret(account.token),
        aes_key=Secret(account.aes_key if account.encrypted else ""),
        base_url=f"http://127.0.0.1:{sandbox.address.http_port}",
        timeout=1.0,
    )


def _aliyun_settings(sandbox: Sandbox) -> AliyunSettings:
    account = sandbox.settings.aliyun
    return AliyunSettings(
        account.access_key_id,
        Secret(account.access_key_secret),
        base_url=f"http://127.0.0.1:{sandbox.address.http_port}",
        timeout=1.0,
        callback_key=Secret("k"),
    )


def _channels(sandbox: Sandbox) -> dict[str, Channel]:
    smtp = SmtpSettings(
        *("127.0.0.1", sandbox.address.smtp_port, "brand.example", Secret("k")),
        tls="none",
        username=sandbox.settings.smtp.user,
        password=Secret(sandbox.settings.smtp.password),
        bounce_domain="bounce.brand.example",
        timeout=1.0,
    )
    return {
        "email": SmtpChannel(smtp),
        "sms": AliyunSms(_aliyun_settings(sandbox), CLOCK),
        "wechat": WechatOfficial(_wechat_settings(sandbox), CLOCK),
    }


MESSAGES = {
    "email": Message(TOUCH, "email", "mei@brand.example", "hi", contents.encode(EMAIL)),
    "sms": Message(TOUCH, "sms", "+8613800138000", "hi", contents.encode(SMS)),
    "wechat": Message(TOUCH, "wechat", "oABCDEFGHIJKLMNOPQRSTUVWXYZ12", "hi", contents.encode(WECHAT)),
}


def _receipts(http_script: Any, sandbox: Sandbox) -> list[Receipt]:
    found: list[Receipt] = []
    for asked in http_script.asked:
        url = urlsplit(asked.target)
        callback = Callback(asked.method, dict(parse_qsl(url.query)), asked.headers, asked.body, CLOCK.now())
        if url.path == "/aliyun":
            reply, entries = parse_reports(callback, _aliyun_settings(sandbox))
        else:
            reply, entries = parse_callback(callback, _wechat_settings(sandbox))
        assert reply.status == 200
        found += [entry for entry in entries if isinstance(entry, Receipt)]
    return found


async def test_each_message_is_accepted_once_under_its_touch_and_its_receipt_comes_back(
    sandbox: Sandbox, http_script: Any
) -> None:
    sent: dict[str, Sent] = {}
    for name, channel in _channels(sandbox).items():
        await channel.open()
        result = await channel.send(MESSAGES[name])
        await channel.close()
        assert isinstance(result, Sent), result
        sent[name] = result
    await sandbox.settled()
    accepted = read_record(Path(sandbox.settings.record))
    assert [line.key for line in accepted] == [TOUCH] * 3
    told = {receipt.provider: receipt for receipt in _receipts(http_script, sandbox)}
    assert {receipt.fact for receipt in told.values()} == {"DELIVERED"}
    assert (told["aliyun"].touch, told["aliyun"].provider_id) == (TOUCH, sent["sms"].provider_id)
    assert told["aliyun"].recipient == "+8613800138000"
    assert told["wechat"].provider_id == sent["wechat"].provider_id


@pytest.mark.parametrize("fault", [Fault.DROP_REPLY, Fault.STALL, Fault.ERROR_AFTER])
async def test_a_reply_that_is_lost_after_accepting_is_unclear(sandbox: Sandbox, fault: Fault) -> None:
    channels = _channels(sandbox)
    if fault is Fault.ERROR_AFTER:
        del channels["email"]  # an SMTP server that says no has not taken it: that is the protocol's promise
    for name, channel in channels.items():
        await channel.open()
        assert isinstance(await channel.send(MESSAGES[name]), Sent)  # WeChat's token is fetched before the fault
        sandbox.dials.turn(Dial(provider="*", fault=fault, seconds=30))
        result = await channel.send(MESSAGES[name])
        sandbox.dials.clear()
        await channel.close()
        assert isinstance(result, Unclear), (name, fault, result)


@pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.RATE_LIMIT])
async def test_a_refusal_is_certainly_not_sent(sandbox: Sandbox, fault: Fault) -> None:
    wanted = {Fault.REFUSE: Retry.PERMANENT, Fault.RATE_LIMIT: Retry.RATE_LIMITED}[fault]
    for name, channel in _channels(sandbox).items():
        await channel.open()
        sandbox.dials.turn(Dial(provider="*", fault=fault))
        result = await channel.send(MESSAGES[name])
        sandbox.dials.clear()
        await channel.close()
        assert isinstance(result, NotSent), (name, fault, result)
        assert result.retry is wanted, (name, fault, result)
    assert read_record(Path(sandbox.settings.record)) == []

"""The product's adapters against the sandbox: two implementations of each provider that have to agree."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from channels.content import Content, EmailContent, SmsContent, WechatContent, encode
from channels.email.settings import SmtpSettings
from channels.email.smtp import SmtpChannel
from channels.sandbox.dials import Dial, Fault
from channels.sandbox.record import read_record
from channels.sandbox.server import Sandbox
from channels.sandbox.settings import AliyunAccount, SandboxSettings, WechatAccount
from channels.secret import Secret
from channels.sms.aliyun.client import AliyunSms
from channels.sms.aliyun.settings import AliyunSettings
from channels.wechat.official.client import WechatOfficial
from channels.wechat.official.settings import WechatSettings
from engine.core.delivery import Retry
from engine.core.ids import derive
from engine.ports import Channel, Message, NotSent, Sent, Unclear
from engine.runtime.clock import ManualClock

CLOCK = ManualClock(1_800_000_000_000_000)
TOUCH = derive("touch", "r1", "3", 1)

ADDRESSES = {"email": "anna@example.com", "sms": "+8613800138000", "wechat": "oAnna"}
CONTENTS: dict[str, Content] = {
    "email": EmailContent(subject="你好 Anna", html="<p>hi</p>", text="hi", from_="Shop <shop@shop.cn>"),
    "sms": SmsContent(template_code="SMS_1", sign_name="小店", params={"name": "a b+c~小明"}),
    "wechat": WechatContent(type="template", template_id="T1", data={"thing1": "你好"}),
}
MAKERS: dict[str, Callable[[Sandbox], Channel]] = {
    "email": lambda sandbox: SmtpChannel(
        SmtpSettings("127.0.0.1", sandbox.address.smtp_port, "shop.cn", Secret("k"), tls="none")
    ),
    "sms": lambda sandbox: AliyunSms(
        AliyunSettings(
            AliyunAccount().access_key_id, Secret(AliyunAccount().access_key_secret), base_url=sandbox.address.url
        ),
        CLOCK,
    ),
    "wechat": lambda sandbox: WechatOfficial(
        WechatSettings(WechatAccount().appid, Secret(WechatAccount().secret), base_url=sandbox.address.url), CLOCK
    ),
}


def message(channel: str, to: str = "") -> Message:
    return Message(
        key=TOUCH,
        channel=channel,
        address=to or ADDRESSES[channel],
        template="welcome",
        content=encode(CONTENTS[channel]),
    )


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    running = Sandbox(SandboxSettings(record=str(tmp_path / "record.db")), CLOCK.now)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture(params=list(MAKERS))
async def channel(request: pytest.FixtureRequest, sandbox: Sandbox) -> AsyncIterator[Channel]:
    made = MAKERS[request.param](sandbox)
    await made.open()
    yield made
    await made.close()


async def test_what_the_adapter_signs_the_provider_accepts_under_the_touchs_name(
    sandbox: Sandbox, channel: Channel
) -> None:
    result = await channel.send(message(channel.channel))
    assert isinstance(result, Sent)
    (line,) = read_record(sandbox.settings.record)
    assert (line.key, line.provider, line.recipient) == (TOUCH, channel.provider, ADDRESSES[channel.channel])


@pytest.mark.parametrize(
    ("fault", "expected", "kept"),
    [
        (Fault.REFUSE, Retry.PERMANENT, 0),
        (Fault.RATE_LIMIT, Retry.RATE_LIMITED, 0),
        (Fault.DOWN, None, 0),
        (Fault.DROP_REPLY, None, 1),
    ],
)
async def test_each_fault_is_read_for_what_it_is(
    sandbox: Sandbox, channel: Channel, fault: Fault, expected: Retry | None, kept: int
) -> None:
    sandbox.dials.turn(Dial(provider=channel.provider, fault=fault))
    result = await channel.send(message(channel.channel))
    assert len(read_record(sandbox.settings.record)) == kept
    if expected is not None:
        assert isinstance(result, NotSent)
        assert result.retry is expected
    elif kept:
        assert isinstance(result, Unclear)
    else:
        assert not isinstance(result, Sent)


async def test_an_error_after_accepting_is_never_read_as_certainly_not_sent_over_http(
    sandbox: Sandbox, channel: Channel
) -> None:
    sandbox.dials.turn(Dial(provider=channel.provider, fault=Fault.ERROR_AFTER))
    result = await channel.send(message(channel.channel))
    assert len(read_record(sandbox.settings.record)) == 1
    if channel.channel != "email":  # an SMTP server that says 5xx has, by the protocol, not taken the mail
        assert isinstance(result, Unclear)


async def test_wechat_collapses_a_resend_under_the_same_touch(sandbox: Sandbox) -> None:
    channel = MAKERS["wechat"](sandbox)
    await channel.open()
    sandbox.dials.turn(Dial(provider="wechat", fault=Fault.DROP_REPLY, count=1))
    assert isinstance(await channel.send(message("wechat")), Unclear)
    assert isinstance(await channel.send(message("wechat")), Sent)
    await channel.close()
    assert [line.deduped for line in read_record(sandbox.settings.record)] == [False, True]


async def test_an_expired_token_is_renewed_in_mid_run(sandbox: Sandbox) -> None:
    channel = MAKERS["wechat"](sandbox)
    await channel.open()
    for change in (sandbox.wechat.tokens.expire, sandbox.wechat.tokens.revoke):
        assert isinstance(await channel.send(message("wechat")), Sent)
        change()
        assert isinstance(await channel.send(message("wechat", "oBen")), Sent)
    await channel.close()

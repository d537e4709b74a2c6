"""The product's adapters against the sandbox: two implementations of each provider that have to agree."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from msgspec.structs import replace

from channels.content import (
    Content,
    EmailContent,
    PushContent,
    SmsContent,
    WebhookContent,
    WechatContent,
    WecomContent,
    encode,
)
from channels.email.settings import SmtpSettings
from channels.email.smtp import SmtpChannel
from channels.push.client import Fcm
from channels.push.settings import FcmSettings
from channels.sandbox.dials import Dial, Fault
from channels.sandbox.record import read_record
from channels.sandbox.server import Sandbox
from channels.sandbox.settings import (
    AliyunAccount,
    FcmAccount,
    SandboxSettings,
    WebhookAccount,
    WechatAccount,
    WecomAccount,
)
from channels.secret import Secret
from channels.sms.aliyun.client import AliyunSms
from channels.sms.aliyun.settings import AliyunSettings
from channels.webhook.client import Webhooks
from channels.webhook.settings import WebhookSettings
from channels.wechat.official.client import WechatOfficial
from channels.wechat.official.settings import WechatSettings
from channels.wechat.wecom.client import Wecom
from channels.wechat.wecom.settings import WecomSettings
from engine.core.delivery import Retry
from engine.core.ids import derive
from engine.ports import Channel, Message, NotSent, Sent, Unclear
from engine.runtime.clock import ManualClock

CLOCK = ManualClock(1_800_000_000_000_000)
TOUCH = derive("touch", "r1", "3", 1)

PUSH_KEY = rsa.generate_private_key(65_537, 2_048)
PRIVATE = PUSH_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC = PUSH_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
HOOK = "crm.example/hooks"

ADDRESSES = {
    **{"email": "anna@example.com", "sms": "+8613800138000", "wechat": "oAnna"},
    **{"wecom": "LiLei", "webhook": f"https://{HOOK}", "push": "device-1"},
}
CONTENTS: dict[str, Content] = {
    "email": EmailContent(subject="你好 Anna", html="<p>hi</p>", text="hi", from_="Shop <shop@shop.cn>"),
    "sms": SmsContent(template_code="SMS_1", sign_name="小店", params={"name": "a b+c~小明"}),
    "wechat": WechatContent(type="template", template_id="T1", data={"thing1": "你好"}),
    "wecom": WecomContent("colleague", f"请致电小明\n\n编号：{TOUCH}"),
    "webhook": WebhookContent(f"https://{HOOK}", '{"type":"journey.webhook","data":{"name":"小明"}}'.encode()),
    "push": PushContent("你好", "Your order is on its way", {"screen": "orders"}),
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
    "wecom": lambda sandbox: Wecom(
        WecomSettings(
            *(WecomAccount().corp_id, WecomAccount().agent_id, Secret(WecomAccount().secret)), sandbox.address.url
        ),
        CLOCK,
    ),
    "webhook": lambda sandbox: Webhooks(
        WebhookSettings(
            (Secret(WebhookAccount().secret),), ("127.0.0.1:*",), divert=f"{sandbox.address.url}/hooks", timeout=2.0
        ),
        CLOCK,
    ),
    "push": lambda sandbox: Fcm(
        FcmSettings(FcmAccount().project, Secret(json.dumps(push_account(sandbox))), sandbox.address.url), CLOCK
    ),
}


def push_account(sandbox: Sandbox) -> dict[str, str]:
    return {
        "client_email": FcmAccount().client_email,
        "private_key": PRIVATE,
        "token_uri": f"{sandbox.address.url}/token",
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
    settings = SandboxSettings(record=str(tmp_path / "record.db"), fcm=FcmAccount(public_key=PUBLIC))
    running = Sandbox(settings, CLOCK.now)
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
    to = f"{sandbox.address.url}/hooks/{HOOK}" if channel.channel == "webhook" else ADDRESSES[channel.channel]
    assert (line.key, line.provider, line.recipient) == (TOUCH, channel.provider, to)


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


@pytest.mark.parametrize("name", ["wechat", "wecom", "webhook"])
async def test_a_provider_with_a_key_collapses_a_resend_under_the_same_touch(sandbox: Sandbox, name: str) -> None:
    channel = MAKERS[name](sandbox)
    assert channel.key_window > 0
    await channel.open()
    sandbox.dials.turn(Dial(provider=name, fault=Fault.DROP_REPLY, count=1))
    assert isinstance(await channel.send(message(name)), Unclear)
    assert isinstance(await channel.send(message(name)), Sent)
    await channel.close()
    assert [line.deduped for line in read_record(sandbox.settings.record)] == [False, True]


@pytest.mark.parametrize("name", ["wechat", "wecom", "push"])
async def test_an_expired_token_is_renewed_in_mid_run(sandbox: Sandbox, name: str) -> None:
    channel = MAKERS[name](sandbox)
    await channel.open()
    tokens = {"wechat": sandbox.wechat.tokens, "wecom": sandbox.wecom.tokens, "push": sandbox.fcm.tokens}[name]
    for change in (tokens.expire, tokens.revoke):
        assert isinstance(await channel.send(message(name)), Sent)
        change()
        assert isinstance(await channel.send(message(name, "oBen")), Sent)
    await channel.close()


async def test_a_restarted_sandbox_still_knows_what_it_took(tmp_path: Path, sandbox: Sandbox) -> None:
    for name in ("wecom", "webhook"):
        channel = MAKERS[name](sandbox)
        await channel.open()
        assert isinstance(await channel.send(message(name)), Sent)
        await channel.close()
    port = sandbox.address.http_port
    await sandbox.stop()
    again = Sandbox(replace(sandbox.settings, http_port=port), CLOCK.now)
    await again.start()
    for name in ("wecom", "webhook"):
        channel = MAKERS[name](again)
        await channel.open()
        assert isinstance(await channel.send(message(name)), Sent)
        await channel.close()
    await again.stop()
    assert [line.deduped for line in read_record(tmp_path / "record.db")] == [False, False, True, True]

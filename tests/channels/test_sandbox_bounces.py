"""Mail that comes back from the sandbox: written as mail systems write it, read by the product."""

from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from msgspec.structs import replace

from channels import content as contents
from channels.content import EmailContent
from channels.email.bounce import parse_bounce
from channels.email.settings import SmtpSettings
from channels.email.smtp import SmtpChannel
from channels.reply import Callback
from channels.sandbox.dials import Dial, Fault
from channels.sandbox.record import read_record
from channels.sandbox.server import Sandbox
from channels.sandbox.settings import Receipts, SandboxSettings
from channels.secret import Secret
from engine.bootstrap.sandbox_process import CALLBACKS, settings_of
from engine.core.events import Receipt
from engine.core.ids import derive
from engine.ports import Message, Sent, Unclear
from engine.runtime.clock import SystemClock

CLOCK = SystemClock()
TOUCH = derive("touch", "r1", "3", 1)
EMAIL = contents.encode(
    EmailContent("您好", "<p>您好</p>", "您好", "小店 <news@brand.example>", date=1_772_328_600_000_000)
)


@pytest.fixture
async def sandbox(tmp_path: Path, http_script: Any) -> AsyncIterator[Sandbox]:
    http_script.answer = lambda asked: (200, '{"ok":true}')
    rules = Receipts(email_url=f"{http_script.url}/bounce?key=k", delay=0, hurry=1e6)
    running = Sandbox(SandboxSettings(record=str(tmp_path / "record.db"), receipts=rules), CLOCK.now)
    await running.start()
    yield running
    await running.stop()


def settings(sandbox: Sandbox, bounce_domain: str = "bounce.brand.example") -> SmtpSettings:
    port = sandbox.address.smtp_port
    return SmtpSettings("127.0.0.1", port, "brand.example", Secret("k"), tls="none", bounce_domain=bounce_domain)


async def send(sandbox: Sandbox, to: str, bounce_domain: str = "bounce.brand.example") -> object:
    channel = SmtpChannel(settings(sandbox, bounce_domain))
    await channel.open()
    result = await channel.send(Message(TOUCH, "email", to, "hi", EMAIL))
    await channel.close()
    await sandbox.settled()
    return result


def receipts(http_script: Any, sandbox: Sandbox) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for asked in http_script.asked:
        query = dict(parse_qsl(urlsplit(asked.target).query))
        assert query["key"] == "k"
        reply, entries = parse_bounce(
            Callback(asked.method, query, asked.headers, asked.body, CLOCK.now()), settings(sandbox)
        )
        assert reply.status == 200
        found += [(entry.touch, entry.fact) for entry in entries if isinstance(entry, Receipt)]
    return found


@pytest.mark.parametrize("bounce_domain", ["bounce.brand.example", ""], ids=["verp", "message-id"])
@pytest.mark.parametrize(
    ("to", "fact"),
    [
        ("late-bounce@x.cn", "HARD_BOUNCE"),
        ("Late-Bounce+7@x.cn", "HARD_BOUNCE"),
        ("late-full@x.cn", "SOFT_BOUNCE"),
        ("later@x.cn", "DEFERRED"),
        ("complain+1@x.cn", "COMPLAINED"),
    ],
)
async def test_what_comes_back_names_the_touch_and_says_what_became_of_it(
    sandbox: Sandbox, http_script: Any, to: str, fact: str, bounce_domain: str
) -> None:
    assert isinstance(await send(sandbox, to, bounce_domain), Sent)
    assert receipts(http_script, sandbox) == [(TOUCH, fact)]
    assert [line.recipient for line in read_record(sandbox.settings.record)] == [to]


async def test_mail_that_arrives_is_never_spoken_of_again(sandbox: Sandbox, http_script: Any) -> None:
    assert isinstance(await send(sandbox, "mei@x.cn"), Sent)
    assert http_script.asked == []


async def test_a_report_is_mail_as_other_parsers_read_it(sandbox: Sandbox, http_script: Any) -> None:
    await send(sandbox, "late-bounce@x.cn")
    (asked,) = http_script.asked
    mail = message_from_bytes(asked.body, policy=policy.default)
    assert asked.headers["content-type"] == "message/rfc822"
    assert not any(part.defects for part in mail.walk())
    assert [part.get_content_type() for part in mail.walk() if not part.is_multipart()] == [
        "text/plain", "text/plain", "text/plain", "text/rfc822-headers"
    ]  # fmt: skip
    assert [part.get_content_type() for part in mail.iter_parts()] == [
        "text/plain", "message/delivery-status", "text/rfc822-headers"
    ]  # fmt: skip
    to = dict(parse_qsl(urlsplit(asked.target).query))["to"]
    assert to.startswith(f"b+{TOUCH}=")
    assert to in str(mail["To"])


async def test_reports_repeat_get_lost_and_are_tried_again_by_the_rules_of_receipts(
    sandbox: Sandbox, http_script: Any
) -> None:
    courier = sandbox.couriers["email"]
    courier.rules = replace(courier.rules, duplicate=1.0)
    await send(sandbox, "late-bounce@x.cn")
    assert receipts(http_script, sandbox) == [(TOUCH, "HARD_BOUNCE")] * 2
    courier.rules = replace(courier.rules, duplicate=0.0, lost=1.0)
    await send(sandbox, "late-bounce@x.cn")
    assert len(http_script.asked) == 2
    courier.rules = replace(courier.rules, lost=0.0)
    http_script.answer = lambda asked: (503, "")
    await send(sandbox, "late-bounce@x.cn")
    assert (len(http_script.asked), courier.tally.given_up) == (6, 1)


async def test_an_early_report_is_there_before_the_mail_is_answered(sandbox: Sandbox, http_script: Any) -> None:
    courier = sandbox.couriers["email"]
    courier.rules = replace(courier.rules, early=True)
    sandbox.dials.turn(Dial(provider="smtp", fault=Fault.DROP_REPLY, count=1))
    assert isinstance(await send(sandbox, "complain@x.cn"), Unclear)
    assert receipts(http_script, sandbox) == [(TOUCH, "COMPLAINED")]


def test_the_process_calls_back_where_the_daemon_listens() -> None:
    made = settings_of(["--record", "r.db", "--callback", "http://d:1/callbacks/", "--callback-secret", "s"]).receipts
    assert made.aliyun_url == "http://d:1/callbacks/sms/aliyun/s"
    assert made.wechat_url == "http://d:1/callbacks/wechat/official/s"
    assert made.email_url == "http://d:1/callbacks/email/bounce/s"
    assert made.aliyun_replies_url == "http://d:1/callbacks/sms/aliyun-replies/s"
    apart = settings_of(["--record", "r.db", "--email-callback", "http://d:1/x"]).receipts
    assert (apart.email_url, apart.aliyun_url) == ("http://d:1/x", "")
    assert len(CALLBACKS) == 4

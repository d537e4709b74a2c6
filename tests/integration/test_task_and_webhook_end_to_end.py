"""Tasks, webhooks, WeCom and push through the embedded system and the sandbox's providers: each arrives once, signed.

Only the clock is ours. A process that dies between lease and outcome is played by a hand-over that never reports.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec.structs import replace

from channels.sandbox.dials import Dial, Fault
from channels.sandbox.record import Accepted, RecordQuery, read_record
from channels.sandbox.server import Sandbox
from deploy.local import free_ports
from engine.bootstrap.doctor import doctor
from engine.bootstrap.providers import channels_of, sandbox_settings
from engine.bootstrap.storage import Files
from engine.bootstrap.system import embedded
from engine.bootstrap.workspace import Workspace
from engine.core.events import Event
from engine.core.ids import DAY, HOUR, MINUTE, SECOND, Micros
from engine.ports import TouchQuery, TouchRow
from engine.runtime.clock import ManualClock
from engine.runtime.embedded import Embedded

TEN: Final = 1_772_416_800_000_000  # 2026-03-02 10:00 in Shanghai
EVERY: Final = 5  # touches of the journey
CRM: Final = "https://crm.example/hooks"
JOURNEY: Final = """\
journey: big-deal
title: Big deal
stage: retain
purpose: transactional
enter: {on: order_paid, again: always}
steps:
  - task:
      to: customer.owner
      title: "Call {{ customer.name }}"
      note: "{{ account.name }} paid {{ enter.total }}"
      due: 2d
  - webhook: {url: "https://crm.example/hooks", body: {who: customer.name, total: enter.total}}
  - send: thanks
    via: wecom
  - send: thanks
    via: push
  - send: thanks
    via: webhook
"""
FILES: Final = {
    "journeys/big-deal.yaml": JOURNEY,
    "templates/thanks/wecom.yaml": "text: 'Thank you, {{ customer.name }}'\nsender: LiLei\n",
    "templates/thanks/push.yaml": "title: Thank you\nbody: '{{ customer.name }}'\n",
    "templates/thanks/webhook.yaml": "url: https://loyalty.example/points\nbody: {name: '{{ customer.name }}'}\n",
}


class Shop:
    """A workspace on disk, the sandbox, and a system over them that may die and come back."""

    def __init__(self, root: Path) -> None:
        self.root, self.clock = root, ManualClock(TEN)
        self.workspace: Workspace
        self.sandbox: Sandbox
        self.files: Files
        self.system: Embedded

    async def open(self) -> None:
        for name, text in FILES.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text, encoding="utf-8")
        smtp, http = free_ports(2)
        (self.root / "journeyd.yaml").write_text(
            f"sandbox: {{enabled: true, smtp_port: {smtp}, http_port: {http}}}\ndefault_zone: Asia/Shanghai\n"
        )
        self.workspace = Workspace.open(self.root, {})
        settings = sandbox_settings(self.workspace)
        self.sandbox = Sandbox(replace(settings, receipts=replace(settings.receipts, email_url="")), self.clock.now)
        await self.sandbox.start()

    async def start(self, trip: Callable[[str], None] | None = None) -> None:
        self.files = self.workspace.files()
        self.system = embedded(self.workspace, self.files, self.clock)
        if trip is not None:
            self.system.arm(trip)
        await self.system.start()

    async def stop(self, deadline: float = 10.0) -> None:
        await self.system.stop(deadline)
        self.files.close()

    async def pays(self, user: str, owner: str) -> None:
        """Let somebody pay, and everything that follows of it leave."""
        await self.paid(user, owner)
        await self.passes(0)

    async def paid(self, user: str, owner: str) -> None:
        def paid(stamp: Micros) -> list[Event]:
            identifiers = {"user_id": user, "external_userid": f"wm_{user}", "device_id": f"d_{user}"}
            event = Event(f"paid-{user}-{stamp}", "order_paid", stamp, stamp, identifiers=identifiers)
            event = replace(event, account="acme", account_traits={"name": "ACME"})
            return [replace(event, properties={"total": 900}, traits={"name": "小明", "owner": owner})]

        await self.system.accept(paid)

    async def passes(self, time: Micros) -> None:
        self.clock.advance(time)
        await self.system.drained()
        self.system.dispatcher.wake()
        await self.system.dispatcher.drain()

    async def rows(self, channel: str) -> list[TouchRow]:
        return await self.system.call(lambda store, _: store.find_touches(TouchQuery(channel=channel)))

    async def until(self, channel: str, state: str) -> list[TouchRow]:
        """Wait until every touch of the channel is in the state."""
        async with asyncio.timeout(20):
            while True:
                rows = await self.rows(channel)
                if rows and all(row.state == state for row in rows):
                    return rows

    def accepted(self, provider: str) -> list[Accepted]:
        return read_record(self.sandbox.settings.record, RecordQuery(provider=provider, bodies=True))


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    made = Shop(tmp_path)
    await made.open()
    yield made
    await made.sandbox.stop()


def _said(line: Accepted) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(line.body)
    return said


async def test_a_task_a_webhook_wecom_and_push_all_arrive_once_under_their_touch(shop: Shop) -> None:
    await shop.start()
    await shop.pays("u1", "li@brand.example")
    hooks = await shop.until("webhook", "sent")
    (task,) = await shop.until("email", "sent")
    await shop.until("wecom", "sent")
    await shop.until("push", "sent")
    await shop.passes(DAY)
    await shop.stop()

    mail = message_from_bytes(shop.accepted("smtp")[0].body, _class=EmailMessage, policy=policy.default)
    assert (mail["to"], mail["subject"], mail["list-unsubscribe"]) == ("li@brand.example", "Call 小明", None)
    text = mail.get_content().replace("\r\n", "\n")
    assert text.startswith("ACME paid 900\n\n截止：2026-03-04 10:00 (Asia/Shanghai)\n客户：小明, user_id u1,")
    assert text.endswith(f"编号：{task.touch.id}\n") and "/t/" not in text

    took = {line.recipient.partition("/hooks/")[2]: line for line in shop.accepted("webhook")}
    assert set(took) == {"crm.example/hooks", "loyalty.example/points"}
    assert {line.key for line in took.values()} == {row.touch.id for row in hooks}
    said = _said(took["crm.example/hooks"])
    assert (said["type"], said["journey"], said["data"]) == (
        "journey.webhook",
        "big-deal",
        {"who": "小明", "total": 900},
    )
    assert {said["run"], said["customer"]} == {task.touch.run, task.touch.customer}
    assert _said(took["loyalty.example/points"])["data"] == {"name": "小明"}

    (wecom,), (push,) = shop.accepted("wecom"), shop.accepted("fcm")
    assert (wecom.recipient, wecom.subject) == ("wm_u1", "to be confirmed by LiLei")
    assert (push.recipient, push.subject, push.text) == ("d_u1", "Thank you", "小明")


async def test_a_task_for_a_member_goes_to_wecom_under_its_touch(shop: Shop) -> None:
    await shop.start()
    await shop.pays("u1", "LiLei")
    await shop.until("wecom", "sent")
    (task,) = [row for row in await shop.rows("wecom") if row.touch.kind == "task"]
    await shop.stop()
    (line,) = [line for line in shop.accepted("wecom") if line.recipient == "LiLei"]
    assert (line.key, shop.accepted("smtp")) == (task.touch.id, [])


async def test_a_process_killed_before_it_could_report_sends_the_webhook_again_under_the_same_id(shop: Shop) -> None:
    deaths, over = list[str](), asyncio.Event()

    def die(point: str) -> None:
        if point == "send.after":
            deaths.append(point)
            if len(deaths) == EVERY:
                over.set()
            raise asyncio.CancelledError  # the receiver has it, and no word of that reaches the log

    await shop.start(die)
    await shop.paid("u1", "li@brand.example")
    async with asyncio.timeout(20):
        await over.wait()
    await shop.stop(0.0)
    assert [line.deduped for line in shop.accepted("webhook")] == [False, False]

    shop.clock.advance(MINUTE)
    await shop.start()
    await shop.passes(HOUR)
    rows = await shop.until("webhook", "sent")
    await shop.stop()
    lines = shop.accepted("webhook")
    assert [line.deduped for line in lines] == [False, False, True, True]
    assert {line.key for line in lines} == {row.touch.id for row in rows}
    bodies = {line.key: {other.body for other in lines if other.key == line.key} for line in lines}
    assert all(len(sent) == 1 for sent in bodies.values())  # the same bytes, byte for byte


async def test_one_endpoint_that_is_down_holds_no_other_up(shop: Shop) -> None:
    await shop.start()
    shop.sandbox.dials.turn(Dial(provider="webhook", fault=Fault.ERROR_BEFORE, count=6))
    for number in range(6):
        await shop.pays(f"u{number}", "li@brand.example")
    breaker = shop.system.dispatcher.lanes["webhook"].breaker
    assert not breaker.is_open
    for _ in range(4):
        await shop.passes(HOUR)
    rows = await shop.until("webhook", "sent")
    await shop.stop()
    assert len(rows) == 12
    assert len([line for line in shop.accepted("webhook") if not line.deduped]) == 12


async def test_a_device_that_is_gone_is_not_written_to_again(shop: Shop) -> None:
    await shop.start()
    await shop.pays("bounce", "li@brand.example")
    await shop.until("push", "failed")
    shop.clock.advance(SECOND)
    await shop.pays("bounce", "li@brand.example")
    rows = await shop.rows("push")
    await shop.stop()
    assert {str(row.state) for row in rows} == {"failed", "dropped"}
    assert shop.accepted("fcm") == []


def test_every_channel_of_the_language_is_there_with_the_sandbox_and_webhooks_without(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text.replace(CRM, "https://crm.example:2222/x"), encoding="utf-8")
    file = tmp_path / "journeyd.yaml"
    file.write_text("sandbox: {enabled: true}\n")
    every = {"email", "sms", "wechat", "wecom", "push", "webhook"}
    assert set(channels_of(Workspace.open(tmp_path, {}), ManualClock(TEN))) == every
    file.write_text("{}\n")
    workspace = Workspace.open(tmp_path, {})
    assert set(channels_of(workspace, ManualClock(TEN))) == {"webhook"}
    key = workspace.data / "webhook.key"
    assert key.read_text().startswith("whsec_") and key.stat().st_mode & 0o077 == 0
    assert workspace.webhook_secrets() == Workspace.open(tmp_path, {}).webhook_secrets()
    (told,) = [one for one in doctor(workspace) if "2222" in one.detail]
    assert (told.what, told.level) == ("channel webhook", "problem")


def test_a_webhooks_secrets_may_be_replaced_one_after_the_other(tmp_path: Path) -> None:
    file = tmp_path / "journeyd.yaml"
    file.write_text("webhook: {secret: env:NEW, old_secret: env:OLD, timeout: 5s}\n")
    workspace = Workspace.open(tmp_path, {"NEW": "whsec_bmV3", "OLD": "whsec_b2xk"})
    assert workspace.webhook_secrets() == ["whsec_bmV3", "whsec_b2xk"]
    assert workspace.settings.webhook.timeout == 5 * SECOND

"""Query first: doubtful hand-overs are asked about where the provider can be asked, and never sent twice for it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from channels.content import SmsContent, encode
from channels.sandbox.dials import Dial, Fault
from channels.sandbox.record import read_record
from channels.sandbox.server import Sandbox
from channels.sandbox.settings import AliyunAccount, SandboxSettings
from channels.secret import Secret
from channels.sms.aliyun.client import AliyunSms
from channels.sms.aliyun.settings import AliyunSettings
from engine.core.commands import Touch
from engine.core.delivery import Fact, TouchState
from engine.core.events import Entry
from engine.core.events import encode as encode_entry
from engine.core.ids import DAY, HOUR, MINUTE, SECOND, Micros
from engine.core.plan import Manual, Plan, Stop, seal
from engine.core.playbook import Playbook
from engine.core.state import Account, Consent, Customer
from engine.ports import Answering, Changes, Channel, Message, Rendered, Result, Sent, Store, TouchRow, Unclear
from engine.runtime.clock import ManualClock
from engine.runtime.dispatcher import Dispatcher
from engine.runtime.engine import Engine
from engine.runtime.inquiry import LIMIT, Inquiry
from engine.store.memory.log import MemoryLog
from engine.store.memory.store import MemoryStore

T = TypeVar("T")
NOON = 1_772_366_400_000_000
PLAN = seal(Plan("rescue", "Rescue", "monetize", Manual(), (Stop("1"),)))
PHONE = "+8613800138000"


class Silent:
    """A provider that never answers a send, and a question as the test says."""

    provider, channel, key_window = "quiet", "sms", 0

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.asked: list[tuple[str, str, Micros]] = []
        self.answer: Callable[[str], Sent | None] = lambda key: None

    async def open(self) -> None:
        pass

    async def send(self, message: Message) -> Result:
        self.sent.append(message.key)
        return Unclear("no word")

    async def look_up(self, message_key: str, address: str, at: Micros) -> Sent | None:
        self.asked.append((message_key, address, at))
        return self.answer(message_key)

    async def close(self) -> None:
        pass


class Texts:
    """Renders one approved template."""

    def render(
        self, touch: Touch, customer: Customer, account: Account | None = None, contact: Customer | None = None
    ) -> Rendered:
        return Rendered(encode(SmsContent("", "SMS_1", "小店", {"name": customer.id})), "h")


class Desk:
    """The engine as the dispatcher sees it, stepped in the test's own thread."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock, self.store, self.log = clock, MemoryStore(), MemoryLog()
        self.engine = Engine(self.store, self.log, clock.now, lambda: Playbook([PLAN]))

    async def call(self, use_case: Callable[[Store, Playbook], T]) -> T:
        return use_case(self.store, self.engine.playbook)

    async def accept(self, make: Callable[[Micros], Sequence[Entry]]) -> int:
        offset = self.log.append([encode_entry(entry) for entry in make(self.clock.now())])
        self.engine.drain()
        return offset

    async def drained(self) -> None:
        self.engine.drain()

    def plan(self, *ids: str) -> None:
        fields = {"journey": "rescue", "version": PLAN.version, "step": "1", "customer": "c1", "channel": "sms"}
        rest = {"template": "hello", "address": PHONE, "purpose": "marketing", "planned": NOON, "due": NOON}
        touches = [Touch(id=id_, run=f"r-{id_}", **fields, **rest) for id_ in ids]  # type: ignore[arg-type]
        mei = Customer("c1", created=NOON - DAY, consents={"marketing": Consent(True, NOON - DAY)})
        with self.store.unit() as unit:
            unit.commit(Changes(customers={"c1": mei}, touches=touches))

    def row(self, id_: str) -> TouchRow:
        return self.store.touches([id_])[id_]


@asynccontextmanager
async def office(clock: ManualClock, channel: Channel) -> AsyncIterator[tuple[Desk, Dispatcher]]:
    desk = Desk(clock)
    dispatcher = Dispatcher(desk, {"sms": channel}, Texts(), clock)
    async with asyncio.timeout(20):
        await dispatcher.start()
        try:
            yield desk, dispatcher
        finally:
            await dispatcher.stop(1.0)


async def test_a_doubt_is_asked_about_three_times_and_then_left_to_ops() -> None:
    clock, channel = ManualClock(NOON), Silent()
    async with office(clock, channel) as (desk, dispatcher):
        desk.plan("t1")
        await dispatcher.drain()
        assert await dispatcher.inquiry.turn() == NOON + 30 * SECOND
        assert channel.asked == []
        asked_after = []
        for wait in (30 * SECOND, 5 * MINUTE, 25 * MINUTE, DAY):
            clock.advance(wait)
            following = await dispatcher.inquiry.turn()
            asked_after.append((len(channel.asked), following and following - NOON))
        assert asked_after == [(1, 5 * MINUTE), (2, 30 * MINUTE), (3, 0), (3, 0)]
        assert set(channel.asked) == {("t1", PHONE, NOON)}
        assert (desk.row("t1").state, channel.sent) == (TouchState.UNCERTAIN, ["t1"])


async def test_a_find_is_an_outcome_in_the_log_and_the_runs_hear_of_it() -> None:
    clock, channel = ManualClock(NOON), Silent()
    channel.answer = lambda key: Sent("biz-7", "found", delivered=True)
    async with office(clock, channel) as (desk, dispatcher):
        desk.plan("t1")
        await dispatcher.drain()
        clock.advance(MINUTE)
        assert await dispatcher.inquiry.turn() == 0
        row = desk.row("t1")
        assert (row.state, row.reason, row.provider_id) == (TouchState.SENT, "looked_up", "biz-7")
        assert row.facts == Fact.ACCEPTED | Fact.DELIVERED
        (attempt,) = desk.store.attempts("t1")
        assert (attempt.started, attempt.ended, attempt.outcome) == (NOON, NOON + MINUTE, "sent")
        clock.advance(HOUR)
        await dispatcher.inquiry.turn()
        assert len(channel.asked) == 1


async def test_a_flood_of_doubts_is_asked_about_in_bounded_groups() -> None:
    clock, channel = ManualClock(NOON), Silent()
    async with office(clock, channel) as (desk, dispatcher):
        desk.plan(*(f"t{n}" for n in range(LIMIT + 5)))
        for _ in range(LIMIT + 5):  # the breaker lets one probe through at a time
            clock.advance(10 * MINUTE)
            await dispatcher.drain()
        await dispatcher.stop()
        channel.asked.clear()
        clock.advance(MINUTE)
        inquiry = Inquiry(desk, {"sms": channel}, clock, SECOND)
        assert await inquiry.turn() == clock.now() + SECOND
        assert len(channel.asked) == LIMIT
        await inquiry.turn()
        assert len({key for key, _, _ in channel.asked}) == LIMIT + 5


async def test_a_question_that_goes_wrong_leaves_the_doubt_as_it_was() -> None:
    clock, channel = ManualClock(NOON), Silent()
    told: list[Exception] = []

    def broken(key: str) -> Sent | None:
        raise RuntimeError("a bug")

    channel.answer = broken
    async with office(clock, channel) as (desk, dispatcher):
        desk.plan("t1")
        await dispatcher.drain()
        clock.advance(MINUTE)
        assert await dispatcher.inquiry.turn(told.append) == NOON + 5 * MINUTE
        assert desk.row("t1").state is TouchState.UNCERTAIN
        assert [str(problem) for problem in told] == ["a bug"]


async def test_a_restart_asks_once_about_what_the_last_process_left() -> None:
    clock, channel = ManualClock(NOON), Silent()
    async with office(clock, channel) as (desk, dispatcher):
        desk.plan("t1")
        await dispatcher.drain()
        clock.advance(3 * HOUR)
        again = Dispatcher(desk, {"sms": channel}, Texts(), clock)
        assert await again.inquiry.turn() == 0
        assert len(channel.asked) == 1
        await again.inquiry.turn()
        assert len(channel.asked) == 1


async def test_the_inquiry_goes_by_itself_when_the_first_instant_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.usecases.doubt.LOOK_UPS", (20_000,))
    clock, channel = ManualClock(NOON), Silent()
    asked = asyncio.Event()

    def answer(key: str) -> Sent | None:
        asked.set()
        return Sent("biz")

    channel.answer = answer
    async with office(clock, channel) as (desk, dispatcher):
        desk.plan("t1")
        await dispatcher.drain()
        clock.advance(SECOND)
        await asked.wait()
        await dispatcher.stop()
        assert desk.row("t1").state is TouchState.SENT


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[tuple[Sandbox, ManualClock]]:
    clock = ManualClock(NOON)
    running = Sandbox(SandboxSettings(record=str(tmp_path / "record.db")), clock.now)
    await running.start()
    yield running, clock
    await running.stop()


def adapter(sandbox: Sandbox, clock: ManualClock) -> AliyunSms:
    account, url = AliyunAccount(), sandbox.address.url
    return AliyunSms(AliyunSettings(account.access_key_id, Secret(account.access_key_secret), base_url=url), clock)


async def test_a_lost_reply_of_the_sms_provider_is_looked_up_and_no_second_sms_leaves(
    sandbox: tuple[Sandbox, ManualClock],
) -> None:
    provider, clock = sandbox
    provider.dials.turn(Dial(provider="aliyun", fault=Fault.DROP_REPLY, count=1))
    channel = adapter(provider, clock)
    assert isinstance(channel, Answering)
    async with office(clock, channel) as (desk, dispatcher):
        desk.plan("t1")
        await dispatcher.drain()
        assert desk.row("t1").state is TouchState.UNCERTAIN
        clock.advance(30 * SECOND)
        await dispatcher.inquiry.turn()
        assert (desk.row("t1").state, desk.row("t1").reason) == (TouchState.SENT, "looked_up")
        assert [line.key for line in read_record(provider.settings.record)] == ["t1"]


async def test_what_the_provider_does_not_list_stays_in_doubt(sandbox: tuple[Sandbox, ManualClock]) -> None:
    provider, clock = sandbox
    channel = adapter(provider, clock)
    assert await channel.look_up("t1", PHONE, NOON) is None  # closed
    await channel.open()
    assert await channel.look_up("t1", PHONE, NOON) is None  # nothing was sent
    message = Message("t2", "sms", PHONE, "hello", encode(SmsContent("", "SMS_1", "小店")))
    assert isinstance(await channel.send(message), Sent)
    assert await channel.look_up("t1", PHONE, NOON) is None
    assert await channel.look_up("t2", "+8613800138001", NOON) is None
    assert await channel.look_up("t2", PHONE, NOON - 2 * DAY) is None
    assert await channel.look_up("t2", PHONE, NOON) == Sent(detail="found by OutId, DELIVERED")
    clock.advance(MINUTE)
    assert await channel.look_up("t2", PHONE, NOON) == Sent(detail="found by OutId, DELIVERED", delivered=True)
    provider.dials.turn(Dial(provider="aliyun", fault=Fault.DOWN))
    assert await channel.look_up("t2", PHONE, NOON) is None
    await channel.close()


async def test_a_message_behind_others_of_the_same_day_is_found_on_a_later_page(
    sandbox: tuple[Sandbox, ManualClock],
) -> None:
    provider, clock = sandbox
    channel = adapter(provider, clock)
    await channel.open()
    for number in range(60):
        message = Message(f"t{number}", "sms", PHONE, "hello", encode(SmsContent("", "SMS_1", "小店")))
        assert isinstance(await channel.send(message), Sent)
    assert await channel.look_up("t0", PHONE, NOON) is not None
    assert await channel.look_up("t59", PHONE, NOON) is not None
    await channel.close()

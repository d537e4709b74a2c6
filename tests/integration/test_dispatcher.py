"""The dispatcher over the real engine and the memory store, with a channel that does what a test tells it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace

from engine.core.backoff import Backoff
from engine.core.commands import Touch
from engine.core.delivery import Fact, Retry, TouchState
from engine.core.errors import StoreFull, TemplateProblem
from engine.core.events import Entry, encode
from engine.core.ids import DAY, HOUR, MINUTE, SECOND, Micros
from engine.core.plan import Manual, Plan, Stop, seal
from engine.core.playbook import Playbook
from engine.core.state import Account, Consent, Customer
from engine.ports import Changes, Message, NotSent, Rendered, Result, Sent, Store, TouchRow, Unclear
from engine.runtime.clock import ManualClock
from engine.runtime.dispatcher import Dispatcher
from engine.runtime.dispatching import POINTS, Dispatching
from engine.runtime.engine import Engine
from engine.runtime.rates import Lane, Pace
from engine.store.memory.log import MemoryLog
from engine.store.memory.store import MemoryStore
from engine.usecases import doubt

T = TypeVar("T")
NOON = 1_772_366_400_000_000
PLAN = seal(Plan("rescue", "Rescue", "monetize", Manual(), (Stop("1"),)))


class Post:
    """A channel that answers as told, remembers what it was given, and can be made to wait."""

    provider, channel = "post", "email"

    def __init__(self, key_window: Micros = 0) -> None:
        self.key_window = key_window
        self.answer: Callable[[Message], Result] = lambda message: Sent(f"id-{message.key}")
        self.taken: list[Message] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.at_once = self.most_at_once = 0
        self.is_open = False

    async def open(self) -> None:
        self.is_open = True

    async def send(self, message: Message) -> Result:
        self.taken.append(message)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.gate.wait()
            await asyncio.sleep(0)
            return self.answer(message)
        finally:
            self.at_once -= 1

    async def close(self) -> None:
        self.is_open = False


class Letters:
    """Renders the template's name; one template is broken."""

    def render(
        self, touch: Touch, customer: Customer, account: Account | None = None, contact: Customer | None = None
    ) -> Rendered:
        if touch.template == "broken":
            raise TemplateProblem("broken/email.html:3: no variable `city`")
        return Rendered(f"{touch.template} to {customer.id}".encode(), "h1")


class Desk:
    """The engine as the dispatcher sees it, stepped in the test's own thread; `refusals` makes appends fail first."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock, self.store, self.log = clock, MemoryStore(), MemoryLog()
        self.engine = Engine(self.store, self.log, clock.now, lambda: Playbook([PLAN]))
        self.refusals = 0
        self.groups: list[int] = []

    async def call(self, use_case: Callable[[Store, Playbook], T]) -> T:
        await asyncio.sleep(0)
        return use_case(self.store, self.engine.playbook)

    async def accept(self, make: Callable[[Micros], Sequence[Entry]]) -> int:
        await asyncio.sleep(0)
        if self.refusals:
            self.refusals -= 1
            raise StoreFull("the disk is full")
        entries = make(self.clock.now())
        self.groups.append(len(entries))
        return self.log.append([encode(entry) for entry in entries])

    async def drained(self) -> None:
        await asyncio.sleep(0)
        self.engine.drain()

    def row(self, id_: str) -> TouchRow:
        return self.store.touches([id_])[id_]


class Office:
    """A desk, a channel and a dispatcher over them."""

    def __init__(self, dials: Dispatching | None = None, key_window: Micros = 0) -> None:
        self.clock = ManualClock(NOON)
        self.desk, self.post = Desk(self.clock), Post(key_window)
        self.dispatcher = Dispatcher(self.desk, {"email": self.post}, Letters(), self.clock, dials)

    def plan(self, *ids: str, **fields: Any) -> None:
        touches = [
            Touch(
                **{
                    "id": id_,
                    "run": f"r-{id_}",
                    "journey": "rescue",
                    "version": PLAN.version,
                    "step": "1",
                    "customer": "c1",
                    "channel": "email",
                    "template": "hello",
                    "address": "mei@x.example",
                    "purpose": "marketing",
                    "planned": NOON,
                    "due": NOON,
                    **fields,
                }
            )
            for id_ in ids
        ]
        mei = Customer("c1", created=NOON - DAY, consents={"marketing": Consent(True, NOON - DAY)})
        with self.desk.store.unit() as unit:
            unit.commit(Changes(customers={"c1": mei}, touches=touches))
        self.dispatcher.wake()

    def states(self) -> dict[str, str]:
        rows = self.desk.store.touches([f"t{n}" for n in range(100)])
        return {id_: str(row.state) for id_, row in rows.items()}

    async def until(self, holds: Callable[[], bool]) -> None:
        """Let the loop turn until something holds; fails after many turns."""
        for _ in range(2_000):
            if holds():
                return
            await asyncio.sleep(0)
        raise AssertionError("it never came true")

    async def taken(self, count: int) -> None:
        """Let the loop turn until the channel was given so many."""
        await self.until(lambda: len(self.post.taken) == count)

    async def later(self, by: Micros) -> None:
        """Turn the clock and send what that made due."""
        self.clock.advance(by)
        await self.dispatcher.drain()


@asynccontextmanager
async def opened(office: Office) -> AsyncIterator[Office]:
    async with asyncio.timeout(20):
        await office.dispatcher.start()
        try:
            yield office
        finally:
            office.post.gate.set()
            await office.dispatcher.stop(1.0)


async def test_a_planned_touch_is_sent_once_and_its_outcome_comes_back_through_the_log() -> None:
    async with opened(Office()) as office:
        office.plan("t1")
        await office.dispatcher.drain()
        row = office.desk.row("t1")
        assert (row.state, row.provider, row.provider_id) == (TouchState.SENT, "post", "id-t1")
        assert [(m.key, m.attempt, m.content) for m in office.post.taken] == [("t1", 1, b"hello to c1")]
        await office.dispatcher.drain()
        assert len(office.post.taken) == 1


async def test_a_wake_is_enough_nobody_has_to_drain() -> None:
    async with opened(Office()) as office:
        await office.until(lambda: office.post.is_open)
        office.plan("t1", "t2")
        await office.until(lambda: len(office.post.taken) == 2)


async def test_a_touch_that_is_due_later_leaves_when_its_time_comes() -> None:
    async with opened(Office()) as office:
        office.plan("t1", due=NOON + HOUR)
        await office.dispatcher.drain()
        assert office.post.taken == []
        await office.later(HOUR)
        assert len(office.post.taken) == 1


async def test_no_byte_leaves_before_the_commit_and_every_point_is_passed() -> None:
    office = Office()
    passed: list[str] = []

    def trip(point: str) -> None:
        passed.append(point)
        if point == "send.before":
            assert office.desk.row("t1").state is TouchState.IN_FLIGHT
        if point == "commit.before":
            assert office.desk.row("t1").state is TouchState.PLANNED

    office.dispatcher.trip = trip
    async with opened(office):
        office.plan("t1")
        await office.dispatcher.drain()
    assert passed == list(POINTS)


async def test_no_more_are_in_flight_than_the_channel_allows() -> None:
    async with opened(Office(Dispatching(paces={"email": Pace(concurrency=3)}))) as office:
        office.post.gate.clear()
        office.plan(*(f"t{n}" for n in range(10)))
        await office.until(lambda: office.post.at_once == 3)
        assert office.dispatcher.in_flight == 3
        office.post.gate.set()
        await office.dispatcher.drain()
        assert (office.post.most_at_once, len(office.post.taken)) == (3, 10)
        assert set(office.states().values()) == {"sent"}


async def test_a_rate_spreads_what_is_due() -> None:
    async with opened(Office(Dispatching(paces={"email": Pace(per_second=2.0, burst=2.0)}))) as office:
        office.plan(*(f"t{n}" for n in range(4)))
        await office.until(lambda: len(office.post.taken) == 2)
        for sent in (3, 4):
            office.clock.advance(SECOND // 2)
            office.dispatcher.wake()
            await office.taken(sent)


async def test_urgent_touches_leave_first() -> None:
    async with opened(Office(Dispatching(paces={"email": Pace(concurrency=1)}))) as office:
        office.post.gate.clear()
        office.plan("t0")
        await office.until(lambda: len(office.post.taken) == 1)
        office.plan("t1", priority=1)
        office.plan("t2", priority=9)
        office.post.gate.set()
        await office.dispatcher.drain()
        assert [m.key for m in office.post.taken] == ["t0", "t2", "t1"]


async def test_certainly_not_sent_is_tried_again_later_and_then_given_up() -> None:
    office = Office(Dispatching(backoff=Backoff(attempts=2)))
    office.post.answer = lambda message: NotSent(Retry.TRANSIENT, "greylisted", "451")
    async with opened(office):
        office.plan("t1")
        await office.dispatcher.drain()
        row = office.desk.row("t1")
        assert (row.state, row.reason, row.detail) == (TouchState.DEFERRED, "transient", "451 greylisted")
        assert row.due > NOON
        await office.later(HOUR)
        assert office.desk.row("t1").state is TouchState.FAILED
        assert len(office.post.taken) == 2


async def test_refused_for_good_is_not_tried_again() -> None:
    office = Office()
    office.post.answer = lambda message: NotSent(Retry.PERMANENT, "no such user", "550")
    async with opened(office):
        office.plan("t1")
        await office.dispatcher.drain()
        await office.later(DAY)
        assert (office.states(), len(office.post.taken)) == ({"t1": "failed"}, 1)


@pytest.mark.parametrize("trouble", [Unclear("connection lost after the body"), RuntimeError("a bug")])
async def test_doubt_is_never_sent_again(trouble: Unclear | Exception) -> None:
    office = Office()

    def answer(message: Message) -> Result:
        if isinstance(trouble, Exception):
            raise trouble
        return trouble

    office.post.answer = answer
    async with opened(office):
        office.plan("t1")
        await office.dispatcher.drain()
        await office.later(DAY)
        assert (office.states(), len(office.post.taken)) == ({"t1": "uncertain"}, 1)


async def test_a_provider_that_never_answers_leaves_doubt_before_the_lease_ends() -> None:
    async with opened(Office(Dispatching(terms=doubt.Terms(lease=SECOND // 10)))) as office:
        office.post.gate.clear()
        office.plan("t1")
        await office.dispatcher.drain()
        assert office.desk.row("t1").detail == "no answer within 0.03 s"
        assert office.states() == {"t1": "uncertain"}


async def test_doubt_under_a_live_key_is_handed_over_again_with_the_same_bytes() -> None:
    office = Office(Dispatching(terms=doubt.Terms(key_windows={"email": 10 * MINUTE})), key_window=10 * MINUTE)
    answers: list[Result] = [Unclear("reset"), Sent("id-1")]
    office.post.answer = lambda message: answers.pop(0)
    async with opened(office):
        office.plan("t1")
        await office.dispatcher.drain()
        assert office.states() == {"t1": "uncertain"}
        await office.later(MINUTE)
        assert office.states() == {"t1": "sent"}
        first, second = office.post.taken
        assert replace(second, attempt=1) == first


async def test_a_touch_that_cannot_be_rendered_hurts_only_itself() -> None:
    async with opened(Office()) as office:
        office.plan("t1", template="broken")
        office.plan("t2")
        await office.dispatcher.drain()
        assert office.states() == {"t1": "dropped", "t2": "sent"}
        row = office.desk.row("t1")
        assert (row.reason, row.detail) == ("template_problem", "broken/email.html:3: no variable `city`")


async def test_a_channel_without_receipts_reports_the_delivery_itself() -> None:
    office = Office()
    office.post.answer = lambda message: Sent("id-1", delivered=True)
    async with opened(office):
        office.plan("t1")
        await office.dispatcher.drain()
        assert office.desk.row("t1").facts == Fact.ACCEPTED | Fact.DELIVERED


async def test_a_failing_provider_is_left_alone_and_comes_back_slowly() -> None:
    office = Office(Dispatching(paces={"email": Pace(concurrency=4)}, backoff=Backoff(first=SECOND, cap=SECOND)))
    office.post.answer = lambda message: NotSent(Retry.TRANSIENT, "down", "421")
    async with opened(office):
        office.plan(*(f"t{n}" for n in range(20)))
        await office.dispatcher.drain()
        assert 5 <= len(office.post.taken) <= 8
        assert office.dispatcher.lanes["email"].breaker.is_open
        office.post.answer = lambda message: Sent("id")
        office.post.most_at_once = 0
        await office.until(lambda: office.dispatcher.in_flight == 0)
        office.clock.advance(6 * SECOND)
        assert office.dispatcher.lanes["email"].room(office.clock.now()) == 1
        await office.dispatcher.drain()
        await office.later(MINUTE)
        assert set(office.states().values()) == {"sent"}


async def test_a_rate_limit_pauses_the_channel() -> None:
    office = Office()
    office.post.answer = lambda message: NotSent(Retry.RATE_LIMITED, "slow down", "429", retry_after=30 * SECOND)
    async with opened(office):
        office.plan("t1")
        await office.dispatcher.drain()
        lane = office.dispatcher.lanes["email"]
        assert lane.room(NOON + 29 * SECOND) == 0
        assert lane.opens_at(NOON + SECOND) == NOON + 30 * SECOND
        assert lane.room(NOON + 30 * SECOND) > 0


async def test_a_full_disk_loses_no_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.runtime.dispatcher.PAUSE", 0.0)
    office = Office()
    told: list[Exception] = []
    office.dispatcher.trouble = told.append
    office.desk.refusals = 3
    async with opened(office):
        office.plan("t1", "t2")
        await office.dispatcher.drain()
        assert office.states() == {"t1": "sent", "t2": "sent"}
        assert [type(problem) for problem in told] == [StoreFull] * 3


async def test_outcomes_are_written_in_groups() -> None:
    async with opened(Office()) as office:
        office.post.gate.clear()
        office.plan(*(f"t{n}" for n in range(8)))
        await office.until(lambda: office.post.at_once == 8)
        office.post.gate.set()
        await office.dispatcher.drain()
        assert len(office.desk.groups) < 8
        assert sum(office.desk.groups) == 8


async def test_a_stop_waits_for_what_is_in_flight_and_sends_nothing_new() -> None:
    office = Office(Dispatching(paces={"email": Pace(concurrency=1)}))
    async with opened(office):
        office.post.gate.clear()
        office.plan("t1", "t2")
        await office.until(lambda: office.post.at_once == 1)
        stopping = asyncio.create_task(office.dispatcher.stop(5.0))
        await asyncio.sleep(0)
        office.post.gate.set()
        await stopping
        office.desk.engine.drain()
        assert office.states() == {"t1": "sent", "t2": "planned"}
        assert not office.post.is_open


async def test_what_a_stop_cannot_wait_for_stays_in_flight_and_becomes_doubt() -> None:
    office = Office()
    async with opened(office):
        office.post.gate.clear()
        office.plan("t1")
        await office.until(lambda: office.post.at_once == 1)
        await office.dispatcher.stop(0.01)
        assert office.states() == {"t1": "in_flight"}
        doubt.lapse(office.desk.store, NOON + HOUR)
        assert office.states() == {"t1": "uncertain"}


async def test_a_process_that_was_stopped_past_its_lease_sends_nothing_when_it_wakes() -> None:
    office = Office()

    def freeze(point: str) -> None:
        if point == "commit.after" and not office.post.taken:
            office.clock.advance(HOUR)

    office.dispatcher.trip = freeze
    async with opened(office):
        office.plan("t1")
        await office.until(lambda: office.desk.log.tail() > 0)
        assert office.post.taken == []


async def test_the_sweep_at_the_start_turns_what_a_crash_left_into_doubt() -> None:
    office = Office()
    office.plan("t1")
    office.post.gate.clear()
    async with opened(office):
        await office.until(lambda: office.post.at_once == 1)
        await office.dispatcher.stop(0.0)
    office.clock.advance(HOUR)
    async with opened(office):
        await office.until(lambda: office.states() == {"t1": "uncertain"})


def test_a_probe_is_one_hand_over() -> None:
    lane = Lane(Pace(concurrency=8))
    for at in range(NOON, NOON + 5):
        lane.start(at)
        lane.finish(Unclear("reset"), at)
    assert lane.room(NOON + SECOND) == 0
    probe = lane.opens_at(NOON + SECOND)
    assert probe > NOON
    assert lane.room(probe) == 1
    lane.start(probe)
    assert lane.room(probe) == 0
    lane.finish(Sent("id"), probe + 1)
    assert lane.room(probe + 1) == 2


def test_a_channel_with_many_ends_is_not_held_up_by_what_one_of_them_answers() -> None:
    lane = Lane(Pace(concurrency=8, ends="many"))
    for at in range(NOON, NOON + 20):
        lane.start(at)
        lane.finish(NotSent(Retry.RATE_LIMITED, "429", retry_after=HOUR) if at % 2 else Unclear("500"), at)
    assert (lane.room(NOON + 20), lane.in_flight, lane.breaker.is_open) == (8, 0, False)

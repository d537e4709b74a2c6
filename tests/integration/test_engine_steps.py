"""The engine beside a log that others append to while it looks: nothing of the future may fire."""

from functools import partial

from engine.core.errors import StoreFull
from engine.core.events import Event, encode
from engine.core.ids import DAY, MINUTE, SECOND, Micros
from engine.core.playbook import Playbook
from engine.core.policy import Audience
from engine.ports import Logged, TouchQuery
from engine.runtime.clock import ManualClock
from engine.runtime.engine import Engine
from engine.runtime.thread import EngineThread
from engine.store.memory.log import MemoryLog
from engine.store.memory.store import MemoryStore
from engine.usecases.publish import publish
from journeys.compile import load_journey

NOON: Micros = 1_772_366_400_000_000
LETTER = b"""
journey: letter
title: A letter after two months
stage: retain
purpose: transactional
enter: {on: order_paid}
steps:
  - wait: 60d
  - send: letter
    via: email
"""
MONTHLY = b"""
journey: monthly
title: On the first of the month
stage: retain
purpose: transactional
enter: {every: "0 10 1 * *", zone: UTC, audience: ever("order_paid")}
steps:
  - send: monthly
    via: email
"""


class BusyLog(MemoryLog):
    """Somebody appends right after the engine has looked for work: the `late` entries are there at its next look."""

    def __init__(self) -> None:
        super().__init__()
        self.late: list[bytes] = []

    def read(self, after: int, limit: int) -> list[Logged]:
        found = super().read(after, limit)
        if not found and self.late:
            self.append([self.late.pop(0)])
        return found


def order(number: int, at: Micros) -> bytes:
    who = {"user_id": f"u{number}", "email": f"u{number}@x.example"}
    return encode(Event(id=f"m{number}", name="order_paid", at=at, received=at, identifiers=who))


def engine_of(*journeys: bytes) -> tuple[Engine, BusyLog, ManualClock]:
    clock, log, store = ManualClock(NOON), BusyLog(), MemoryStore()
    plans = [plan for source in journeys if (plan := load_journey(source, "j.yaml").plan) is not None]
    publish(store, plans, NOON)
    return Engine(store, log, clock.now, lambda: Playbook(store.plans())), log, clock


def test_an_order_that_arrives_while_the_engine_looks_wakes_nobody_early() -> None:
    engine, log, clock = engine_of(LETTER)
    log.append([order(1, NOON)])
    engine.drain()
    clock.advance(MINUTE)
    log.late = [order(2, clock.now()), order(3, clock.now())]
    engine.drain()
    engine.drain()
    engine.drain()
    assert engine.applied == 3
    assert engine.fired == 0
    assert engine.store.find_touches(TouchQuery()) == []
    clock.advance(60 * DAY)
    engine.drain()
    assert len(engine.store.find_touches(TouchQuery())) == 3


def test_an_order_that_arrives_while_the_engine_looks_does_not_bring_the_first_of_the_month_forward() -> None:
    engine, log, clock = engine_of(LETTER, MONTHLY)
    log.append([order(1, NOON)])
    engine.drain()
    clock.advance(SECOND)
    log.late = [order(2, clock.now())]
    engine.drain()
    engine.drain()
    assert engine.applied == 2
    assert [row.touch.journey for row in engine.store.find_touches(TouchQuery())] == []
    clock.advance(32 * DAY)
    engine.drain()
    assert {row.touch.journey for row in engine.store.find_touches(TouchQuery())} == {"monthly"}


class Full(Engine):
    """An engine whose disk is full."""

    tries = 0

    def step(self) -> bool:
        self.tries += 1
        raise StoreFull("the disk is full: free space; nothing accepted is lost")


def test_a_full_disk_is_tried_now_and_then_however_many_jobs_come() -> None:
    clock = ManualClock(1)
    engine = Full(MemoryStore(), MemoryLog(), clock.now, lambda: Playbook([], Audience()))
    thread = EngineThread(engine, clock, lambda _: None)
    thread.start()
    said = [thread.submit(partial(int, number)).result(10) for number in range(200)]
    thread.stop()
    assert said == list(range(200))
    assert engine.tries < 10

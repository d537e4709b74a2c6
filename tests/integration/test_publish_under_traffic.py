"""A journey is edited, published and rolled back while ten thousand runs travel it and traffic goes on.

Nothing may be lost or doubled: an oracle that knows nothing of the engine says when each run gets each message.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import pytest

from engine.core import release as releases
from engine.core.events import Directive, Event, encode
from engine.core.ids import DAY, HOUR, MINUTE, Micros
from engine.core.plan import Audience, InFlight, Plan
from engine.core.release import Release
from engine.core.state import Customer
from engine.ports import Store, TouchQuery
from engine.runtime.clock import ManualClock
from engine.runtime.engine import Engine
from engine.store.memory.log import MemoryLog
from engine.store.memory.store import MemoryStore
from engine.store.sqlite import SqliteLog, SqliteStore
from engine.usecases.plan_publish import preview
from engine.usecases.publish import in_force, newest
from journeys.compile import load_journey

RUNS = 10_000
NOON: Micros = 1_772_366_400_000_000
OLD = b"""
journey: rescue
title: Two letters
stage: retain
purpose: transactional
enter: {on: cart_updated, again: never}
steps:
  - send: hello
    via: email
  - wait: 2h
  - send: reminder
    via: email
  - wait: 1d
  - send: farewell
    via: email
"""
NEW = OLD.replace(b"wait: 2h", b"wait: 1h").replace(
    b"  - wait: 1d\n", b"  - tag: +reminded\n  - send: extra\n    via: email\n  - wait: 1d\n"
)
Told = dict[str, list[tuple[Micros, str]]]


def plan_of(source: bytes) -> Plan:
    plan = load_journey(source, "rescue.yaml").plan
    assert plan is not None
    return plan


def release_of(source: bytes, policy: Literal["pin", "migrate"]) -> Release:
    return releases.seal(Release((plan_of(source),), Audience(), in_flight={"rescue": InFlight(policy)}))


class Shop:
    """An engine that is stepped by hand, and customers who go on buying between any two of its steps."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock(NOON)
        self.log, self.store = SqliteLog(folder / "journal.db"), SqliteStore(folder / "store.db")
        self.entered: dict[str, Micros] = {}
        self.visits = 0
        self.engine = self.open()

    def open(self) -> Engine:
        """Begin anew from what is on disk, as after a crash."""
        return Engine(self.store, self.log, self.clock.now, lambda: in_force(self.store))

    def close(self) -> None:
        self.log.close()
        self.store.close()

    def enter(self, count: int) -> None:
        now, first = self.clock.now(), len(self.entered)
        names = [f"u{number}" for number in range(first, first + count)]
        self.log.append([encode(event(name, "cart_updated", f"enter-{name}", now)) for name in names])
        self.entered |= dict.fromkeys(names, now)

    def browse(self, count: int) -> None:
        """Let customers who travel act: their timers and their moves come first."""
        now, known = self.clock.now(), len(self.entered)
        numbers = range(self.visits, self.visits + count)
        self.visits += count
        self.log.append([encode(event(f"u{n * 7919 % known}", "page_viewed", f"visit-{n}", now)) for n in numbers])

    def publish(self, release: Release) -> Micros:
        self.clock.advance(1)
        now = self.clock.now()
        body = releases.encode(release)
        self.log.append([encode(Directive(f"publish-{now}", "publish", now, now, subject=release.id, body=body))])
        return now

    def work_on(self) -> None:
        """Step until nothing is left, with traffic in between; the process dies in the middle of the sweep."""
        for turn in range(10_000):
            self.clock.advance(1)
            if turn < 40:
                self.enter(5)
                self.browse(15)
            if turn == 7:
                self.engine = self.open()
            if not self.engine.step():
                return
        raise AssertionError("the engine does not come to rest")


def event(name: str, what: str, id_: str, at: Micros) -> Event:
    who = {"user_id": name, "email": f"{name}@x.example"}
    return Event(id=id_, name=what, at=at, received=at, identifiers=who)


# --- the oracle ---------------------------------------------------------------------------------------


def road_of(entered: Micros, changes: list[tuple[Micros, str]]) -> Iterator[tuple[Micros, str]]:
    """Yield (instant, template) of a run; `changes`: (instant, version) of the publishes that its runs follow.

    The first one is the version it begins with. A wait counts from its beginning; what is past lets go one µs later.
    """
    version = [word for at, word in changes if at <= entered or at == changes[0][0]][-1]
    ahead = [(at, word) for at, word in changes if at > entered]
    now = entered
    yield now, "hello"
    for wait in ("first", "second"):
        begun, earliest = now, now
        while True:
            span = DAY if wait == "second" else 2 * HOUR if version == "old" else HOUR
            now = max(begun + span, earliest)
            if not ahead or ahead[0][0] >= now:
                break
            at, version = ahead.pop(0)
            # Only a wait that was edited is counted anew; the other keeps its due.
            earliest = at + 1 if wait == "first" else earliest
        if wait == "first":
            yield now, "reminder"
            if version == "new":
                yield now, "extra"
    yield now, "farewell"


def told(store: Store) -> Told:
    found: Told = {}
    for row in store.find_touches(TouchQuery(limit=1_000_000)):
        found.setdefault(row.touch.address.partition("@")[0], []).append((row.touch.planned, row.touch.template))
    return {name: sorted(heard) for name, heard in found.items()}


def customers(store: Store) -> dict[str, Customer]:
    return {customer.id: customer for customer in store.scan("", 1_000_000)}


# --- the story ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["migrate", "pin"])
def test_a_publish_and_a_rollback_under_traffic_lose_and_double_nothing(
    tmp_path: Path, policy: Literal["pin", "migrate"]
) -> None:
    shop = Shop(tmp_path)
    began = shop.publish(release_of(OLD, policy))
    for _ in range(RUNS // 100):
        shop.clock.advance(2 * MINUTE)
        shop.enter(100)
        while shop.engine.step():
            pass
    assert shop.store.underway("rescue", "") >= RUNS
    assert_the_plan_knows_where_they_go(shop, policy)
    published = shop.publish(release_of(NEW, policy))
    shop.work_on()
    assert newest(shop.store) is not None
    assert shop.store.jobs() == []
    shop.clock.advance(20 * MINUTE)
    shop.enter(100)
    rolled_back = shop.publish(release_of(OLD, policy))
    shop.work_on()
    assert shop.store.underway("rescue", plan_of(OLD).version) == 0 or policy == "pin"
    for _ in range(60):
        shop.clock.advance(30 * MINUTE)
        while shop.engine.step():
            pass

    changes = [(began, "old"), (published, "new"), (rolled_back, "old")]
    heard = told(shop.store)
    assert heard.keys() == shop.entered.keys()
    for name, entered in shop.entered.items():
        word = [change for change in changes if change[0] <= entered][-1:] if policy == "pin" else changes
        assert heard[name] == sorted(road_of(entered, word)), name
    assert shop.store.underway("rescue", "") == 0

    assert_a_replay_agrees(shop)
    shop.close()


def assert_the_plan_knows_where_they_go(shop: Shop, policy: Literal["pin", "migrate"]) -> None:
    found = preview(shop.store, release_of(NEW, policy), shop.clock.now())
    goes = {row.step: row.goes for row in found.underway}
    assert goes == ({"2": "2", "4": "6"} if policy == "migrate" else {"2": "", "4": ""})
    assert sum(row.runs for row in found.underway) == shop.store.underway("rescue", "")
    assert found.refusals == ()
    waiting = {row.step: row.runs for row in found.underway}
    # Within a day: the reminders of all who have none yet (and the extra letter, if they move), and every farewell.
    letters = waiting["2"] * (2 if policy == "migrate" else 1) + waiting["4"]
    assert found.forecast.sends == {("rescue", "email"): letters}


def assert_a_replay_agrees(shop: Shop) -> None:
    """The same log in an empty store gives the same touches and the same customers."""
    log, store = MemoryLog(), MemoryStore()
    position = 0
    while batch := shop.log.read(position, 5_000):
        log.append([logged.body for logged in batch])
        position = batch[-1].offset
    engine = Engine(store, log, shop.clock.now, lambda: in_force(store))
    engine.drain()
    assert_same(touches(shop.store), touches(store))
    assert_same(customers(shop.store), customers(store))


def assert_same(live: Mapping[str, object], replayed: Mapping[str, object]) -> None:
    """Compare one by one: ten thousand customers are too many to show side by side."""
    for name in live.keys() | replayed.keys():
        assert live.get(name) == replayed.get(name), name


def touches(store: Store) -> dict[str, tuple[str, Micros, str]]:
    rows = store.find_touches(TouchQuery(limit=1_000_000))
    return {row.touch.id: (row.touch.template, row.touch.planned, row.touch.customer) for row in rows}

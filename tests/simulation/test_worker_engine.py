"""The worker's engine, step by step, over the store in memory: the desk, launches, zombies, what the store refuses."""

from typing import Any

import msgspec
import pytest

from engine.core import release as releases
from engine.core.delivery import TouchState
from engine.core.errors import StoreAway
from engine.core.events import Directive, Event, encode
from engine.core.ids import DAY, MINUTE, SECOND, Micros
from engine.core.plan import Audience, Every, OnEvent, Plan, Send, Span, Wait, seal
from engine.core.release import Release
from engine.ports import Changes, RunQuery, TouchQuery
from engine.ports.partitions import home_of, pack, unpack
from engine.runtime.clock import ManualClock
from engine.runtime.stream import envelope
from engine.runtime.stream.desk import Logs
from engine.runtime.stream.engine import Dials, StreamEngine
from engine.runtime.stream.keys import Keys
from engine.runtime.stream.messages import Message
from engine.store.memory.shared import SharedMemoryStore
from engine.usecases.publish import in_force

START: Micros = 1_772_366_400_000_000
PARTITIONS = 3

HELLO = seal(
    Plan(
        "hello",
        "Hello",
        "acquire",
        OnEvent(("signed_up",)),
        (Wait("1", Span(MINUTE), "2"), Send("2", "hello", ("email",))),
    )
)
WEEKLY = seal(Plan("weekly", "Weekly", "retain", Every("0 10 * * MON", "UTC"), (Send("1", "news", ("email",)),)))


class Refusing(SharedMemoryStore):
    """A store that cannot write one kind of event: what a database says of text it cannot hold."""

    poison = ""
    is_away = False

    def write(self, changes: Changes, partition: int, applied: object) -> None:
        if self.is_away:
            raise StoreAway("the database is away")
        if self.poison and any(self.poison in customer.traits for customer in changes.customers.values()):
            raise ValueError("the database cannot hold that")
        super().write(changes, partition, applied)  # type: ignore[arg-type]


class Site:
    """A store, a desk, a topic in lists, and workers that are stepped by hand."""

    def __init__(self) -> None:
        self.store, self.clock = Refusing(), ManualClock(START)
        self.store.arrange(PARTITIONS)
        self.topic: list[list[Message]] = [[] for _ in range(PARTITIONS)]
        self.said = 0

    def worker(self, name: str = "w", partitions: tuple[int, ...] = (1, 2, 3)) -> StreamEngine:
        logs = Logs(self.store.desk, self.store.history, self.store.history.find)
        engine = StreamEngine(self.store, logs, lambda: in_force(self.store), self.clock, name, Dials(slack=SECOND))
        engine.take(partitions)
        return engine

    def say(self, verb: str, **said: object) -> None:
        self.said += 1
        now = self.clock.now()
        self.store.desk.append([encode(Directive(f"d{self.said}", verb, now, now, **said))])  # type: ignore[arg-type]

    def publish(self, *plans: Plan) -> None:
        self.say("publish", body=releases.encode(releases.seal(Release(plans, Audience()))))

    def happen(self, user: str, name: str = "signed_up", **traits: Any) -> Message:
        self.said += 1
        now = self.clock.now()
        who = {"user_id": user, "email": f"{user}@x.example"}
        event = Event(f"e{self.said}", name, now, now, identifiers=who, traits=traits, consents={"marketing": True})
        (partition,) = Keys(self.store, lambda: in_force(self.store).identity, PARTITIONS).partitions_of([event], now)
        (value,) = envelope.pack([encode(event)])
        message = Message(partition, len(self.topic[partition]), b"", value.value, now)
        self.topic[partition].append(message)
        return message

    def work(self, *workers: StreamEngine) -> None:
        for worker in workers:
            for partition in worker.shares:
                worker.feed(self.topic[partition - 1])
            worker.drained(list(worker.shares), self.clock.now())
        idle = 0
        while idle < 2:  # what a beat tells the others is work for them
            did = [worker.step() for worker in workers]
            idle = 0 if any(did) else idle + 1
            for worker in workers:
                worker.beat()

    def later(self, span: Micros, *workers: StreamEngine) -> None:
        self.clock.advance(span)
        self.work(*workers)

    def planned(self) -> int:
        return len(self.store.find_touches(TouchQuery(limit=1000)))


def test_a_wait_ends_in_the_partition_where_the_customer_lives() -> None:
    site = Site()
    worker = site.worker()
    site.publish(HELLO)
    site.later(2 * SECOND, worker)
    for number in range(20):
        site.happen(f"u{number}")
    site.work(worker)
    assert site.planned() == 0
    site.later(MINUTE + 2 * SECOND, worker)
    assert site.planned() == 20
    homes = {home_of(row.touch.customer, PARTITIONS) for row in site.store.find_touches(TouchQuery(limit=100))}
    assert homes == {1, 2, 3}


def test_what_is_received_after_a_publish_was_said_is_decided_by_it() -> None:
    site = Site()
    worker = site.worker()
    site.publish(HELLO)
    site.clock.advance(1)
    site.happen("mei")
    site.work(worker)
    assert site.store.counts().customers == 0, "nobody has lived up to the publish yet, so the event waits"
    site.later(2 * SECOND, worker)
    assert [run.journey for _, run in site.store.runs(RunQuery())] == ["hello"]


def test_a_publish_waits_for_a_partition_that_is_behind_and_a_stop_does_not() -> None:
    site = Site()
    ahead, behind = site.worker("a", (1, 2)), site.worker("b", (3,))
    site.publish(HELLO)
    site.later(2 * SECOND, ahead)
    assert site.store.current() == {}
    site.work(ahead, behind)
    assert set(site.store.current()) == {"hello"}
    site.clock.advance(SECOND)
    site.say("stop", subject="*")
    site.work(ahead)
    assert site.store.flags() == {"stop:*": ""} or "stop:*" in site.store.flags()


def test_a_stop_does_not_wait_behind_a_publish_that_does() -> None:
    site = Site()
    ahead = site.worker("a", (1, 2))
    site.publish(HELLO)
    site.later(2 * SECOND, ahead)
    assert site.store.current() == {}, "nobody has the third partition"
    site.say("stop", subject="*")
    site.work(ahead)
    assert set(site.store.current()) == {"hello"}
    assert "stop:*" in site.store.flags()


def test_everybody_is_called_once_by_a_schedule_whoever_owns_which_partition() -> None:
    site = Site()
    first, second = site.worker("a", (1, 2)), site.worker("b", (3,))
    site.publish(WEEKLY)
    site.later(2 * SECOND, first, second)
    for number in range(30):
        site.happen(f"u{number}", "page_viewed")
    site.work(first, second)
    second.take((2, 3))  # the first is not told
    site.later(7 * DAY, first, second)
    assert site.planned() == 30
    assert 2 not in first.shares


def test_a_zombie_is_fenced_and_lets_go() -> None:
    site = Site()
    zombie = site.worker("zombie")
    site.publish(HELLO)
    site.later(2 * SECOND, zombie)
    message = site.happen("mei")
    zombie.feed([message])
    heir = site.worker("heir")
    site.work(heir)
    while zombie.step():
        pass
    assert not zombie.shares
    assert site.store.counts().runs == {("hello", HELLO.version, "1"): 1}


def test_a_partition_is_taken_back_from_who_came_late_and_is_silent() -> None:
    site = Site()
    rightful, late = site.worker("rightful"), site.worker("late", ())
    site.publish(HELLO)
    site.later(2 * SECOND, rightful)
    for partition in (1, 2, 3):  # of a deal that is over: it could not say so earlier, and does nothing more
        site.store.take(partition, late.owner, site.clock.now())
    for number in range(9):
        site.happen(f"u{number}")
    site.later(SECOND, rightful)
    assert site.store.counts().customers == 0
    site.later(12 * SECOND, rightful)
    assert site.store.counts().customers == 9
    assert set(rightful.shares) == {1, 2, 3}


def test_a_partition_is_not_taken_from_an_owner_who_lives() -> None:
    site = Site()
    zombie = site.worker("zombie")
    site.publish(HELLO)
    site.later(2 * SECOND, zombie)
    heir = site.worker("heir")
    for _ in range(8):
        site.later(2 * SECOND, heir, zombie)
    assert set(heir.shares) == {1, 2, 3}
    assert not zombie.shares


def test_a_message_that_is_read_again_changes_nothing() -> None:
    site = Site()
    worker = site.worker()
    site.publish(HELLO)
    site.later(2 * SECOND, worker)
    message = site.happen("mei")
    site.work(worker)
    (position,) = [row.position for row in site.store.partitions() if row.partition == message.partition + 1]
    assert unpack(position).offset == message.offset
    again = site.worker("again")
    site.work(again)
    assert site.store.counts().customers == 1
    assert again.applied == 0


def test_what_the_store_cannot_hold_is_buried_alone() -> None:
    site = Site()
    worker = site.worker()
    site.publish(HELLO)
    site.later(2 * SECOND, worker)
    site.store.poison = "bad"
    for number in range(9):
        site.happen(f"u{number}", "signed_up", **dict.fromkeys(["bad"] if number == 4 else [], 1))
    site.work(worker)
    assert site.store.counts().customers == 8
    (letter,) = site.store.dead_letters()
    assert "cannot hold" in letter.reason
    assert unpack(letter.offset).partition in {1, 2, 3}


def test_a_database_that_is_away_is_told_and_nothing_is_lost() -> None:
    site = Site()
    worker = site.worker()
    site.publish(HELLO)
    site.later(2 * SECOND, worker)

    worker.feed([site.happen("mei")])
    site.store.is_away = True
    for _ in range(3):
        with pytest.raises(StoreAway):
            worker.step()
    assert site.store.counts().customers == 0
    site.store.is_away = False
    site.work(worker)
    assert site.store.counts().customers == 1


def test_a_topic_may_not_speak_for_operators() -> None:
    site = Site()
    worker = site.worker()
    site.publish(HELLO)
    site.later(2 * SECOND, worker)
    now = site.clock.now()
    (forged,) = envelope.pack([encode(Directive("x", "stop", now, now, subject="*"))])
    worker.feed([Message(0, 0, b"", forged.value, now), Message(0, 1, b"", b"garbage", now)])
    while worker.step():
        pass
    assert site.store.flags() == {}
    reasons = [letter.reason for letter in site.store.dead_letters()]
    assert len(reasons) == 2
    assert any("desk" in reason for reason in reasons)


def test_time_within_a_partition_never_goes_back_nor_far_ahead() -> None:
    site = Site()
    worker = site.worker()
    site.publish(HELLO)
    site.later(2 * SECOND, worker)
    now = site.clock.now()
    late = Event("late", "signed_up", now, now - DAY, identifiers={"user_id": "l"}, consents={"marketing": True})
    early = Event(
        "early", "signed_up", now, now + 300 * DAY, identifiers={"user_id": "e"}, consents={"marketing": True}
    )
    for number, event in enumerate((late, early)):
        (value,) = envelope.pack([encode(event)])
        worker.feed([Message(0, number, b"", value.value, now)])
    while worker.step():
        pass
    rows = {run.entered for _, run in site.store.runs(RunQuery())}
    assert min(rows) >= now - 2 * SECOND
    assert max(rows) <= now + MINUTE


def test_virtual_time_stands_at_the_tide() -> None:
    site = Site()
    site.store.tide(START)
    worker = site.worker()
    site.publish(HELLO)
    site.work(worker)
    site.happen("mei")
    site.clock.advance(300 * DAY)
    site.work(worker)
    assert site.planned() == 0
    site.store.tide(START + MINUTE)
    site.work(worker)
    assert site.planned() == 1
    assert site.store.lived() == START + MINUTE


def test_a_dispatcher_gets_what_no_other_holds() -> None:
    site = Site()
    worker = site.worker()
    site.publish(HELLO)
    site.later(2 * SECOND, worker)
    for number in range(10):
        site.happen(f"u{number}")
    site.later(2 * MINUTE, worker)
    one, other = (site.store.claiming(name, MINUTE, site.clock.now) for name in ("d1", "d2"))
    now = site.clock.now()
    first, second = one.sendable(now, 6), other.sendable(now, 6)
    assert len(first) == 6
    assert len(second) == 4
    assert not {row.touch.id for row in first} & {row.touch.id for row in second}
    assert all(row.state is TouchState.PLANNED for row in first)


def test_places_keep_the_order_of_a_partition() -> None:
    places = [pack(1, 0, 1), pack(1, 0, 2), pack(1, 7, 1), pack(2, 0, 1)]
    assert places == sorted(places)
    assert msgspec.structs.astuple(unpack(pack(9, 123_456_789, 4_095))) == (9, 123_456_789, 4_095)

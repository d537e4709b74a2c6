"""What the metrics tell ops of people: who was united, contested, shut and erased, and whose traces are left."""

import pytest

from engine.core.events import Directive, Entry, Event, encode
from engine.core.ids import MINUTE, SECOND, Micros
from engine.core.playbook import Playbook
from engine.core.policy import Audience
from engine.ports import PartitionRow
from engine.runtime.clock import ManualClock
from engine.runtime.engine import Engine
from engine.runtime.meters import Meters
from engine.store.memory import MemoryLog, MemoryStore
from engine.telemetry import Telemetry

NOON: Micros = 1_772_366_400_000_000


class Slow(MemoryStore):
    """A store whose file takes a minute to be written anew."""

    clock: ManualClock

    def scrub(self) -> None:
        self.clock.advance(MINUTE)


class Watched:
    """An engine whose every word is metered, as in the daemon."""

    def __init__(self) -> None:
        self.clock, self.log, self.store = ManualClock(NOON), MemoryLog(), Slow()
        self.store.clock = self.clock
        self.telemetry = Telemetry()
        self.meters = Meters(self.telemetry)
        self.engine = Engine(self.store, self.log, self.clock.now, lambda: Playbook([], Audience()))

    def say(self, *entries: Entry) -> None:
        self.log.append([encode(entry) for entry in entries])
        self.clock.advance(SECOND)
        while self.engine.step():
            self.meters.stepped(self.engine, 0.0)
        self.meters.stepped(self.engine, 0.0)
        self.meters.totals(self.store, self.log)

    def heard(self, id_: str, **identifiers: str) -> Event:
        return Event(id_, "seen", self.clock.now(), self.clock.now(), identifiers=identifiers)

    def word(self, verb: str, subject: str) -> Directive:
        now = self.clock.now()
        return Directive(f"{verb} {subject}", verb, now, now, subject)  # type: ignore[arg-type]

    def who(self, user: str) -> str:
        return self.store.resolve([f"user_id:{user}"])[f"user_id:{user}"]

    def shown(self, name: str) -> float | None:
        return self.telemetry.registry.get_sample_value(name)


def test_people_who_are_united_contested_shut_and_erased_are_counted() -> None:
    world = Watched()
    world.say(world.heard("1", anonymous_id="cookie"), world.heard("2", user_id="mei", email="mei@home.example"))
    world.say(world.heard("3", user_id="mei", anonymous_id="cookie"), world.heard("4", user_id="jun"))
    world.say(world.heard("5", user_id="jun", email="mei@home.example"))
    world.say(world.word("suppress", "email:mei@home.example"))
    assert world.shown("journeyd_merges_total") == 1
    assert world.shown("journeyd_conflicts_total") == 1
    assert world.shown("journeyd_suppressed_total") == 1
    assert world.shown("journeyd_erasures_pending") == 0
    world.say(world.word("erase", world.who("mei")))
    assert world.shown("journeyd_erasures_pending") == 0
    world.say(world.word("erase", world.who("jun")))
    assert world.shown("journeyd_erasures_pending") == 1, "the second scrub waits, since the first took long"
    world.clock.advance(25 * MINUTE)
    world.say()
    assert world.shown("journeyd_erasures_pending") == 0


def test_partitions_are_counted_as_kafka_counts_them_and_a_silent_owner_is_nobody() -> None:
    telemetry = Telemetry()
    rows = [PartitionRow(0, 9, 0, "", 0), PartitionRow(1, 9, NOON, "w", NOON), PartitionRow(2, 9, NOON, "gone", 0)]
    Meters(telemetry).partitions(rows, NOON + SECOND)
    sample = telemetry.registry.get_sample_value
    assert sample("journeyd_partitions_unowned") == 1
    assert [sample("journeyd_partition_behind_seconds", {"partition": str(k)}) for k in range(3)] == [1, 1, None]


def test_a_partition_that_went_to_another_worker_is_not_shown_any_more() -> None:
    telemetry = Telemetry()
    telemetry.gauge("journeyd_stream_lag", 7, partition="0")
    telemetry.gauge("journeyd_stream_lag", 8, partition="1")
    for partition in ("0", "5"):
        telemetry.drop("journeyd_stream_lag", partition=partition)
    text = telemetry.render().decode()
    assert 'partition="0"' not in text
    assert 'journeyd_stream_lag{partition="1"} 8.0' in text
    with pytest.raises(KeyError):
        telemetry.drop("journeyd_merges_total")

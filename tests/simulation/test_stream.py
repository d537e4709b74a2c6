"""What one engine decides from one log, several workers decide from a topic in partitions, whoever owns which when."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from engine.core.events import Directive, Entry, decode, encode
from engine.core.ids import Micros
from engine.ports import EventLog, RunQuery, Store, TouchQuery
from engine.ports.partitions import unpack
from engine.runtime.clock import ManualClock
from engine.runtime.engine import Engine
from engine.runtime.simulate import Dice, Faults, World
from engine.runtime.stream.desk import Logs
from engine.runtime.stream.engine import Dials, StreamEngine
from engine.runtime.stream.envelope import pack
from engine.runtime.stream.keys import Keys
from engine.runtime.stream.messages import Message
from engine.store.memory import MemoryLog
from engine.store.memory.shared import SharedMemoryStore
from engine.usecases.publish import in_force
from tests.simulation import whole_shop
from tests.simulation.test_language_among_crashes import lived

ALL = 1_000_000
PARTITIONS = 5


class Topic:
    """A topic in memory, its readers and the workers that share it. Ownership changes hands as the dice fall."""

    def __init__(self, world: World, dice: Dice, workers: int = 3) -> None:
        self.store, self.dice = SharedMemoryStore(), dice
        self.store.arrange(PARTITIONS)
        self.clock = ManualClock(0)
        self.messages: list[list[Message]] = [[] for _ in range(PARTITIONS)]
        self.logs = Logs(self.store.desk, self.store.history, self.store.history.find)
        self.load = lambda: in_force(self.store)
        self.workers = [self._worker(f"w{number}") for number in range(workers)]
        self.keys = Keys(self.store, lambda: self.workers[0].playbook.identity, PARTITIONS)
        self.read: dict[tuple[str, int], int] = {}
        self.rebalance()

    def _worker(self, name: str) -> StreamEngine:
        return StreamEngine(self.store, self.logs, self.load, self.clock, name, Dials(slack=0, batch=7, look_every=1))

    def rebalance(self) -> None:
        """Give each partition to some worker; whoever had it before is not told."""
        shares: dict[int, list[int]] = {}
        for partition in range(PARTITIONS):
            shares.setdefault(self.dice.below(len(self.workers)), []).append(partition + 1)
        for number, partitions in shares.items():
            worker = self.workers[number]
            for partition, position in worker.take(partitions).items():
                self.read[worker.owner, partition - 1] = unpack(position).offset

    def produce(self, entries: Sequence[Entry]) -> None:
        """Put entries where they belong, several to a message now and then."""
        self.clock.turn(entries[-1].received)
        parts: dict[int, list[Entry]] = {}
        for entry, partition in zip(entries, self.keys.partitions_of(entries, self.clock.now()), strict=True):
            parts.setdefault(partition, []).append(entry)
        for partition, taken in parts.items():
            for envelope in pack([encode(entry) for entry in taken]):
                messages = self.messages[partition]
                messages.append(Message(partition, len(messages), b"", envelope.value, self.clock.now()))

    def say(self, directive: Directive) -> None:
        """Put an operator's word on the desk."""
        self.clock.turn(directive.received)
        self.store.desk.append([encode(directive)])

    def settle(self) -> None:
        """Let everybody work until nothing is left, in the order that the dice give."""
        idle = 0
        while idle < 2:
            did = False
            for worker in self.workers:
                self._feed(worker)
            for _ in range(4 * len(self.workers)):
                did = self.workers[self.dice.below(len(self.workers))].step() or did
            for worker in self.workers:
                worker.beat()
            idle = 0 if did else idle + 1

    def _feed(self, worker: StreamEngine) -> None:
        for partition in range(PARTITIONS):
            offset = self.read.get((worker.owner, partition), 0)
            if partition + 1 in worker.shares:
                worker.feed(self.messages[partition][offset:])
                self.read[worker.owner, partition] = len(self.messages[partition])
        worker.drained([partition + 1 for partition in range(PARTITIONS)], self.clock.now())


def without_pools(faults: Faults | None = None) -> World:
    """Return the shop with nothing in its pools: who gets a scarce code is a matter of who comes first."""
    return msgspec.structs.replace(whole_shop.world(faults), pools=())


def in_order(log: EventLog) -> list[Entry]:
    """Return the log's entries, no two received at one instant: then one order is right, however it is cut."""
    entries, last = [], 0
    for logged in log.read(0, ALL):
        entry = decode(logged.body)
        last = max(last + 1, entry.received)
        entries.append(msgspec.structs.replace(entry, received=last))
    return entries


def strides(entries: Sequence[Entry], length: int) -> Iterator[list[Entry]]:
    """Yield runs of entries of up to that length, directives alone."""
    stretch: list[Entry] = []
    for entry in entries:
        if stretch and (isinstance(entry, Directive) or len(stretch) == length):
            yield stretch
            stretch = []
        if isinstance(entry, Directive):
            yield [entry]
        else:
            stretch.append(entry)
    if stretch:
        yield stretch


def alone(entries: Sequence[Entry], until: Micros, world: World) -> Store:
    """Return what one engine makes of the entries."""
    log = MemoryLog()
    log.append([encode(entry) for entry in entries])
    Engine(world.store, log, lambda: until, world.load).drain()
    return world.store


def together(entries: Sequence[Entry], until: Micros, world: World, dice: Dice, *, stride: int) -> Topic:
    """Return the topic after several workers have lived through the entries."""
    topic = Topic(world, dice)
    for stretch in strides(entries, stride):
        topic.clock.turn(stretch[0].received - 1)
        topic.settle()
        if isinstance(stretch[0], Directive):
            topic.say(stretch[0])
        else:
            topic.produce(stretch)
        if dice.happens(0.2):
            topic.rebalance()
        topic.settle()
    topic.clock.turn(max(until, topic.clock.now()))
    topic.settle()
    return topic


def facts(store: Store) -> dict[str, dict[Any, Any]]:
    customers = {customer.id: customer for customer in store.scan("", ALL)}
    return {
        "coupons": {(row.pool, row.code): row for row in store.coupons(limit=ALL)},
        "runs": {run.id: (customer, run) for customer, run in store.runs(RunQuery(limit=ALL))},
        "touches": {
            row.touch.id: msgspec.structs.replace(row, updated=0) for row in store.find_touches(TouchQuery(limit=ALL))
        },
        "customers": customers,
        "accounts": store.accounts({customer.account for customer in customers.values()}),
        "effects": dict(Counter(map(repr, store.effects()))),
        "notes": {id_: sorted(map(repr, store.notes(id_, limit=ALL))) for id_ in customers},
        "dead": dict(Counter(letter.reason for letter in store.dead_letters(ALL))),
        "flags": {"": store.flags()},
        "current": store.current(),
    }


def assert_same(was: Store, now: Store, what: str) -> None:
    before, after = facts(was), facts(now)
    for part, values in before.items():
        others = after[part]
        assert len(values) == len(others), f"{what}: {part}"
        for key in values:
            assert values[key] == others.get(key), f"{what}: {part} {key}"


@pytest.mark.parametrize("seed", range(16))
def test_workers_that_take_turns_decide_what_one_engine_decides(seed: int) -> None:
    simulation = lived(seed, without_pools(Faults(crash=0)))
    simulation.engine.drain()
    entries, until = in_order(simulation.world.log), simulation.clock.now()
    assert all(one.received < other.received for one, other in pairwise(entries))
    one = alone(entries, until, whole_shop.world())
    topic = together(entries, until, whole_shop.world(), Dice(seed), stride=1)
    assert_same(one, topic.store, f"seed {seed}")

"""Several workers' engines over one store and one topic, in one process, stepped in an order that dice decide.

No broker and no thread: messages are handed over as a reader would, partitions change hands without warning, workers
die with what they had read, and those that lost a partition go on with it as zombies. What comes out is to be what one
embedded engine makes of the same history.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from engine.core.errors import Conflict
from engine.core.events import Directive, Entry, Outcome, Receipt, decode, encode
from engine.core.ids import MINUTE, Micros
from engine.core.playbook import Playbook
from engine.ports import SharedStore
from engine.ports.partitions import home_of, pack, unpack
from engine.runtime.clock import ManualClock
from engine.runtime.simulate import Dice
from engine.runtime.stream import envelope
from engine.runtime.stream.desk import Logs
from engine.runtime.stream.engine import Dials, StreamEngine
from engine.runtime.stream.keys import Keys
from engine.runtime.stream.messages import Message

TURNS: Final = 2_000_000
"""Actions after which a herd that has not come to rest is given up."""


class Pasture(msgspec.Struct):
    """What the workers share and what survives them. `partitions`: of the topic. `sent_to`: touch -> its customer."""

    store: SharedStore
    logs: Logs
    load: Callable[[], Playbook]
    partitions: int = 12
    sent_to: Mapping[str, str] = {}


class Troubles(msgspec.Struct, frozen=True):
    """How likely each trouble is at each action (0 to 1). `most`: entries that producers pack into a message."""

    rebalance: float = 0.002
    death: float = 0.002
    zombie: float = 0.5
    most: int = 20


class Herd:
    """`live` a history; then the store holds what became of it."""

    def __init__(self, pasture: Pasture, seed: int, *, workers: int = 3, troubles: Troubles | None = None) -> None:
        self.pasture, self.dice, self.troubles = pasture, Dice(seed), troubles or Troubles()
        self.clock = ManualClock(0)
        self.topic: list[list[Message]] = [[] for _ in range(pasture.partitions)]
        self._last: dict[int, int] = {}
        self.rebalances = self.deaths = self.conflicts = 0
        self._born = 0
        pasture.store.arrange(pasture.partitions)
        self._keys = Keys(pasture.store, lambda: pasture.load().identity, pasture.partitions)
        self._names: list[StreamEngine] = [self._begin() for _ in range(workers)]
        self._read: dict[int, dict[int, int]] = {}
        self._rebalance()

    def live(self, entries: Sequence[Entry], until: Micros) -> None:
        """Let everything happen up to an instant: the operators' words each between the entries round it."""
        waiting: list[Entry] = []
        for entry in entries:
            if isinstance(entry, Directive):
                self._pass(waiting, entry.received)
                waiting = []
                self.pasture.logs.desk.append([encode(entry)])
                self._pass([], entry.received)
            else:
                waiting.append(entry)
        self._pass(waiting, until)

    # --- the topic

    def _produce(self, entries: Sequence[Entry]) -> None:
        """Pack entries as the producer does, in messages of many sizes."""
        parts: dict[int, list[bytes]] = {}
        for entry, partition in zip(entries, self._keys.partitions_of(entries, self.clock.now()), strict=True):
            home = partition
            if isinstance(entry, Outcome | Receipt) and entry.touch in self.pasture.sent_to:
                # Whoever sends knows the touch; here it may not be planned yet.
                home = home_of(self.pasture.sent_to[entry.touch], self.pasture.partitions) - 1
            parts.setdefault(home, []).append(encode(entry))
        for partition, bodies in parts.items():
            done = 0
            while done < len(bodies):
                size = 1 + self.dice.below(self.troubles.most)
                for one in envelope.pack(bodies[done : done + size]):
                    messages = self.topic[partition]
                    self._last[partition + 1] = pack(partition + 1, len(messages), one.entries)
                    messages.append(Message(partition, len(messages), b"", one.value, self.clock.now()))
                done += size

    # --- what happens

    def _pass(self, entries: Sequence[Entry], until: Micros) -> None:
        """Let these entries and all that is due up to `until` happen, in some order among the partitions."""
        self.pasture.store.tide(max(self.pasture.store.tide_at() or 0, 1))
        for engine in self._names:
            engine.hear("tide")
        self._produce(entries)
        self._come_to_rest()
        self.clock.turn(until)
        self.pasture.store.tide(until)
        for engine in self._names:
            engine.hear("tide")
        self._come_to_rest()

    def _come_to_rest(self) -> None:
        idle = 0
        for _ in range(TURNS):
            did = self._act()
            idle = 0 if did else idle + 1
            if idle > 8 * len(self._names) and self._is_over():
                return
        raise AssertionError(f"seed {self.dice.seed}: the herd never comes to rest")

    def _act(self) -> bool:
        troubles = self.troubles
        if self.dice.happens(troubles.rebalance):
            self._rebalance()
            return True
        number = self.dice.below(len(self._names))
        if self.dice.happens(troubles.death):
            self._names[number] = self._begin()
            self.deaths += 1
            self._rebalance()
            return True
        engine = self._names[number]
        roll = self.dice.throw()
        if roll < 0.2:
            return self._feed(number)
        if roll < 0.21:
            engine.beat()
            return False
        try:
            return engine.step()
        except Conflict:
            self.conflicts += 1
            return True

    def _is_over(self) -> bool:
        """Is everything read and applied by those who own it, and nothing left to do?"""
        for number, engine in enumerate(self._names):
            while self._feed(number):
                pass
            engine.beat()
            with suppress(Conflict):
                if engine.step():
                    return False
        positions = {row.partition: row.position for row in self.pasture.store.partitions()}
        desk = self.pasture.logs.desk.tail() <= self.pasture.store.position()
        return desk and all(positions[partition] >= place for partition, place in self._last.items())

    def _feed(self, number: int) -> bool:
        """Hand over some more of what is unread of one of its partitions."""
        engine, reading = self._names[number], self._read.get(number, {})
        unread = [partition for partition, after in reading.items() if after < len(self.topic[partition])]
        if not unread:
            engine.drained(reading.keys(), self.clock.now())
            return False
        partition = unread[self.dice.below(len(unread))]
        size = 1 + self.dice.below(3)
        engine.feed(self.topic[partition][reading[partition] : reading[partition] + size])
        reading[partition] = min(reading[partition] + size, len(self.topic[partition]))
        return True

    # --- who owns what

    def _begin(self) -> StreamEngine:
        self._born += 1
        pasture = self.pasture
        dials = Dials(batch=1 + self.dice.below(40), look_every=1)
        return StreamEngine(pasture.store, pasture.logs, pasture.load, self.clock, f"w{self._born}", dials)

    def _rebalance(self) -> None:
        """Deal the partitions out anew; who lost some may not have heard of it yet."""
        self.rebalances += 1
        dealt: dict[int, list[int]] = {number: [] for number in range(len(self._names))}
        for partition in range(self.pasture.partitions):
            dealt[self.dice.below(len(self._names))].append(partition)
        for engine in self._names:
            if not self.dice.happens(self.troubles.zombie):
                engine.let_go(list(engine.shares))
        order = sorted(dealt, key=lambda _: self.dice.throw())
        for number in order:
            if self.dice.happens(self.troubles.zombie / 4):
                continue  # the news takes its time: it goes on with what it had
            positions = self._names[number].take([partition + 1 for partition in dealt[number]])
            self._read[number] = {one - 1: unpack(position).offset for one, position in positions.items()}
        self._mend(dealt)

    def _mend(self, dealt: dict[int, list[int]]) -> None:
        """See that every partition is somebody's: the group does not leave one alone for good."""
        owned = {row.partition: row.owner for row in self.pasture.store.partitions()}
        late = [
            number
            for number, parts in dealt.items()
            if any(owned[part + 1] != self._names[number].owner for part in parts)
        ]
        for number in late:
            positions = self._names[number].take([partition + 1 for partition in dealt[number]])
            self._read[number] = {one - 1: unpack(position).offset for one, position in positions.items()}


def history_of(log: Sequence[bytes]) -> list[Entry]:
    """Return the entries of an embedded log."""
    return [decode(body) for body in log]


def last_instant(entries: Sequence[Entry]) -> Micros:
    """Return an instant a little after the last entry."""
    return max((entry.received for entry in entries), default=0) + MINUTE

"""Virtual time for many workers: history goes into the topic at its own instants, the tide tells how far it is lived.

What the history import steps by hand where events travel by a topic; workers do the rest. Called by
`bootstrap/shared_history.py`.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from engine.core.errors import Conflict, RulesMoved, StoreAway
from engine.core.events import Entry, encode
from engine.core.ids import Micros
from engine.core.playbook import Playbook
from engine.ports import Clock, SharedStore, Store
from engine.ports.partitions import pack as place_of
from engine.runtime.stream.envelope import pack
from engine.runtime.stream.keys import Keys
from engine.runtime.stream.outgoing import Outgoing
from engine.runtime.stream.settings import StreamSettings
from engine.usecases.launch import NEVER

T = TypeVar("T")

SOONEST: Final = 0.005
LONGEST: Final = 0.1
"""Seconds between two looks at how far the workers are, the longer the longer it takes: looking takes their time."""


class PastTopic:
    """The way of history into the topic: entries keep the `received` they have. Knows where the last of each stands."""

    def __init__(self, settings: StreamSettings, keys: Keys) -> None:
        self._settings, self._keys = settings, keys
        self._outgoing = Outgoing(settings)
        self.last: dict[int, int] = {}
        """The number of a partition -> the place of the last entry that was sent into it."""

    async def send(self, entries: Sequence[Entry], now: Micros) -> None:
        """Return once the brokers have confirmed all of them; raises `LogAway`."""
        homes = await asyncio.to_thread(self._keys.partitions_of, entries, now)
        piles: dict[int, list[bytes]] = defaultdict(list)
        for entry, partition in zip(entries, homes, strict=True):
            piles[partition].append(encode(entry))
        await asyncio.gather(*(self._send(partition, bodies) for partition, bodies in piles.items()))

    async def _send(self, partition: int, bodies: Sequence[bytes]) -> None:
        for envelope in pack(bodies, self._settings.max_message):
            offset = await self._outgoing.send(self._settings.topic, partition, envelope.value)
            self.last[partition + 1] = place_of(partition + 1, offset, envelope.entries)

    async def close(self) -> None:
        """Disconnect."""
        await self._outgoing.close()


class Tide:
    """Turns virtual time, and waits until the workers have lived up to it. `load` makes the playbook in force.

    `check` raises when time is somebody else's by now.
    """

    def __init__(
        self,
        store: SharedStore,
        topic: PastTopic,
        clock: Clock,
        load: Callable[[], Playbook],
        *,
        check: Callable[[], None],
    ) -> None:
        self._store, self._topic, self._clock, self._load, self._check = store, topic, clock, load, check
        self._epoch, self.playbook = store.epoch(), load()

    async def turn(self, words: int = 0) -> None:
        """Let everything up to the clock's instant happen: what was sent is applied, the desk up to `words`, then what
        was due by then; return once nothing is left to do.
        """
        now = self._clock.now()
        await _until(self._is_applied)
        await asyncio.to_thread(self._check)
        if await asyncio.to_thread(self._store.tide_at) != now:
            await asyncio.to_thread(self._store.tide, now)
        await _until(lambda: self._is_lived(now, words))
        await asyncio.to_thread(self._check)

    def next_instant(self) -> Micros:
        """Return when the next timer or schedule is due, 0 when none is."""
        instants = [self._store.next_due(), *(row.expanding or row.due for row in self._store.schedules())]
        return min((instant for instant in instants if 0 < instant < NEVER), default=0)

    async def call(self, store: Store, use_case: Callable[[Store, Playbook], T]) -> T:
        """Run a use case of the dispatcher's in a thread, on the rules in force, again where a worker was first."""
        while True:
            try:
                return await asyncio.to_thread(self._run, store, use_case)
            except (Conflict, RulesMoved):
                await asyncio.sleep(SOONEST)

    def _run(self, store: Store, use_case: Callable[[Store, Playbook], T]) -> T:
        epoch = self._store.epoch()
        if epoch != self._epoch:
            self._epoch, self.playbook = epoch, self._load()
        return use_case(store, self.playbook)

    def _is_applied(self) -> bool:
        try:
            positions = {row.partition: row.position for row in self._store.partitions()}
        except (StoreAway, Conflict):
            return False
        return all(positions.get(partition, 0) >= place for partition, place in self._topic.last.items())

    def _is_lived(self, until: Micros, words: int) -> bool:
        try:
            if self._store.lived() < until or self._store.position() < words or self._store.jobs():
                return False
            following = self.next_instant()
        except (StoreAway, Conflict):
            return False
        return not following or following > until


async def _until(comes: Callable[[], bool]) -> None:
    """Return once other processes have brought it about."""
    pause = SOONEST
    while not await asyncio.to_thread(comes):
        await asyncio.sleep(pause)
        pause = min(pause * 1.3, LONGEST)

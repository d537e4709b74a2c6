"""The memory store as several workers of one process share it: the reference of `ports.SharedStore`.

One lock stands for all of the row locks, so nobody ever meets a `Conflict`: fencing, the rules' epoch, homes, claims
and the history are as they are in PostgreSQL. For simulations and tests; nothing of it survives the process.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from msgspec.structs import replace

from engine.core.errors import BadSetting, Fenced, RulesMoved
from engine.core.events import Event, decode
from engine.core.ids import Micros
from engine.core.state import Customer
from engine.ports import Changes, Kept, PartitionRow, ScheduleRow, TouchRow, Turn
from engine.ports.partitions import DESK, home_of
from engine.store.conventions import WINDOW
from engine.store.memory.faces import MemoryReader
from engine.store.memory.history import MemoryHistory
from engine.store.memory.log import MemoryLog
from engine.store.memory.store import PEPPER, MemoryStore, MemoryUnit
from engine.store.memory.tables import Tables

Applied = Callable[[int], Sequence[tuple[int, Micros, bytes]]]


class SharedMemoryStore(MemoryStore):
    """A `SharedStore`. `desk` is the log of its partition 0, `history` what was applied of all."""

    def __init__(self, *, dedupe_window: Micros = WINDOW, pepper: bytes = PEPPER) -> None:
        super().__init__(dedupe_window=dedupe_window, pepper=pepper)
        self.desk = MemoryLog()
        self.history = MemoryHistory(self.desk)
        self.rows: dict[int, PartitionRow] = {DESK: PartitionRow(DESK, 0, 0, "", 0)}
        self.planned: dict[int, dict[str, ScheduleRow]] = {}
        self._claims: dict[str, Micros] = {}
        self._epoch = 1
        self._tide: Micros | None = None
        self._ears: list[Callable[[str], None]] = []

    @property
    def homes(self) -> int:
        """Return among how many partitions the customers live, 0 before `arrange`."""
        return len(self.rows) - 1

    @contextmanager
    def unit(self) -> Iterator["_TurnUnit"]:
        """Open a unit of work on the desk's terms; others wait."""
        with self._lock:
            yield _TurnUnit(self, Turn(DESK), None)

    @contextmanager
    def turn(self, terms: Turn) -> Iterator["_Turn"]:
        """Open a turn; raises `Fenced` and `RulesMoved`."""
        with self._lock:
            row = self.rows.get(terms.partition) if terms.partition is not None else None
            if row is not None and terms.owner and row.owner != terms.owner:
                raise Fenced(f"partition {terms.partition} is {row.owner}'s")
            if terms.epoch is not None and terms.epoch != self._epoch:
                raise RulesMoved(f"rules {self._epoch} are in force")
            yield _Turn(self, terms)

    def arrange(self, partitions: int) -> None:
        """Give every customer a home among so many partitions."""
        with self._lock:
            if self.homes not in {0, partitions}:
                raise BadSetting(f"customers live in {self.homes} partitions, not in {partitions}")
            for number in range(1, partitions + 1):
                self.rows.setdefault(number, PartitionRow(number, 0, 0, "", 0))
                self.planned.setdefault(number, dict(self._tables.schedules))

    def take(self, partition: int, owner: str, now: Micros) -> int:
        """Make `owner` the partition's only owner; return its position."""
        with self._lock:
            self.rows[partition] = replace(self.rows[partition], owner=owner, beat=now)
            return self.rows[partition].position

    def beat(self, owner: str, times: dict[int, Micros], now: Micros) -> None:
        """Say how far the owner's partitions are lived through."""
        with self._lock:
            for partition, time in times.items():
                row = self.rows[partition]
                if row.owner == owner:
                    self.rows[partition] = replace(row, time=max(row.time, time), beat=now)

    def partitions(self) -> list[PartitionRow]:
        """Return every partition, by number."""
        with self._lock:
            self.rows[DESK] = replace(self.rows[DESK], position=self._tables.offset, time=self._tables.now)
            return [self.rows[number] for number in sorted(self.rows)]

    def lived(self) -> Micros:
        """Return up to when every partition is lived through."""
        with self._lock:
            return min((row.time for row in self.rows.values() if row.partition != DESK), default=0)

    def epoch(self) -> int:
        """Return the number of the rules in force."""
        return self._epoch

    def tide(self, until: Micros | None) -> None:
        """Let virtual time stand at `until`."""
        self._tide = until
        self.say("tide")

    def tide_at(self) -> Micros | None:
        """Return where virtual time stands."""
        return self._tide

    def claiming(self, owner: str, hold: Micros, now: Callable[[], Micros]) -> "_Claiming":
        """Return the store for one of several dispatchers."""
        return _Claiming(self, owner, hold, now)

    def listen(self, hear: Callable[[str], None]) -> Callable[[], None]:
        """Call `hear` with what moved; return what ends it."""
        self._ears.append(hear)
        return lambda: self._ears.remove(hear)

    def schedules(self) -> list[ScheduleRow]:
        """Return all scheduled entrances, the earliest of any partition's."""
        with self._lock:
            rows = [row for planned in self.planned.values() for row in planned.values()] or super().schedules()
        first: dict[str, ScheduleRow] = {}
        for row in sorted(rows, key=lambda row: (not row.expanding, row.expanding or row.due, row.journey)):
            first.setdefault(row.journey, row)
        return sorted(first.values(), key=lambda row: (row.due, row.journey))

    # --- what turns share with it

    @property
    def tables(self) -> Tables:
        """Return the tables; whoever writes holds the lock."""
        return self._tables

    @property
    def lock(self) -> "threading.RLock":
        """Return the lock of the tables."""
        return self._lock

    @property
    def window(self) -> Micros:
        """Return the dedupe window."""
        return self._window

    def say(self, what: str) -> None:
        """Let everybody who listens hear."""
        for hear in list(self._ears):
            hear(what)

    def write(self, changes: Changes, partition: int, applied: Applied | None) -> None:
        """Commit for a partition."""
        desk, time, jobs = self._tables.offset, self._tables.now, set(self._tables.jobs)
        if partition != DESK:
            planned = self.planned[partition]
            planned |= {row.journey: row for row in changes.schedules}
            changes = replace(changes, schedules=[])
        MemoryUnit(self._tables, self._lock, self._window).commit(changes)
        if partition == DESK:
            for planned in self.planned.values():
                planned |= {row.journey: row for row in changes.schedules}
                for journey in changes.gone:
                    planned.pop(journey, None)
        elif changes.offset:
            self._tables.offset, self._tables.now = desk, max(time, changes.now)
            row = self.rows[partition]
            self.rows[partition] = replace(row, position=changes.offset, time=max(row.time, changes.now))
            kept = applied(changes.offset) if applied is not None else ()
            fresh = set(changes.seen.values())
            self.history.keep((place, body) for place, _, body in kept if place in fresh or not _can_repeat(body))
        if changes.flags or changes.plans or changes.gone or changes.release or jobs != set(self._tables.jobs):
            self._epoch += 1
            self.say("rules")
        if changes.touches or changes.rows:
            self.say("touches")

    def claimed(self, rows: Sequence[TouchRow], limit: int, until: Micros, now: Micros) -> list[TouchRow]:
        """Claim up to `limit` of the rows that nobody holds `now`, until then."""
        free = [row for row in rows if self._claims.get(row.touch.id, 0) <= now][:limit]
        self._claims |= {row.touch.id: until for row in free}
        return free


def _can_repeat(body: bytes) -> bool:
    """Is it an event, which may come twice? Repeats are not kept."""
    try:
        return isinstance(decode(body), Event)
    except ValueError:
        return False


class _TurnUnit(MemoryUnit):
    def __init__(self, shared: SharedMemoryStore, terms: Turn, applied: Applied | None) -> None:
        super().__init__(shared.tables, shared.lock, shared.window)
        self._shared, self._terms, self._applied = shared, terms, applied

    @property
    def _home(self) -> int:
        return self._terms.partition or DESK

    def _is_here(self, customer: str) -> bool:
        return not self._home or home_of(customer, self._shared.homes) == self._home

    def position(self) -> int:
        return super().position() if self._home == DESK else self._shared.rows[self._home].position

    def due(self, now: Micros, limit: int) -> list[tuple[str, Micros]]:
        found = super().due(now, len(self._tables.wakes))
        return [(customer, wake) for customer, wake in found if self._is_here(customer)][:limit]

    def next_due(self) -> Micros:
        return next((wake for wake, customer in self._tables.wakes if self._is_here(customer)), 0)

    def scan(self, after: str, limit: int) -> list[Customer]:
        found = super().scan(after, len(self._tables.customers))
        return [customer for customer in found if self._is_here(customer.id)][:limit]

    def schedules(self) -> list[ScheduleRow]:
        if self._home == DESK:
            return self._shared.schedules()
        return sorted(self._shared.planned[self._home].values(), key=lambda row: (row.due, row.journey))

    def commit(self, changes: Changes) -> None:
        """Write everything, or on any error nothing."""
        self._shared.write(changes, self._home, self._applied)


class _Turn(_TurnUnit):
    """A turn: its unit is the turn itself."""

    def __init__(self, shared: SharedMemoryStore, terms: Turn) -> None:
        super().__init__(shared, terms, None)

    def keep(self, applied: Applied) -> None:
        self._applied = applied

    @contextmanager
    def unit(self) -> Iterator[_TurnUnit]:
        yield self

    def prune(self, kind: Kept, before: Micros, limit: int) -> int:
        return self._shared.prune(kind, before, limit)

    def scrub(self) -> None:
        """Nothing is on disk."""

    def close(self) -> None:
        """A turn ends with its block."""


class _Claiming(MemoryReader):
    def __init__(self, shared: SharedMemoryStore, owner: str, hold: Micros, now: Callable[[], Micros]) -> None:
        super().__init__(shared.tables, shared.lock)
        self._shared, self._owner, self._hold, self._clock = shared, owner, hold, now

    def sendable(self, now: Micros, limit: int, channels: Sequence[str] | None = None) -> list[TouchRow]:
        with self._lock:
            found = super().sendable(now, len(self._tables.queued), channels)
            at = self._clock()
            return self._shared.claimed(found, limit, at + self._hold, at)

    @contextmanager
    def unit(self) -> Iterator[_TurnUnit]:
        with self._lock:
            yield _TurnUnit(self._shared, Turn(), None)

    def prune(self, kind: Kept, before: Micros, limit: int) -> int:
        return self._shared.prune(kind, before, limit)

    def scrub(self) -> None:
        """Nothing is on disk."""

    def close(self) -> None:
        """The store itself has nothing to release either."""

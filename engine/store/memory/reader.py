"""What the engine and the dispatcher read from the memory tables."""

import threading
from bisect import bisect_right
from collections.abc import Iterable, Sequence

from engine.core.ids import Micros
from engine.core.plan import Plan
from engine.core.state import Customer
from engine.ports import FactRow, ScheduleRow, TouchRow
from engine.store.conventions import one_of
from engine.store.memory.tables import Tables


class EngineReads:
    """The first half of `ports.Reader`. The lock is held by whoever writes, so a read never sees half a commit."""

    def __init__(self, tables: Tables, lock: "threading.RLock") -> None:
        self._tables = tables
        self._lock = lock

    def position(self) -> int:
        """Return the offset up to which the log is applied."""
        return self._tables.offset

    def seen(self, keys: Sequence[int]) -> dict[int, int]:
        """Return key -> offset for those keys that are in the dedupe window."""
        with self._lock:
            slices = [self._tables.seen[number] for number in sorted(self._tables.seen)]
            return {key: offsets[key] for offsets in slices for key in keys if key in offsets}

    def resolve(self, identifiers: Iterable[str]) -> dict[str, str]:
        """Return "kind:value" -> customer id for those that are known (merged customers followed)."""
        with self._lock:
            known = self._tables.identifiers
            return {name: self._tables.root(known[name]) for name in identifiers if name in known}

    def customers(self, ids: Iterable[str]) -> dict[str, Customer]:
        """Return the customers by id; a merged id returns the winner under the asked id."""
        with self._lock:
            found = {asked: self._tables.customers.get(self._tables.root(asked)) for asked in ids}
            return {asked: customer for asked, customer in found.items() if customer is not None}

    def due(self, now: Micros, limit: int) -> list[tuple[str, Micros]]:
        """Return (customer id, wake) with 0 < wake <= now, earliest first."""
        with self._lock:
            end = bisect_right(self._tables.wakes, now, key=lambda pair: pair[0])
            return [(customer_id, wake) for wake, customer_id in self._tables.wakes[: min(end, limit)]]

    def next_due(self) -> Micros:
        """Return the earliest wake of all customers, 0 when none."""
        with self._lock:
            return self._tables.wakes[0][0] if self._tables.wakes else 0

    def scan(self, after: str, limit: int) -> list[Customer]:
        """Return customers in id order above `after`."""
        with self._lock:
            ids = sorted(customer_id for customer_id in self._tables.customers if customer_id > after)
            return [self._tables.customers[customer_id] for customer_id in ids[:limit]]

    def sendable(self, now: Micros, limit: int, channels: Sequence[str] | None = None) -> list[TouchRow]:
        """Return planned, ready and deferred touches with due <= now: higher priority, then earlier due first."""
        with self._lock:
            rows = [
                row
                for row in self._tables.queued.values()
                if row.due <= now and (channels is None or row.touch.channel in channels)
            ]
        return sorted(rows, key=lambda row: (-row.touch.priority, row.due))[:limit]

    def next_send(self, channels: Sequence[str] | None = None) -> Micros:
        """Return the earliest due of a planned, ready or deferred touch (of these channels), 0 when none."""
        with self._lock:
            waiting = self._tables.queued.values()
            return min((row.due for row in waiting if channels is None or row.touch.channel in channels), default=0)

    def lapsed(self, now: Micros, limit: int) -> list[TouchRow]:
        """Return in_flight touches whose lease ended before `now`, the longest ago first."""
        with self._lock:
            rows = [row for row in self._tables.flying.values() if row.lease_until < now]
        return sorted(rows, key=lambda row: row.lease_until)[:limit]

    def touches(self, ids: Iterable[str]) -> dict[str, TouchRow]:
        """Return touches by id."""
        with self._lock:
            return {touch_id: self._tables.touches[touch_id] for touch_id in ids if touch_id in self._tables.touches}

    def touch_by_provider(self, provider: str, provider_id: str, recipient: str = "") -> TouchRow | None:
        """Return the one touch that the provider's id (and the address) names, None when there is no single one."""
        if not provider_id:
            return None
        with self._lock:
            rows = [
                row
                for row in self._tables.touches.values()
                if row.provider_id == provider_id and row.provider == provider
            ]
        return one_of(rows, recipient)

    def parked(self, provider: str, provider_id: str) -> list[FactRow]:
        """Return receipts that came before their touch was known, oldest first."""
        with self._lock:
            return [
                fact
                for fact in self._tables.facts.values()
                if not fact.touch and fact.provider_id == provider_id and fact.provider == provider
            ]

    def has_fact(self, fact_id: str) -> bool:
        """Say whether this receipt was applied or parked already."""
        return fact_id in self._tables.facts

    def schedules(self) -> list[ScheduleRow]:
        """Return all scheduled entrances, earliest due first."""
        with self._lock:
            return sorted(self._tables.schedules.values(), key=lambda row: (row.due, row.journey))

    def flags(self) -> dict[str, str]:
        """Return the operator's flags."""
        with self._lock:
            return dict(self._tables.flags)

    def plans(self) -> list[Plan]:
        """Return every published plan that is current or still travelled (also: whose goal window is open)."""
        with self._lock:
            travelled = {
                (run.journey, run.version)
                for _, run in self._tables.runs.values()
                if run.is_active or run.goal_until > self._tables.now
            }
            current = set(self._tables.current.items())
            return [plan for key, plan in sorted(self._tables.plans.items()) if key in travelled or key in current]

    def current(self) -> dict[str, str]:
        """Return journey -> current version."""
        with self._lock:
            return dict(self._tables.current)

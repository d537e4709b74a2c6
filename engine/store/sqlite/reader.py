"""What the engine and the dispatcher read from store.db. Rows are fetched whole before a call returns."""

import threading
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import apsw
import msgspec

from engine.core import plan, state
from engine.core.ids import Micros
from engine.core.plan import Plan
from engine.core.state import Customer
from engine.ports import FactRow, ScheduleRow, TouchRow
from engine.store.conventions import one_of
from engine.store.sqlite import seen
from engine.store.sqlite.queries import SQL
from engine.store.sqlite.redo import Overlay

touch_rows: Final[msgspec.msgpack.Decoder[TouchRow]] = msgspec.msgpack.Decoder(TouchRow)
fact_rows: Final[msgspec.msgpack.Decoder[FactRow]] = msgspec.msgpack.Decoder(FactRow)
_schedule_rows: Final[msgspec.msgpack.Decoder[ScheduleRow]] = msgspec.msgpack.Decoder(ScheduleRow)


def read_meta(connection: apsw.Connection) -> dict[str, int]:
    """Return "position" (the applied offset) and "now" (the log's time), where set."""
    rows: list[Any] = connection.execute(SQL["meta"]).fetchall()
    return dict(rows)


def _storable(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names that can be asked for in a query: nothing is ever kept under one with a null character."""
    return tuple(name for name in names if "\0" not in name)


class EngineReads:
    """The first half of `ports.Reader` over one connection, usable from any thread."""

    def __init__(self, connection: Callable[[], apsw.Connection], lock: "threading.RLock") -> None:
        self._connection = connection
        self._lock = lock
        self._overlay = Overlay()

    def _all(self, name: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._connection().execute(SQL[name], values).fetchall()

    def _one(self, name: str, *values: Any) -> Any:
        """Return the first column of the first row, None without rows."""
        with self._lock:
            return self._connection().execute(SQL[name], values).get

    @contextmanager
    def _snapshot(self) -> Iterator[apsw.Connection]:
        """Reads inside are of one commit, the overlay included."""
        with self._lock, self._connection() as connection:
            self._overlay.refresh(connection)
            yield connection

    def position(self) -> int:
        """Return the offset up to which the log is applied."""
        with self._lock:
            return read_meta(self._connection()).get("position", 0)

    def seen(self, keys: Sequence[int]) -> dict[int, int]:
        """Return key -> offset for those keys that are in the dedupe window."""
        with self._snapshot() as snapshot:
            numbers = seen.slices(snapshot)
            found = seen.find(snapshot, keys, numbers)
            for number, recent in self._overlay.seen().items():
                found.update((key, recent[key]) for key in keys if key in recent and number in numbers)
        return found

    def resolve(self, identifiers: Iterable[str]) -> dict[str, str]:
        """Return "kind:value" -> customer id for those that are known (merged customers followed)."""
        names = _storable(identifiers)
        return dict(self._all("resolve", apsw.carray(names))) if names else {}

    def customers(self, ids: Iterable[str]) -> dict[str, Customer]:
        """Return the customers by id; a merged id returns the winner under the asked id."""
        asked = _storable(ids)
        if not asked:
            return {}
        with self._snapshot():
            roots: dict[str, int] = dict(self._all("roots", apsw.carray(asked)))
            bodies = {num: self._overlay.body(num) for num in roots.values()}
            missing = array("q", [num for num, body in bodies.items() if body is None])
            bodies.update(self._all("states", apsw.carray(missing)) if missing else ())
        return {oneid: state.decode(body) for oneid, num in roots.items() if (body := bodies[num])}

    def due(self, now: Micros, limit: int) -> list[tuple[str, Micros]]:
        """Return (customer id, wake) with 0 < wake <= now, earliest first."""
        return self._all("due", now, limit)

    def next_due(self) -> Micros:
        """Return the earliest wake of all customers, 0 when none."""
        return self._one("next_due") or 0

    def scan(self, after: str, limit: int) -> list[Customer]:
        """Return customers in id order above `after`."""
        ids = [oneid for (oneid,) in self._all("scan", after, limit)]
        found = self.customers(ids)
        return [found[oneid] for oneid in ids if oneid in found]

    def sendable(self, now: Micros, limit: int, channels: Sequence[str] | None = None) -> list[TouchRow]:
        """Return planned, ready and deferred touches with due <= now: higher priority, then earlier due first."""
        with self._lock:
            rows = [
                row
                for channel, priority in self._queues(channels)
                for row in self._all("queue_due", channel, priority, now, limit)
            ]
        rows.sort(key=lambda row: (-row[0], row[1], row[2]))
        return [touch_rows.decode(body) for *_, body in rows[:limit]]

    def next_send(self, channels: Sequence[str] | None = None) -> Micros:
        """Return the earliest due of a planned, ready or deferred touch (of these channels), 0 when none."""
        with self._lock:
            return min((self._one("queue_next", *queue) for queue in self._queues(channels)), default=0)

    def _queues(self, channels: Sequence[str] | None) -> list[tuple[str, int]]:
        """Return (channel, priority) of the queues there are, by skipping through their index."""
        if channels is None:
            names, channel = [], self._one("queue_channel", "")
            while channel is not None:
                names.append(channel)
                channel = self._one("queue_channel", channel)
        else:
            names = list(dict.fromkeys(channels))
        queues: list[tuple[str, int]] = []
        for name in names:
            priority = self._one("queue_top", name)
            while priority is not None:
                queues.append((name, priority))
                priority = self._one("queue_below", name, priority)
        return queues

    def lapsed(self, now: Micros, limit: int) -> list[TouchRow]:
        """Return in_flight touches whose lease ended before `now`, the longest ago first."""
        return [touch_rows.decode(body) for (body,) in self._all("lapsed", now, limit)]

    def touches(self, ids: Iterable[str]) -> dict[str, TouchRow]:
        """Return touches by id."""
        asked = _storable(ids)
        rows = self._all("touches", apsw.carray(asked)) if asked else []
        return {touch: touch_rows.decode(body) for touch, _, body in rows}

    def touch_by_provider(self, provider: str, provider_id: str, recipient: str = "") -> TouchRow | None:
        """Return the one touch that the provider's id (and the address) names, None when there is no single one."""
        rows = self._all("touches_by_provider", provider, provider_id)
        return one_of([touch_rows.decode(body) for (body,) in rows], recipient)

    def parked(self, provider: str, provider_id: str) -> list[FactRow]:
        """Return receipts that came before their touch was known, oldest first."""
        return [fact_rows.decode(body) for (body,) in self._all("parked", provider, provider_id)]

    def has_fact(self, fact_id: str) -> bool:
        """Say whether this receipt was applied or parked already."""
        return self._one("has_fact", fact_id) is not None

    def schedules(self) -> list[ScheduleRow]:
        """Return all scheduled entrances, earliest due first."""
        return [_schedule_rows.decode(body) for (body,) in self._all("schedules")]

    def flags(self) -> dict[str, str]:
        """Return the operator's flags."""
        return dict(self._all("flags"))

    def plans(self) -> list[Plan]:
        """Return every published plan that is current or still travelled (also: whose goal window is open)."""
        with self._lock:
            now = read_meta(self._connection()).get("now", 0)
            return [plan.decode(body) for (body,) in self._all("plans", now)]

    def current(self) -> dict[str, str]:
        """Return journey -> current version."""
        return dict(self._all("current"))

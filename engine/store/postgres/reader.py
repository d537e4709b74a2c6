"""What the engine and the dispatcher read from PostgreSQL, by itself or inside a turn's transaction."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from engine.core import plan, state
from engine.core.ids import Micros
from engine.core.plan import Plan
from engine.core.state import Customer
from engine.ports import FactRow, ScheduleRow, TouchRow
from engine.store.conventions import one_of
from engine.store.warm import Warm

touch_rows: Final[msgspec.msgpack.Decoder[TouchRow]] = msgspec.msgpack.Decoder(TouchRow)
fact_rows: Final[msgspec.msgpack.Decoder[FactRow]] = msgspec.msgpack.Decoder(FactRow)
_schedule_rows: Final[msgspec.msgpack.Decoder[ScheduleRow]] = msgspec.msgpack.Decoder(ScheduleRow)
UNREAD: Final = -1
"""A version that no value has: asks for the value, whatever it is."""

Hot: TypeAlias = Warm[str, tuple[int, Customer]]
"""Customers as they were read or written last, with the version that says whether they still are."""


class Source(Protocol):
    """Where rows come from: the pool, or the one connection of a turn."""

    def rows(self, name: str, values: Sequence[Any]) -> list[Any]:
        """Return what a named statement answers."""
        ...

    def select(self, statement: str, values: Sequence[Any]) -> list[Any]:
        """Return what a statement answers that was made for the occasion."""
        ...


class Range(msgspec.Struct, frozen=True):
    """Whose customers, timers and schedules a reader answers for. `log`: the partition whose position it tells.

    `home` None: those of every partition. `homes` counts the partitions there are, when asked.
    """

    log: int
    home: int | None
    partitions: Callable[[], int]

    def homes(self) -> list[int]:
        """Return the partitions whose customers are meant."""
        return list(range(self.partitions() + 1)) if self.home is None else [self.home]


def storable(names: Iterable[str]) -> list[str]:
    """Return the names that can be asked for in a query: nothing is ever kept under one with a null character."""
    return [name for name in names if "\0" not in name]


class EngineReads:
    """The first half of `ports.Reader` over one source of rows."""

    def __init__(self, source: Source, hot: Hot, span: Range) -> None:
        self._source = source
        self._hot = hot
        self._span = span

    def _all(self, name: str, *values: Any) -> list[Any]:
        return self._source.rows(name, values)

    def _one(self, name: str, *values: Any) -> Any:
        """Return the first column of the first row, None without rows."""
        rows = self._source.rows(name, values)
        return rows[0][0] if rows else None

    def position(self) -> int:
        """Return the place up to which the log is applied."""
        return int(self._one("partition", self._span.log) or 0)

    def seen(self, keys: Sequence[int]) -> dict[int, int]:
        """Return key -> place for those keys that are in the dedupe window."""
        return dict(self._all("seen", list(keys))) if keys else {}

    def resolve(self, identifiers: Iterable[str]) -> dict[str, str]:
        """Return "kind:value" -> customer id for those that are known (merged customers followed)."""
        names = storable(identifiers)
        return {name: oneid for name, oneid, _ in self._all("resolve", names)} if names else {}

    def customers(self, ids: Iterable[str]) -> dict[str, Customer]:
        """Return the customers by id; a merged id returns the winner under the asked id."""
        asked = storable(ids)
        if not asked:
            return {}
        kept = {oneid: self._hot.get(oneid) for oneid in asked}
        versions = [UNREAD if (one := kept[oneid]) is None else one[0] for oneid in asked]
        found: dict[str, Customer] = {}
        for name, root, version, body in self._all("values", asked, versions):
            found[name] = self._read(root, version, body, kept[name])
        return found

    def _read(self, root: str, version: int, body: bytes | None, kept: tuple[int, Customer] | None) -> Customer:
        if body is None:
            assert kept is not None
            return kept[1]
        customer = state.decode(body)
        self._hot.put(root, (version, customer))
        return customer

    def due(self, now: Micros, limit: int) -> list[tuple[str, Micros]]:
        """Return (customer id, wake) with 0 < wake <= now, earliest first."""
        return self._all("due", self._span.homes(), now, max(limit, 0))

    def next_due(self) -> Micros:
        """Return the earliest wake of all customers, 0 when none."""
        return self._one("next_due", self._span.homes()) or 0

    def scan(self, after: str, limit: int) -> list[Customer]:
        """Return customers in id order above `after`."""
        if self._span.home:
            rows = self._all("scan_home", after, max(limit, 0), self._span.home)
        else:
            rows = self._all("scan", after, max(limit, 0))
        ids = [oneid for (oneid,) in rows]
        found = self.customers(ids)
        return [found[oneid] for oneid in ids if oneid in found]

    def sendable(self, now: Micros, limit: int, channels: Sequence[str] | None = None) -> list[TouchRow]:
        """Return planned, ready and deferred touches with due <= now: higher priority, then earlier due first."""
        queues = self.queues(channels)
        return [touch_rows.decode(body) for (body,) in self._all("queue_due", *queues, now, max(limit, 0))]

    def next_send(self, channels: Sequence[str] | None = None) -> Micros:
        """Return the earliest due of a planned, ready or deferred touch (of these channels), 0 when none."""
        return self._one("queue_next", *self.queues(channels)) or 0

    def queues(self, channels: Sequence[str] | None) -> tuple[list[str], list[int]]:
        """Return the channels and priorities of the queues there are, side by side."""
        rows = [row for row in self._all("queues") if channels is None or row[0] in channels]
        return [channel for channel, _ in rows], [priority for _, priority in rows]

    def lapsed(self, now: Micros, limit: int) -> list[TouchRow]:
        """Return in_flight touches whose lease ended before `now`, the longest ago first."""
        return [touch_rows.decode(body) for (body,) in self._all("lapsed", now, max(limit, 0))]

    def touches(self, ids: Iterable[str]) -> dict[str, TouchRow]:
        """Return touches by id."""
        asked = storable(ids)
        rows = self._all("touches", asked) if asked else []
        return {touch: touch_rows.decode(body) for touch, _, body in rows}

    def touch_by_provider(self, provider: str, provider_id: str, recipient: str = "") -> TouchRow | None:
        """Return the one touch that the provider's id (and the address) names, None when there is no single one."""
        if "\0" in provider + provider_id:
            return None
        rows = self._all("touches_by_provider", provider, provider_id)
        return one_of([touch_rows.decode(body) for (body,) in rows], recipient)

    def parked(self, provider: str, provider_id: str) -> list[FactRow]:
        """Return receipts that came before their touch was known, oldest first."""
        if "\0" in provider + provider_id:
            return []
        return [fact_rows.decode(body) for (body,) in self._all("parked", provider, provider_id)]

    def has_fact(self, fact_id: str) -> bool:
        """Say whether this receipt was applied or parked already."""
        return "\0" not in fact_id and self._one("has_fact", fact_id) is not None

    def schedules(self) -> list[ScheduleRow]:
        """Return scheduled entrances, earliest due first; of several partitions, one row a journey."""
        if self._span.home:
            return [_schedule_rows.decode(body) for (body,) in self._all("schedules_home", self._span.home)]
        rows: dict[str, ScheduleRow] = {}
        for (body,) in self._all("schedules"):
            row = _schedule_rows.decode(body)
            first = rows.setdefault(row.journey, row)
            if row.expanding and not first.expanding:
                rows[row.journey] = msgspec.structs.replace(row, due=first.due)
        return list(rows.values())

    def flags(self) -> dict[str, str]:
        """Return the operator's flags."""
        return dict(self._all("flags"))

    def plans(self) -> list[Plan]:
        """Return every published plan that is current or still travelled (also: whose goal window is open)."""
        return [plan.decode(body) for (body,) in self._all("plans", self._one("lived") or 0)]

    def current(self) -> dict[str, str]:
        """Return journey -> current version."""
        return dict(self._all("current"))

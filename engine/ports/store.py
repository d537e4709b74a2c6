"""What the use cases ask of the log and of the store. Adapters: engine/store. Times are microseconds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from engine.core.commands import Note, RecordEffect
from engine.core.ids import Micros
from engine.core.plan import Plan
from engine.core.release import Release
from engine.core.state import Account, Customer, Run
from engine.core.world import ArmResult
from engine.ports.people import PeopleReader
from engine.ports.rows import (
    Attempt,
    Changes,
    Counts,
    CouponRow,
    DeadLetter,
    FactRow,
    JobRow,
    Kept,
    PoolRow,
    RunQuery,
    ScheduleRow,
    TouchQuery,
    TouchRow,
)


class Clock(Protocol):
    """The only source of `now`."""

    def now(self) -> Micros:
        """Return the current instant; never goes back within one process."""
        ...


class Logged(msgspec.Struct, frozen=True, gc=False):
    """An entry at its place in the log. `body` is its bytes as stored; `entry` decodes them."""

    offset: int
    body: bytes


class EventLog(Protocol):
    """An append-only, durable sequence of entries; offsets start at 1 and have no gaps; the oldest may be trimmed."""

    def append(self, bodies: Sequence[bytes]) -> int:
        """Write the entries in order, durably, and return the last one's offset.

        Returns only after the commit is on disk; concurrent callers share one commit (group commit).
        Raises `StoreFull` when nothing was written.
        """
        ...

    def read(self, after: int, limit: int) -> list[Logged]:
        """Return up to `limit` entries with an offset above `after`, in order."""
        ...

    def tail(self) -> int:
        """Return the last durable offset, 0 when empty."""
        ...

    def rewrite(self, bodies: Mapping[int, bytes]) -> None:
        """Put other bodies at these offsets, durably, in one commit; `scrub` then leaves nothing of what stood there.

        Offsets that hold nothing (any more) are left alone.
        """
        ...

    def scrub(self) -> None:
        """Leave nothing of what was rewritten or dropped on disk: no free page, no write-ahead log."""
        ...

    def trim(self, below: int) -> None:
        """Drop the entries with an offset below this, soon; the last one always stays, and offsets go on."""
        ...

    def on_append(self, wake: Callable[[], None]) -> None:
        """Call `wake` (from any thread) after each commit."""
        ...

    def close(self) -> None:
        """Flush and release; idempotent."""
        ...


class History(EventLog, Protocol):
    """A log that is also read again, from both ends: by back-fills, purges and timelines.

    Where there are several partitions it holds what was applied of each, in the order of places (ports/partitions.py):
    offsets then have gaps, and time goes on within a partition only.
    """

    def back(self, top: int, limit: int) -> list[Logged]:
        """Return the last `limit` entries with an offset up to `top`, in order."""
        ...

    def end(self, position: int) -> int:
        """Return the last offset that is applied, when the store's own position is this."""
        ...

    def size(self, upto: int) -> int:
        """Return about how many entries are kept up to this offset: how much work it is to read them."""
        ...


class Reader(PeopleReader, Protocol):
    """Reads, inside a unit of work or on their own (then of the last commit)."""

    def position(self) -> int:
        """Return the offset up to which the log is applied."""
        ...

    def seen(self, keys: Sequence[int]) -> dict[int, int]:
        """Return key -> offset for those keys that are in the dedupe window."""
        ...

    def resolve(self, identifiers: Iterable[str]) -> dict[str, str]:
        """Return "kind:value" -> customer id for those that are known (merged customers followed)."""
        ...

    def customers(self, ids: Iterable[str]) -> dict[str, Customer]:
        """Return the customers by id; unknown ids are absent; a merged id returns the winner under the asked id."""
        ...

    def due(self, now: Micros, limit: int) -> list[tuple[str, Micros]]:
        """Return (customer id, wake) with 0 < wake <= now, earliest first, and by id at one instant."""
        ...

    def next_due(self) -> Micros:
        """Return the earliest wake of all customers, 0 when none."""
        ...

    def scan(self, after: str, limit: int) -> list[Customer]:
        """Return customers in id order above `after`: the cursor of audiences, audits and exports."""
        ...

    def sendable(self, now: Micros, limit: int, channels: Sequence[str] | None = None) -> list[TouchRow]:
        """Return planned, ready and deferred touches with due <= now: higher priority, then earlier due first."""
        ...

    def next_send(self, channels: Sequence[str] | None = None) -> Micros:
        """Return the earliest due of a planned, ready or deferred touch (of these channels), 0 when none."""
        ...

    def lapsed(self, now: Micros, limit: int) -> list[TouchRow]:
        """Return in_flight touches whose lease ended before `now`."""
        ...

    def touches(self, ids: Iterable[str]) -> dict[str, TouchRow]:
        """Return touches by id."""
        ...

    def touch_by_provider(self, provider: str, provider_id: str, recipient: str = "") -> TouchRow | None:
        """Return the touch that the provider knows under its own id (and address, where one id covers several)."""
        ...

    def parked(self, provider: str, provider_id: str) -> list[FactRow]:
        """Return receipts that came before their touch was known."""
        ...

    def has_fact(self, fact_id: str) -> bool:
        """Say whether this receipt was applied or parked already."""
        ...

    def schedules(self) -> list[ScheduleRow]:
        """Return all scheduled entrances, earliest due first."""
        ...

    def flags(self) -> dict[str, str]:
        """Return the operator's flags: "stop:*", "stop:<journey>" -> reason."""
        ...

    def plans(self) -> list[Plan]:
        """Return every published plan that is current or still travelled."""
        ...

    def plan(self, journey: str, version: str) -> Plan | None:
        """Return any version that was ever published, None when unknown."""
        ...

    def releases(self, limit: int = 100) -> list[Release]:
        """Return what was published, newest first: one per publish, so the same `id` may come back."""
        ...

    def jobs(self) -> list[JobRow]:
        """Return the work that publishes left to do, in the order it was asked for."""
        ...

    def underway(self, journey: str, version: str) -> int:
        """Return how many active runs the journey has in versions other than this one."""
        ...

    def travellers(self, journey: str, version: str, after: str, limit: int) -> list[str]:
        """Return ids (above `after`, in id order) of customers with such a run."""
        ...

    # --- what decisions ask beyond their customer

    def codes(self, pool: str, count: int) -> list[str]:
        """Return up to `count` codes of the pool that nobody has, in the pool's order."""
        ...

    def pools(self) -> list[PoolRow]:
        """Return every coupon pool, by name."""
        ...

    def coupons(self, customer: str = "", pool: str = "", limit: int = 1000) -> list[CouponRow]:
        """Return the codes issued, newest first; every given field must match."""
        ...

    def arms(self, journey: str, split: str) -> dict[str, ArmResult]:
        """Return how the arms of a split did; arms never tried are absent."""
        ...

    def accounts(self, ids: Iterable[str]) -> dict[str, Account]:
        """Return the accounts by id; unknown ids are absent."""
        ...

    def current(self) -> dict[str, str]:
        """Return journey -> current version."""
        ...

    # --- what the faces ask

    def find_touches(self, query: TouchQuery) -> list[TouchRow]:
        """Return the delivery log, newest first."""
        ...

    def attempts(self, touch: str) -> list[Attempt]:
        """Return the hand-offs of a touch, oldest first."""
        ...

    def facts(self, touch: str) -> list[FactRow]:
        """Return the receipts of a touch, oldest first."""
        ...

    def notes(self, customer: str, journey: str = "", limit: int = 1000) -> list[Note]:
        """Return the trace of a customer, oldest first, of one journey (and told of it alone) when given."""
        ...

    def runs(self, query: RunQuery) -> list[tuple[str, Run]]:
        """Return (customer id, run), newest entrance first."""
        ...

    def effects(
        self, journey: str = "", kind: str = "", limit: int = 100_000, *, customer: str = ""
    ) -> list[RecordEffect]:
        """Return effects, oldest first; with `customer`, those of the person whom that id stands for."""
        ...

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """Return entries that could not be applied, newest first."""
        ...

    def counts(self) -> Counts:
        """Return the totals."""
        ...


class Unit(Reader, Protocol):
    """A write transaction: reads see the state under its lock; `commit` writes once."""

    def commit(self, changes: Changes) -> None:
        """Write everything and make it durable; raises and writes nothing on any error."""
        ...


class Store(Reader, Protocol):
    """State that survives. `unit()` is exclusive: one at a time per store (embedded) or per row locks (scaled)."""

    def unit(self) -> AbstractContextManager[Unit]:
        """Open a write transaction; leaving without `commit` rolls back."""
        ...

    def prune(self, kind: Kept, before: Micros, limit: int) -> int:
        """Drop up to `limit` of what is over and older than `before`, the oldest first; return how many went.

        The totals of `counts` count what is kept.
        """
        ...

    def scrub(self) -> None:
        """Leave nothing of what was erased on disk: no free page, no write-ahead log. Not inside a unit."""
        ...

    def close(self) -> None:
        """Release files and locks; idempotent."""
        ...

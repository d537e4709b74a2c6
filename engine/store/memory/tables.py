"""The tables of the memory store, and drafts of them: a commit writes to drafts and publishes all or none."""

from bisect import bisect_left, insort
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from engine.core.commands import Note, RecordEffect
from engine.core.ids import Micros
from engine.core.plan import Plan
from engine.core.release import Release
from engine.core.state import Account, Customer, Run
from engine.core.world import ArmResult
from engine.ports import Attempt, CouponRow, DeadLetter, FactRow, JobRow, ScheduleRow, TouchRow

K = TypeVar("K")
V = TypeVar("V")


class Draft(Generic[K, V]):
    """A dict with changes on top of it that are written down only by `publish`."""

    def __init__(self, under: dict[K, V]) -> None:
        self._under = under
        self._over: dict[K, V] = {}
        self._gone: set[K] = set()

    def __getitem__(self, key: K) -> V:
        if key in self._over:
            return self._over[key]
        if key in self._gone:
            raise KeyError(key)
        return self._under[key]

    def get(self, key: K) -> V | None:
        """Return the value as the draft has it, or None."""
        try:
            return self[key]
        except KeyError:
            return None

    def __contains__(self, key: K) -> bool:
        return key in self._over or (key in self._under and key not in self._gone)

    def __setitem__(self, key: K, value: V) -> None:
        self._over[key] = value

    def drop(self, key: K) -> None:
        """Remove the key if it is there."""
        self._over.pop(key, None)
        self._gone.add(key)

    def new(self) -> Iterator[tuple[K, V]]:
        """Yield what the draft adds or changes."""
        yield from self._over.items()

    def gone(self) -> Iterator[K]:
        """Yield the keys that the draft removes."""
        return (key for key in self._gone if key not in self._over)

    def publish(self) -> None:
        """Write the draft down."""
        for key in self.gone():
            self._under.pop(key, None)
        self._under.update(self._over)


@dataclass(slots=True)
class Pool:
    """The codes of a coupon pool: those nobody has, as stocked; and all there ever were."""

    free: OrderedDict[str, None] = field(default_factory=OrderedDict)
    known: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Tables:
    """Everything the memory store knows. `wakes` is sorted; `runs_touches` lists the touches of a run.

    `underway` counts the active runs by (journey, version).
    """

    offset: int = 0
    now: Micros = 0
    seen: dict[int, dict[int, int]] = field(default_factory=dict)  # slice -> key -> offset
    customers: dict[str, Customer] = field(default_factory=dict)
    wakes: list[tuple[Micros, str]] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    identifiers: dict[str, str] = field(default_factory=dict)
    runs: dict[str, tuple[str, Run]] = field(default_factory=dict)
    touches: dict[str, TouchRow] = field(default_factory=dict)
    runs_touches: dict[str, list[str]] = field(default_factory=dict)
    queued: dict[str, TouchRow] = field(default_factory=dict)  # those that may still be leased
    flying: dict[str, TouchRow] = field(default_factory=dict)  # those in_flight
    attempts: dict[str, dict[int, Attempt]] = field(default_factory=dict)
    facts: dict[str, FactRow] = field(default_factory=dict)
    effects: dict[str, RecordEffect] = field(default_factory=dict)
    notes: dict[str, list[tuple[int, Note]]] = field(default_factory=dict)  # customer -> (order, note)
    noted: int = 0
    dead: dict[int, DeadLetter] = field(default_factory=dict)
    schedules: dict[str, ScheduleRow] = field(default_factory=dict)
    flags: dict[str, str] = field(default_factory=dict)
    plans: dict[tuple[str, str], Plan] = field(default_factory=dict)
    current: dict[str, str] = field(default_factory=dict)
    underway: Counter[tuple[str, str]] = field(default_factory=Counter)
    releases: list[Release] = field(default_factory=list)
    jobs: dict[str, JobRow] = field(default_factory=dict)
    pools: dict[str, Pool] = field(default_factory=dict)
    coupons: dict[str, CouponRow] = field(default_factory=dict)  # by key
    arms: dict[tuple[str, str], dict[str, ArmResult]] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)

    def root(self, customer: str) -> str:
        """Return the id that a customer id stands for today."""
        while (winner := self.redirects.get(customer)) is not None:
            customer = winner
        return customer

    def set_wake(self, customer: str, before: Micros, after: Micros) -> None:
        """Keep `wakes` sorted when a customer's wake changes."""
        if before == after:
            return
        if before:
            place = bisect_left(self.wakes, (before, customer))
            del self.wakes[place]
        if after:
            insort(self.wakes, (after, customer))

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
from engine.ports import (
    Attempt,
    CouponRow,
    DeadLetter,
    ErasureRow,
    FactRow,
    JobRow,
    LabelRow,
    MergeRow,
    ReviewRow,
    ScheduleRow,
    SuppressionRow,
    TouchRow,
)

K = TypeVar("K")
V = TypeVar("V")


class Draft(Generic[K, V]):
    """A dict with changes on top of it that are written down only by `publish`."""

    def __init__(self, under: dict[K, V]) -> None:
        self._under = under
        self._over: dict[K, V] = {}

    def __getitem__(self, key: K) -> V:
        return self._over[key] if key in self._over else self._under[key]

    def get(self, key: K) -> V | None:
        """Return the value as the draft has it, or None."""
        try:
            return self[key]
        except KeyError:
            return None

    def __contains__(self, key: K) -> bool:
        return key in self._over or key in self._under

    def __setitem__(self, key: K, value: V) -> None:
        self._over[key] = value

    def new(self) -> Iterator[tuple[K, V]]:
        """Yield what the draft adds or changes."""
        yield from self._over.items()

    def publish(self) -> None:
        """Write the draft down."""
        self._under.update(self._over)


@dataclass(slots=True)
class Pool:
    """The codes of a coupon pool: those nobody has, as stocked; and all there ever were."""

    free: OrderedDict[str, None] = field(default_factory=OrderedDict)
    known: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Tables:
    """Everything the memory store knows. `wakes` is sorted; `runs_touches` lists the touches of a run.

    `underway` counts the active runs by (journey, version). What is kept of a customer stands under the id that it was
    written for, also when that is merged later: reads ask for the `root`, and for all that are `led` to it.
    """

    offset: int = 0
    now: Micros = 0
    seen: dict[int, dict[int, int]] = field(default_factory=dict)  # slice -> key -> offset
    customers: dict[str, Customer] = field(default_factory=dict)
    wakes: list[tuple[Micros, str]] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)  # a merged id -> its winner, always one hop
    led: dict[str, set[str]] = field(default_factory=dict)  # winner -> the merged ids that lead to it
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
    merges: dict[str, MergeRow] = field(default_factory=dict)
    merged: dict[str, dict[str, None]] = field(default_factory=dict)  # customer -> the lines that name it, as they came
    reviews: dict[str, ReviewRow] = field(default_factory=dict)
    labels: dict[tuple[str, str], dict[str, LabelRow]] = field(default_factory=dict)  # (kind, name) -> customer -> row
    carried: dict[str, dict[tuple[str, str], LabelRow]] = field(default_factory=dict)  # the same by customer
    erasures: dict[str, ErasureRow] = field(default_factory=dict)
    suppressions: dict[str, SuppressionRow] = field(default_factory=dict)
    pepper: bytes = b""

    def root(self, customer: str) -> str:
        """Return the id that a customer id stands for today."""
        return self.redirects.get(customer, customer)

    def one(self, customer: str) -> list[str]:
        """Return all ids of the person that a customer id stands for, the root first."""
        root = self.root(customer)
        return [root, *self.led.get(root, ())]

    def lead(self, customer: str, to: str) -> None:
        """Let a customer id stand for another from now on, or for itself when `to` is empty."""
        before = self.redirects.pop(customer, None)
        if before is not None and before in self.led:
            self.led[before].discard(customer)
        if to:
            self.redirects[customer] = to
            self.led.setdefault(to, set()).add(customer)

    def forget_value(self, customer: str) -> None:
        """Remove a customer's value and its timer."""
        if (before := self.customers.pop(customer, None)) is not None:
            self.set_wake(customer, before.wake, 0)

    def set_wake(self, customer: str, before: Micros, after: Micros) -> None:
        """Keep `wakes` sorted when a customer's wake changes."""
        if before == after:
            return
        if before:
            place = bisect_left(self.wakes, (before, customer))
            del self.wakes[place]
        if after:
            insort(self.wakes, (after, customer))

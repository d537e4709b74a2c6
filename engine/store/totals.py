"""Totals that are kept with every commit instead of being counted when asked: what a commit adds, and what they say.

Every store keeps rows of (kind, up to three keys, count, value); where and how is its own.
"""

from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec

from engine.core.ids import Micros
from engine.core.state import Customer
from engine.ports import Counts

Row: TypeAlias = tuple[str, str, str, str, int, float]


class Tallies:
    """What one commit adds to the totals."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str, str, str], list[float]] = {}

    def add(self, kind: str, keys: tuple[str, ...], n: int, value: float = 0.0) -> None:
        """Add `n` (may be negative) and `value` to the total of (kind, up to three keys)."""
        a, b, c = (*keys, "", "", "")[:3]
        sums = self._sums.setdefault((kind, a, b, c), [0, 0.0])
        sums[0] += n
        sums[1] += value

    def rows(self) -> list[Row]:
        """Return the sums that are not zero."""
        return [(*key, int(n), float(value)) for key, (n, value) in self._sums.items() if n or value]


class Indexed(msgspec.Struct, gc=False):
    """What a store's book of customers keeps of one: its number, its index columns, its value where it was read."""

    num: int
    oneid: str
    known: bool = False
    wake: Micros = 0
    stage: str = ""
    reached: str = ""
    customer: Customer | None = None


def reached_of(entry: Indexed, customer: Customer) -> str:
    """Return the stages that a customer has reached, as the index keeps them."""
    before = entry.customer
    if before is not None and before.stages is customer.stages:
        return entry.reached
    return ",".join(sorted(customer.stages)) if customer.stages else ""


def recount(tallies: Tallies, entry: Indexed, stage: str, reached: str) -> None:
    """Count a customer where it goes instead of where it stood."""
    if entry.known and entry.stage == stage and entry.reached == reached:
        return  # only its timer moved
    if entry.known:
        count(tallies, entry.stage, entry.reached, -1)
    count(tallies, stage, reached, 1)


def count(tallies: Tallies, stage: str, reached: str, n: int) -> None:
    """Count a customer in (1) or out (-1)."""
    tallies.add("customers", (), n)
    if stage:
        tallies.add("stage", (stage,), n)
    for name in filter(None, reached.split(",")):
        tallies.add("reached", (name,), n)


def counts_of(rows: Iterable[Any], *, dead: int, parked: int) -> Counts:
    """Return the kept totals, from their rows."""
    counts = Counts(customers=0, touches={}, runs={}, stages={}, reached={}, conversions={}, dead=dead, parked=parked)
    customers = 0
    for kind, a, b, c, n, value in rows:
        match kind:
            case "customers":
                customers = n
            case "touch":
                counts.touches[a, b, c] = n
            case "run":
                counts.runs[a, b, c] = n
            case "stage":
                counts.stages[a] = n
            case "reached":
                counts.reached[a] = n
            case "converted":
                counts.conversions[a] = (n, value)
            case _:  # a store may keep other totals for itself
                pass
    return msgspec.structs.replace(counts, customers=customers)

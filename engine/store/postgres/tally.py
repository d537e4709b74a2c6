"""Totals that are kept with every commit instead of being counted when asked. Each writer has a stripe of its own."""

from collections.abc import Iterable
from typing import Any

from engine.ports import Counts
from engine.store.postgres.session import Session


class Tallies:
    """What one commit adds to the totals; `write` adds them up in the database."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str, str, str], list[float]] = {}

    def add(self, kind: str, keys: tuple[str, ...], n: int, value: float = 0.0) -> None:
        """Add `n` (may be negative) and `value` to the total of (kind, up to three keys)."""
        a, b, c = (*keys, "", "", "")[:3]
        sums = self._sums.setdefault((kind, a, b, c), [0, 0.0])
        sums[0] += n
        sums[1] += value

    def write(self, session: Session) -> None:
        """Write the sums that are not zero."""
        rows = [(*key, int(n), float(value)) for key, (n, value) in self._sums.items() if n or value]
        if rows:
            session.send("add_tallies", session.stripe, *columns(rows))


def columns(rows: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    """Return rows (one at least) as columns, each bound as one array."""
    return [list(column) for column in zip(*rows, strict=True)]


def read_counts(rows: Iterable[Any], *, dead: int, parked: int) -> Counts:
    """Return the kept totals, from their rows."""
    counts = Counts(customers=0, touches={}, runs={}, stages={}, reached={}, conversions={}, dead=0, parked=0)
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
            case _:
                counts.conversions[a] = (n, value)
    return Counts(
        customers=customers,
        touches=counts.touches,
        runs=counts.runs,
        stages=counts.stages,
        reached=counts.reached,
        conversions=counts.conversions,
        dead=dead,
        parked=parked,
    )

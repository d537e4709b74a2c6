"""Totals that are kept with every commit instead of being counted when asked."""

import apsw

from engine.ports import Counts
from engine.store.sqlite.queries import SQL


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

    def write(self, connection: apsw.Connection) -> None:
        """Write the sums that are not zero."""
        rows = [(*key, int(n), value) for key, (n, value) in self._sums.items() if n or value]
        if rows:
            connection.executemany(SQL["add_tally"], rows)


def read_counts(connection: apsw.Connection) -> Counts:
    """Return the kept totals."""
    counts = Counts(customers=0, touches={}, runs={}, stages={}, reached={}, conversions={}, dead=0, parked=0)
    customers = 0
    for kind, a, b, c, n, value in connection.execute(SQL["tallies"]):
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
            case _:
                pass
    return Counts(
        customers=customers,
        touches=counts.touches,
        runs=counts.runs,
        stages=counts.stages,
        reached=counts.reached,
        conversions=counts.conversions,
        dead=connection.execute(SQL["count_dead"]).get,
        parked=connection.execute(SQL["count_parked"]).get,
    )

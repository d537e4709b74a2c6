"""What the memory tables tell of persons: who was merged, what they carry, who was erased or shut out.

Reads only; written by `people_writes.py`.
"""

from collections.abc import Iterable, Sequence
from itertools import islice

from engine.core.ids import Micros
from engine.ports import ErasureRow, LabelCount, LabelRow, MergeRow, ReviewRow, SuppressionRow
from engine.store.conventions import is_carried
from engine.store.memory.world import WorldReads


class PeopleReads(WorldReads):
    """Merge log, reviews, labels, the erasure ledger and suppressions."""

    def merges(self, customer: str, limit: int = 1000) -> list[MergeRow]:
        """Return the lines of the merge log that name this very id, newest first."""
        with self._lock:
            lines = reversed(self._tables.merged.get(customer, {}))
            rows = [self._tables.merges[line] for line in lines]
        return sorted(rows, key=lambda row: -row.at)[: max(limit, 0)]

    def reviews(self, state: str = "open", limit: int = 1000) -> list[ReviewRow]:
        """Return contested identifiers in that state ("" for all), the latest claimed first."""
        with self._lock:
            rows = [row for row in self._tables.reviews.values() if not state or row.state == state]
        return sorted(rows, key=lambda row: (-row.last, row.identifier))[: max(limit, 0)]

    def review(self, identifiers: Iterable[str]) -> dict[str, ReviewRow]:
        """Return the rows of these identifiers, whatever their state; those nobody contests are absent."""
        with self._lock:
            reviews = self._tables.reviews
            return {name: reviews[name] for name in identifiers if name in reviews}

    def labels(self, customer: str) -> list[LabelRow]:
        """Return every label the customer carries, by kind and name; those too whose end has just come."""
        with self._lock:
            carried = self._tables.carried.get(self._tables.root(customer), {})
            return [row for _, row in sorted(carried.items())]

    def label_counts(self, now: Micros, kind: str = "") -> list[LabelCount]:
        """Return how many customers carry each label at `now`, by kind and name."""
        with self._lock:
            counted = [
                LabelCount(*label, sum(is_carried(row.until, now) for row in rows.values()))
                for label, rows in sorted(self._tables.labels.items())
                if not kind or label[0] == kind
            ]
        return [count for count in counted if count.customers]

    def members(self, kind: str, name: str, now: Micros, after: str = "", limit: int = 1000) -> list[LabelRow]:
        """Return who carries a label at `now`, in the order of customer ids, above `after`."""
        with self._lock:
            rows = self._tables.labels.get((kind, name), {})
            ids = sorted(id_ for id_, row in rows.items() if id_ > after and is_carried(row.until, now))
            return [rows[id_] for id_ in islice(ids, max(limit, 0))]

    def pepper(self) -> bytes:
        """Return the key of fingerprints."""
        return self._tables.pepper

    def erasures(self, limit: int = 100_000) -> list[ErasureRow]:
        """Return the erasure ledger, oldest first."""
        with self._lock:
            return sorted(self._tables.erasures.values(), key=lambda row: row.at)[: max(limit, 0)]

    def erased(self, keys: Sequence[str]) -> dict[str, str]:
        """Return fingerprint -> customer id of the ledger's latest line that holds it."""
        lines = self.erasures() if self._tables.erasures else []
        named = {key: row.customer for row in lines for key in row.keys}
        return {key: named[key] for key in keys if key in named}

    def suppressions(self, after: str = "", limit: int = 1000) -> list[SuppressionRow]:
        """Return the suppression list, by key, above `after`."""
        with self._lock:
            known = self._tables.suppressions
            return [known[key] for key in islice(sorted(key for key in known if key > after), max(limit, 0))]

    def suppressed(self, keys: Sequence[str]) -> dict[str, SuppressionRow]:
        """Return those of the fingerprints that are suppressed."""
        with self._lock:
            known = self._tables.suppressions
            return {key: known[key] for key in keys if key in known}

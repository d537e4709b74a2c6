"""What PostgreSQL tells of persons: who was merged, what they carry, who was erased or shut out.

Reads only; written by `people_writes.py`.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from engine.core.ids import Micros
from engine.ports import ErasureRow, LabelCount, LabelRow, MergeRow, ReviewRow, SuppressionRow
from engine.store.postgres.migrations import Pepper
from engine.store.postgres.reader import storable
from engine.store.postgres.world import WorldReads

merge_rows: Final[msgspec.msgpack.Decoder[MergeRow]] = msgspec.msgpack.Decoder(MergeRow)
review_rows: Final[msgspec.msgpack.Decoder[ReviewRow]] = msgspec.msgpack.Decoder(ReviewRow)
erasure_rows: Final[msgspec.msgpack.Decoder[ErasureRow]] = msgspec.msgpack.Decoder(ErasureRow)
_suppressions: Final[msgspec.msgpack.Decoder[SuppressionRow]] = msgspec.msgpack.Decoder(SuppressionRow)
_FEW_PAGES: Final = 10


class PeopleReads(WorldReads):
    """Merge log, reviews, labels, the erasure ledger and suppressions."""

    _pepper: Pepper

    def merges(self, customer: str, limit: int = 1000) -> list[MergeRow]:
        """Return the lines of the merge log that name this very id, newest first."""
        return [merge_rows.decode(body) for (body,) in self._all("merges", customer, max(limit, 0))]

    def reviews(self, state: str = "open", limit: int = 1000) -> list[ReviewRow]:
        """Return contested identifiers in that state ("" for all), the latest claimed first."""
        most = max(limit, 0)
        rows = self._all("reviews_in", state, most) if state else self._all("reviews", most)
        return [review_rows.decode(body) for (body,) in rows]

    def review(self, identifiers: Iterable[str]) -> dict[str, ReviewRow]:
        """Return the rows of these identifiers, whatever their state; those nobody contests are absent."""
        names = storable(identifiers)
        found = [review_rows.decode(body) for (body,) in self._all("review", names)] if names else []
        return {row.identifier: row for row in found}

    def labels(self, customer: str) -> list[LabelRow]:
        """Return every label the customer carries, by kind and name; those too whose end has just come."""
        return [LabelRow(*row) for row in self._all("labels", customer)]

    def label_counts(self, now: Micros, kind: str = "") -> list[LabelCount]:
        """Return how many customers carry each label at `now`: the kept totals less those that have ended."""
        ended = {(kind, name): n for kind, name, n in self._all("labels_ended", now)}
        totals: list[Any] = self._all("label_totals", kind)
        counts = [LabelCount(kind, name, n - ended.get((kind, name), 0)) for kind, name, n in totals]
        return [count for count in counts if count.customers]

    def members(self, kind: str, name: str, now: Micros, after: str = "", limit: int = 1000) -> list[LabelRow]:
        """Return who carries a label at `now`, in the order of customer ids, above `after`."""
        # Few are sorted anew for each page; among many, the next page is never far down the list of customers.
        is_many = self._one("label_total", kind, name) > _FEW_PAGES * limit
        query = "members_many" if is_many else "members_few"
        return [LabelRow(*row) for row in self._all(query, kind, name, now, after, max(limit, 0))]

    def pepper(self) -> bytes:
        """Return the workspace's key of fingerprints, kept in the database."""
        return self._pepper.key()

    def erasures(self, limit: int = 100_000) -> list[ErasureRow]:
        """Return the erasure ledger, oldest first."""
        return [erasure_rows.decode(body) for (body,) in self._all("erasures", max(limit, 0))]

    def erased(self, keys: Sequence[str]) -> dict[str, str]:
        """Return fingerprint -> customer id of the ledger's latest line that holds it."""
        return dict(self._all("erased", storable(keys))) if keys else {}

    def suppressions(self, after: str = "", limit: int = 1000) -> list[SuppressionRow]:
        """Return the suppression list, by key, above `after`."""
        return [_suppressions.decode(body) for (body,) in self._all("suppressions", after, max(limit, 0))]

    def suppressed(self, keys: Sequence[str]) -> dict[str, SuppressionRow]:
        """Return those of the fingerprints that are suppressed."""
        bodies = self._all("suppressed", storable(keys)) if keys else []
        found = [_suppressions.decode(body) for (body,) in bodies]
        return {row.key: row for row in found}

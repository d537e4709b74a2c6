"""Writes the merge log, reviews, labels, the erasure ledger and suppressions of a commit.

Called by unit.py, inside its transaction; `people.py` reads them.
"""

from typing import Final

import apsw
import msgspec

from engine.ports import Changes, ErasureRow, ReviewRow
from engine.store.sqlite.people import erasure_rows, review_rows
from engine.store.sqlite.queries import SQL
from engine.store.sqlite.roster import Roster
from engine.store.totals import Tallies

_encode: Final = msgspec.msgpack.Encoder().encode


class PeopleWrites:
    """The tables of persons of one writer connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._labels: dict[tuple[str, str], int] = {}

    def write(self, changes: Changes, roster: Roster, tallies: Tallies) -> None:
        """Write what the commit says of persons; called when their values are written."""
        execute = self._connection.execute
        for merge in changes.merges:
            row = (merge.id, roster.number(merge.winner), roster.number(merge.loser), merge.at, _encode(merge))
            execute(SQL["put_merge"], row)
        for review in changes.reviews:
            self._put_review(review)
        if changes.labels:
            self._put_labels(changes, roster, tallies)
        for erasure in changes.erasures:
            self._put_erasure(erasure)
        for customer, more in changes.dropped.items():
            if (line := self._line(customer)) is not None:
                self._put_erasure(msgspec.structs.replace(line, dropped=line.dropped + more))
        if changes.readmitted:
            self._readmit(set(changes.readmitted))
        for suppression in changes.suppressions:
            execute(SQL["put_suppression"], (suppression.key, _encode(suppression)))
        for key in changes.released:
            execute(SQL["drop_suppression"], (key,))
        for offset in changes.forgotten:
            execute(SQL["forget_dead"], (offset,))

    def forget(self) -> None:
        """Forget the numbers of labels after a rollback: some may never have been given."""
        self._labels.clear()

    # --- reviews

    def _put_review(self, review: ReviewRow) -> None:
        body: bytes | None = self._connection.execute(SQL["review"], (apsw.carray((review.identifier,)),)).get
        names = {review.holder, *review.claimants}
        before = set() if body is None else _named(review_rows.decode(body))
        drops = [(name, review.identifier) for name in sorted(before - names)]
        self._connection.executemany(SQL["drop_claim"], drops)
        adds = [(name, review.identifier) for name in sorted(names - before)]
        self._connection.executemany(SQL["add_claim"], adds)
        row = (review.identifier, review.state, review.last, _encode(review))
        self._connection.execute(SQL["put_review"], row)

    # --- labels

    def _put_labels(self, changes: Changes, roster: Roster, tallies: Tallies) -> None:
        execute, count = self._connection.execute, self._connection.changes
        for row in changes.labels:
            if not roster.stands(row.customer):
                continue  # merged away: what it carries is in the winner's
            label, num = (row.kind, row.name), roster.number(row.customer)
            id_ = self._label(label)
            if not row.since:
                execute(SQL["drop_label"], (id_, num))
                tallies.add("label", label, -count())
                continue
            execute(SQL["add_label"], (id_, num, row.since, row.until))
            if count():
                tallies.add("label", label, 1)
            else:
                execute(SQL["move_label"], (id_, num, row.since, row.until))

    def _label(self, label: tuple[str, str]) -> int:
        id_ = self._labels.get(label)
        if id_ is None:
            found: int | None = self._connection.execute(SQL["label_name"], label).get
            id_ = found if found is not None else int(self._connection.execute(SQL["add_label_name"], label).get)
            self._labels[label] = id_
        return id_

    # --- the ledger

    def _line(self, customer: str) -> ErasureRow | None:
        rows = self._connection.execute(SQL["erasure"], (customer,)).fetchall()
        return erasure_rows.decode(rows[0][1]) if rows else None  # type: ignore[arg-type]

    def _put_erasure(self, row: ErasureRow) -> None:
        before = self._line(row.customer)
        seq: int = self._connection.execute(SQL["put_erasure"], (row.customer, row.at, _encode(row))).get
        gone = () if before is None else set(before.keys).difference(row.keys)
        self._connection.executemany(SQL["drop_erased"], [(key, seq) for key in gone])
        self._connection.executemany(SQL["add_erased"], [(key, seq) for key in row.keys])

    def _readmit(self, keys: set[str]) -> None:
        lines = self._connection.execute(SQL["lines_of"], (apsw.carray(tuple(keys)),)).fetchall()
        for (body,) in lines:
            row = erasure_rows.decode(body)  # type: ignore[arg-type]
            self._put_erasure(msgspec.structs.replace(row, keys=tuple(key for key in row.keys if key not in keys)))


def _named(review: ReviewRow) -> set[str]:
    return {review.holder, *review.claimants}

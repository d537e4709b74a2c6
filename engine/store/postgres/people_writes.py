"""Writes the merge log, reviews, labels, the erasure ledger and suppressions of a commit.

Called by unit.py, inside its transaction; `people.py` reads them.
"""

from typing import Final

import msgspec

from engine.ports import Changes, ErasureRow, LabelRow, ReviewRow
from engine.store.postgres.people import erasure_rows, review_rows
from engine.store.postgres.roster import Roster
from engine.store.postgres.session import Session, columns
from engine.store.totals import Tallies

_encode: Final = msgspec.msgpack.Encoder().encode


def write_people(session: Session, changes: Changes, roster: Roster, tallies: Tallies) -> None:
    """Write what the commit says of persons; called when their values are written."""
    for merge in changes.merges:
        row = (merge.id, roster.number(merge.winner), roster.number(merge.loser), merge.at, _encode(merge))
        session.send("put_merge", *row)
    for review in changes.reviews:
        _put_review(session, review)
    if changes.labels:
        _put_labels(session, changes.labels, roster, tallies)
    for erasure in changes.erasures:
        _put_erasure(session, erasure)
    for customer, more in changes.dropped.items():
        if (line := _line(session, customer)) is not None:
            _put_erasure(session, msgspec.structs.replace(line, dropped=line.dropped + more))
    if changes.readmitted:
        _readmit(session, set(changes.readmitted))
    if changes.suppressions:
        latest = {row.key: _encode(row) for row in changes.suppressions}
        session.send("put_suppressions", list(latest), list(latest.values()))
    if changes.released:
        session.send("drop_suppressions", changes.released)
    if changes.forgotten:
        session.send("forget_dead", changes.forgotten)


# --- reviews


def _put_review(session: Session, review: ReviewRow) -> None:
    rows = session.send("review", [review.identifier]).fetchall()
    names = {review.holder, *review.claimants}
    before = {name for (body,) in rows for name in _named(review_rows.decode(body))}
    if before - names:
        session.send("drop_claims", review.identifier, sorted(before - names))
    if names - before:
        session.send("add_claims", review.identifier, sorted(names - before))
    session.send("put_review", review.identifier, review.state, review.last, _encode(review))


def _named(review: ReviewRow) -> set[str]:
    return {review.holder, *review.claimants}


# --- labels


def _put_labels(session: Session, labels: list[LabelRow], roster: Roster, tallies: Tallies) -> None:
    # The last word on each counts; whoever was merged away carries nothing: it is in the winner's.
    last = {(row.kind, row.name, roster.number(row.customer)): row for row in labels if roster.stands(row.customer)}
    if not last:
        return
    ids = _numbers(session, {(row.kind, row.name) for row in last.values()})
    names = {id_: name for name, id_ in ids.items()}
    gained = [(ids[kind, name], num, row.since, row.until) for (kind, name, num), row in last.items() if row.since]
    lost = [(ids[kind, name], num) for (kind, name, num), row in last.items() if not row.since]
    put = session.send("put_labels", *columns(gained)) if gained else None
    gone = session.send("lose_labels", *columns(lost)) if lost else None
    for id_, is_new in put.fetchall() if put is not None else ():
        tallies.add("label", names[id_], int(is_new))
    for (id_,) in gone.fetchall() if gone is not None else ():
        tallies.add("label", names[id_], -1)


def _numbers(session: Session, labels: set[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Return the numbers of labels; those never heard of get one."""
    asked = columns(sorted(labels))
    rows = session.send("label_numbers", *asked).fetchall()
    if len(rows) < len(labels):
        session.send("add_label_names", *asked)
        rows = session.send("label_numbers", *asked).fetchall()
    return {(kind, name): id_ for kind, name, id_ in rows}


# --- the ledger


def _line(session: Session, customer: str) -> ErasureRow | None:
    rows = session.send("erasure", customer).fetchall()
    return erasure_rows.decode(rows[0][0]) if rows else None


def _put_erasure(session: Session, row: ErasureRow) -> None:
    before = _line(session, row.customer)
    (seq,) = session.send("put_erasure", row.customer, row.at, _encode(row)).fetchall()[0]
    if before is not None and (gone := sorted(set(before.keys).difference(row.keys))):
        session.send("drop_erased", seq, gone)
    if row.keys:
        session.send("add_erased", seq, list(row.keys))


def _readmit(session: Session, keys: set[str]) -> None:
    for (body,) in session.send("lines_of", sorted(keys)).fetchall():
        row = erasure_rows.decode(body)
        _put_erasure(session, msgspec.structs.replace(row, keys=tuple(key for key in row.keys if key not in keys)))

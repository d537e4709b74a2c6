"""Writes touches, attempts and receipts; every move is checked against the delivery contract first."""

from collections.abc import Mapping
from typing import Final

import msgspec

from engine.core.delivery import TouchState
from engine.core.errors import Conflict
from engine.ports import Attempt, Changes, FactRow, TouchRow
from engine.store.deliveries import Moves
from engine.store.postgres.reader import touch_rows
from engine.store.postgres.roster import Roster
from engine.store.postgres.session import Session, columns
from engine.store.totals import Tallies

_encode: Final = msgspec.msgpack.Encoder().encode
_QUEUED: Final = frozenset({TouchState.PLANNED, TouchState.READY, TouchState.DEFERRED})


class Deliveries:
    """The delivery tables in one turn. `read`: touches as the turn read them, None for one that was not there."""

    def __init__(self, session: Session, read: Mapping[str, TouchRow | None], unheard: set[str]) -> None:
        self._session = session
        self._read = read
        self._unheard = unheard  # receipts that the turn asked for and that were not there
        self.is_news = False
        """Is there anything new to send, or to send at another time?"""

    def write(self, changes: Changes, roster: Roster, tallies: Tallies) -> None:
        """Write planned touches, then moves, then cancellations; then attempts and receipts."""
        if changes.touches or changes.rows or changes.cancelled or changes.withdrawn:
            self._write_touches(Moves(changes), roster, tallies)
        attempts: dict[tuple[str, int], Attempt] = {(one.touch, one.token): one for one in changes.attempts}
        if attempts:
            rows = [(*key, _encode(attempt)) for key, attempt in attempts.items()]
            self._session.send("put_attempts", *columns(rows))
        if changes.facts:
            self._write_facts(changes.facts)

    def _write_facts(self, facts: list[FactRow]) -> None:
        kept: dict[str, FactRow] = {}
        for fact in facts:
            if fact.id not in kept or not kept[fact.id].touch:  # a parked one may still find its touch
                kept[fact.id] = fact
        rows = [(f.id, f.touch, f.at, f.provider, f.provider_id, _encode(f)) for f in kept.values()]
        new = [row for row in rows if row[0] in self._unheard]
        if new:
            self._session.expect(self._session.send("add_facts", *columns(new)), len(new), "a receipt")
        if put := [row for row in rows if row[0] not in self._unheard]:
            self._session.send("put_facts", *columns(put))

    def _write_touches(self, moves: Moves, roster: Roster, tallies: Tallies) -> None:
        seqs = self._find(moves)
        moves.play()
        added, moved = [], []
        for row, before in moves.moved(tallies):
            touch = row.touch
            self.is_news = self.is_news or row.state in _QUEUED
            place = (row.state.value, row.due, row.lease_until, row.provider, row.provider_id, _encode(row))
            if before is None:
                what = (touch.run, touch.journey, touch.channel, touch.template, touch.planned, touch.priority)
                added.append((touch.id, roster.number(touch.customer), *what, *place))
            else:
                moved.append((seqs[touch.id], *place))
        if added:
            self._session.send("add_touches", *columns(added))
        if moved:
            self._session.send("move_touches", *columns(moved))

    def _find(self, moves: Moves) -> dict[str, int]:
        """Lock and read the touches; return their numbers."""
        seqs: dict[str, int] = {}
        with self._session.pipeline():
            mine = self._session.send("hold_touches", list(moves.asked)) if moves.asked else None
            theirs = self._session.send("touches_of_runs", list(moves.cancelled)) if moves.cancelled else None
            for answer in (mine, theirs):
                for touch_id, seq, body in answer.fetchall() if answer is not None else ():
                    seqs[touch_id] = seq
                    moves.know(touch_rows.decode(body))
        for touch_id in moves.asked.keys() & self._read.keys():
            if self._read[touch_id] != moves.before.get(touch_id):
                raise Conflict(f"touch {touch_id} was moved by somebody else meanwhile")
        return seqs

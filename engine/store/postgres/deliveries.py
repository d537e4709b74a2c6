"""Writes touches, attempts and receipts; every move is checked against the delivery contract first."""

from collections.abc import Mapping
from typing import Final

import msgspec

from engine.core.delivery import STOPPABLE, TouchState, is_allowed
from engine.core.errors import Conflict, IllegalMove
from engine.core.ids import Micros
from engine.ports import Attempt, Changes, FactRow, TouchRow
from engine.store.postgres.reader import touch_rows
from engine.store.postgres.roster import Roster
from engine.store.postgres.session import Session
from engine.store.postgres.tally import Tallies, columns

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
            moves = _Moves(self._session, self._read)
            moves.write(changes, roster, tallies)
            self.is_news = moves.is_news
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


class _Moves:
    """The touches of one commit: where each stood, where it goes."""

    def __init__(self, session: Session, read: Mapping[str, TouchRow | None]) -> None:
        self._session = session
        self._read = read
        self._before: dict[str, TouchRow] = {}
        self._after: dict[str, TouchRow] = {}
        self._seqs: dict[str, int] = {}
        self.is_news = False

    def write(self, changes: Changes, roster: Roster, tallies: Tallies) -> None:
        self._find(changes)
        for touch in changes.touches:
            if touch.id not in self._after:
                self._after[touch.id] = TouchRow(touch, TouchState.PLANNED, touch.due, touch.planned)
        for row in changes.rows:
            self._move(row)
        if changes.cancelled:
            self._cancel(changes)
        for touch_id, why in changes.withdrawn:
            self._stop(touch_id, why, changes.now)
        self._store(roster, tallies)

    def _find(self, changes: Changes) -> None:
        asked = dict.fromkeys(touch.id for touch in changes.touches)
        asked |= dict.fromkeys(row.touch.id for row in changes.rows)
        asked |= dict.fromkeys(touch_id for touch_id, _ in changes.withdrawn)
        runs = list(dict.fromkeys(run for run, _ in changes.cancelled))
        with self._session.pipeline():
            mine = self._session.send("hold_touches", list(asked)) if asked else None
            theirs = self._session.send("touches_of_runs", runs) if runs else None
            for answer in (mine, theirs):
                for touch_id, seq, body in answer.fetchall() if answer is not None else ():
                    if touch_id not in self._seqs:
                        self._know(touch_id, seq, body)
        for touch_id in asked.keys() & self._read.keys():
            if self._read[touch_id] != self._before.get(touch_id):
                raise Conflict(f"touch {touch_id} was moved by somebody else meanwhile")

    def _know(self, touch_id: str, seq: int, body: bytes) -> None:
        self._seqs[touch_id] = seq
        self._before[touch_id] = self._after[touch_id] = touch_rows.decode(body)

    def _move(self, row: TouchRow) -> None:
        before = self._after.get(row.touch.id)
        if before is None:
            raise IllegalMove(f"touch {row.touch.id} was never planned, so it cannot become {row.state}")
        if not is_allowed(before.state, row.state):
            raise IllegalMove(f"touch {row.touch.id} cannot move from {before.state} to {row.state}")
        self._after[row.touch.id] = msgspec.structs.replace(row, touch=before.touch)

    def _cancel(self, changes: Changes) -> None:
        reasons: dict[str, str] = {}
        for run, why in changes.cancelled:
            reasons.setdefault(run, why)
        for touch_id, row in self._after.items():
            if row.touch.run in reasons:
                self._stop(touch_id, reasons[row.touch.run], changes.now)

    def _stop(self, touch_id: str, why: str, now: Micros) -> None:
        row = self._after.get(touch_id)
        if row is not None and row.state in STOPPABLE:
            stopped = msgspec.structs.replace(row, state=TouchState.CANCELLED, reason=why, updated=now)
            self._after[touch_id] = stopped

    def _store(self, roster: Roster, tallies: Tallies) -> None:
        added = []
        moved = []
        for touch_id, row in self._after.items():
            touch, before = row.touch, self._before.get(touch_id)
            if before is row:
                continue
            self.is_news = self.is_news or row.state in _QUEUED
            place = (row.state.value, row.due, row.lease_until, row.provider, row.provider_id, _encode(row))
            if before is None:
                what = (touch.run, touch.journey, touch.channel, touch.template, touch.planned, touch.priority)
                added.append((touch_id, roster.number(touch.customer), *what, *place))
            else:
                moved.append((self._seqs[touch_id], *place))
                tallies.add("touch", (touch.journey, touch.channel, before.state.value), -1)
            tallies.add("touch", (touch.journey, touch.channel, row.state.value), 1)
        if added:
            self._session.send("add_touches", *columns(added))
        if moved:
            self._session.send("move_touches", *columns(moved))

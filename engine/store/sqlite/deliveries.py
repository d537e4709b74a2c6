"""Writes touches, attempts and receipts; every move is checked against the delivery contract first."""

from typing import Final

import apsw
import msgspec

from engine.core.delivery import STOPPABLE, TouchState, is_allowed
from engine.core.errors import IllegalMove
from engine.core.ids import Micros
from engine.ports import Changes, TouchRow
from engine.store.sqlite.queries import SQL
from engine.store.sqlite.reader import touch_rows
from engine.store.sqlite.roster import Roster
from engine.store.sqlite.tally import Tallies

_encode: Final = msgspec.msgpack.Encoder().encode


class Deliveries:
    """The delivery tables of one writer connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._last: int = connection.execute(SQL["last_touch"]).get

    def write(self, changes: Changes, roster: Roster, tallies: Tallies) -> None:
        """Write planned touches, then moves, then cancellations; then attempts and receipts."""
        if changes.touches or changes.rows or changes.cancelled or changes.withdrawn:
            _Moves(self._connection, self._last).write(changes, roster, tallies)
        attempts = [(attempt.touch, attempt.token, _encode(attempt)) for attempt in changes.attempts]
        self._connection.executemany(SQL["put_attempt"], attempts)
        facts = [(f.id, f.touch, f.at, f.provider, f.provider_id, _encode(f)) for f in changes.facts]
        self._connection.executemany(SQL["put_fact"], facts)

    def reload(self) -> None:
        """Look again for the highest number, after a commit or a rollback."""
        self._last = self._connection.execute(SQL["last_touch"]).get


class _Moves:
    """The touches of one commit: where each stood, where it goes."""

    def __init__(self, connection: apsw.Connection, last: int) -> None:
        self._connection = connection
        self._last = last
        self._before: dict[str, TouchRow] = {}
        self._after: dict[str, TouchRow] = {}
        self._seqs: dict[str, int] = {}

    def write(self, changes: Changes, roster: Roster, tallies: Tallies) -> None:
        asked = dict.fromkeys(touch.id for touch in changes.touches)
        asked |= dict.fromkeys(row.touch.id for row in changes.rows)
        asked |= dict.fromkeys(touch_id for touch_id, _ in changes.withdrawn)
        if asked:
            for touch_id, seq, body in self._connection.execute(SQL["touches"], (apsw.carray(tuple(asked)),)):
                self._know(touch_id, seq, body)
        for touch in changes.touches:
            if touch.id not in self._after:
                self._after[touch.id] = TouchRow(touch, TouchState.PLANNED, touch.due, touch.planned)
        for row in changes.rows:
            self._move(row)
        self._cancel(changes)
        for touch_id, why in changes.withdrawn:
            self._stop(touch_id, why, changes.now)
        self._store(roster, tallies)

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
        if not reasons:
            return
        for touch_id, seq, body in self._connection.execute(SQL["touches_of_runs"], (apsw.carray(tuple(reasons)),)):
            if touch_id not in self._after:
                self._know(touch_id, seq, body)
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
            body = _encode(row)
            place = (row.state.value, row.due, row.lease_until, row.provider, row.provider_id, body)
            if before is None:
                self._last += 1
                what = (touch.run, touch.journey, touch.channel, touch.template, touch.planned, touch.priority)
                added.append((self._last, touch_id, roster.number(touch.customer), *what, *place))
            else:
                moved.append((self._seqs[touch_id], *place))
                tallies.add("touch", (touch.journey, touch.channel, before.state.value), -1)
            tallies.add("touch", (touch.journey, touch.channel, row.state.value), 1)
        self._connection.executemany(SQL["add_touch"], added)
        self._connection.executemany(SQL["move_touch"], moved)

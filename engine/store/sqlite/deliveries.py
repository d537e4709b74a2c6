"""Writes touches, attempts and receipts; `store/deliveries.py` says what moves, and whether it may."""

from typing import Final

import apsw
import msgspec

from engine.ports import Changes
from engine.store.deliveries import Moves
from engine.store.sqlite.queries import SQL
from engine.store.sqlite.reader import touch_rows
from engine.store.sqlite.roster import Roster
from engine.store.totals import Tallies

_encode: Final = msgspec.msgpack.Encoder().encode


class Deliveries:
    """The delivery tables of one writer connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._last: int = connection.execute(SQL["last_touch"]).get

    def write(self, changes: Changes, roster: Roster, tallies: Tallies) -> None:
        """Write planned touches, then moves, then cancellations; then attempts and receipts."""
        if changes.touches or changes.rows or changes.cancelled or changes.withdrawn:
            self._write_touches(Moves(changes), roster, tallies)
        attempts = [(attempt.touch, attempt.token, _encode(attempt)) for attempt in changes.attempts]
        self._connection.executemany(SQL["put_attempt"], attempts)
        facts = [(f.id, f.touch, f.at, f.provider, f.provider_id, _encode(f)) for f in changes.facts]
        self._connection.executemany(SQL["put_fact"], facts)

    def reload(self) -> None:
        """Look again for the highest number, after a commit or a rollback."""
        self._last = self._connection.execute(SQL["last_touch"]).get

    def _write_touches(self, moves: Moves, roster: Roster, tallies: Tallies) -> None:
        seqs: dict[str, int] = {}
        for name, keys in (("touches", moves.asked), ("touches_of_runs", moves.cancelled)):
            for touch_id, seq, body in self._connection.execute(SQL[name], (apsw.carray(tuple(keys)),)) if keys else ():
                seqs[touch_id] = seq
                moves.know(touch_rows.decode(body))
        moves.play()
        added, moved, last = [], [], self._last
        for row, before in moves.moved(tallies):
            touch = row.touch
            place = (row.state.value, row.due, row.lease_until, row.provider, row.provider_id, _encode(row))
            if before is None:
                last += 1
                what = (touch.run, touch.journey, touch.channel, touch.template, touch.planned, touch.priority)
                added.append((last, touch.id, roster.number(touch.customer), *what, *place))
            else:
                moved.append((seqs[touch.id], *place))
        self._connection.executemany(SQL["add_touch"], added)
        self._connection.executemany(SQL["move_touch"], moved)

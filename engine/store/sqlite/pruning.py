"""Removes what is kept no longer: traces, ended touches with their hand-overs and receipts, ended runs. Chunk by chunk.

The rows of a table lie about in the order of time, so a look begins at the oldest and stops where younger ones begin.
"""

from collections.abc import Iterable
from typing import Any, Final

import apsw
import msgspec

from engine.core.commands import Note
from engine.core.ids import Micros
from engine.core.state import Run
from engine.ports import Kept
from engine.store.sqlite.queries import SQL
from engine.store.sqlite.reader import touch_rows
from engine.store.totals import Tallies

_notes: Final[msgspec.msgpack.Decoder[list[Note]]] = msgspec.msgpack.Decoder(list[Note])
_runs: Final[msgspec.msgpack.Decoder[Run]] = msgspec.msgpack.Decoder(Run)


def prune(connection: apsw.Connection, kind: Kept, before: Micros, limit: int) -> int:
    """Remove up to `limit` rows of the kind that are over and older; return how many went. Inside a transaction."""
    tallies = Tallies()
    match kind:
        case "traces":
            gone = _traces(connection, before, limit)
        case "deliveries":
            gone = _deliveries(connection, before, limit, tallies)
        case "runs":
            gone = _ended(connection, before, limit, tallies)
    connection.executemany(SQL["add_tally"], tallies.rows())
    return gone


def _traces(connection: apsw.Connection, before: Micros, limit: int) -> int:
    last, gone = 0, 0
    for seq, body in _rows(connection, "oldest_notes", limit):
        if any(note.at >= before for note in _notes.decode(body)):
            break
        last, gone = seq, gone + 1
    connection.execute(SQL["drop_notes"], (last,))
    return gone


def _deliveries(connection: apsw.Connection, before: Micros, limit: int, tallies: Tallies) -> int:
    gone = 0
    for seq, touch, journey, channel, state, body in _rows(connection, "oldest_touches", before, limit):
        if touch_rows.decode(body).updated < before:
            for name, key in (("drop_attempts", touch), ("drop_facts", touch), ("drop_touch", seq)):
                connection.execute(SQL[name], (key,))
            tallies.add("touch", (journey, channel, state), -1)
            gone += 1
    return gone + len(_rows(connection, "drop_parked", before, limit))


def drop_touches(connection: apsw.Connection, ids: Iterable[str], tallies: Tallies) -> None:
    """Remove these touches with their hand-overs and receipts, inside a commit."""
    for seq, touch, journey, channel, state in _rows(connection, "touches_to_drop", apsw.carray(tuple(ids))):
        for name, key in (("drop_attempts", touch), ("drop_facts", touch), ("drop_touch", seq)):
            connection.execute(SQL[name], (key,))
        tallies.add("touch", (journey, channel, state), -1)


def _ended(connection: apsw.Connection, before: Micros, limit: int, tallies: Tallies) -> int:
    gone = 0
    for seq, run, journey, version, place, body in _rows(connection, "oldest_runs", before, limit):
        if _runs.decode(body).ended < before:
            connection.execute(SQL["drop_run"], (seq,))
            connection.execute(SQL["drop_refiled"], (run,))
            tallies.add("run", (journey, version, place), -1)
            gone += 1
    return gone


def _rows(connection: apsw.Connection, name: str, *values: Any) -> list[Any]:
    return connection.execute(SQL[name], values).fetchall()

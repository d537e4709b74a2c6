"""Removes what is kept no longer: traces, ended touches with their hand-overs and receipts, ended runs. Chunk by chunk.

The rows of a table lie about in the order of time, so a look begins at the oldest and stops where younger ones begin.
What somebody is changing meanwhile stays until the next time.
"""

from typing import Any, Final

import msgspec

from engine.core.ids import Micros
from engine.core.state import Run
from engine.ports import Kept
from engine.store.postgres.reader import touch_rows
from engine.store.postgres.session import Session
from engine.store.totals import Tallies

_runs: Final[msgspec.msgpack.Decoder[Run]] = msgspec.msgpack.Decoder(Run)
_END: Final = 2**63 - 1


def prune(session: Session, kind: Kept, before: Micros, limit: int) -> int:
    """Remove up to `limit` rows of the kind that are over and older; return how many went. Inside a transaction."""
    tallies = Tallies()
    match kind:
        case "traces":
            gone = _count(session, "oldest_notes", before, limit)
        case "deliveries":
            gone = _deliveries(session, before, limit, tallies)
        case "runs":
            gone = _ended(session, before, limit, tallies)
    session.add_up(tallies)
    return gone


def _count(session: Session, name: str, *values: Any) -> int:
    return session.send(name, *values).rowcount


def _first(session: Session, name: str, before: Micros) -> int:
    rows = session.rows(name, (before,))
    return int(rows[0][0]) if rows else _END


def _deliveries(session: Session, before: Micros, limit: int, tallies: Tallies) -> int:
    young = _first(session, "first_touch_after", before)
    rows = session.rows("oldest_touches", (before, young, limit))
    old = [row[:5] for row in rows if touch_rows.decode(row[5]).updated < before]
    _drop(session, old, tallies)
    return len(old) + _count(session, "drop_parked", before, limit)


def drop_touches(session: Session, ids: list[str], tallies: Tallies) -> None:
    """Remove these touches with their hand-overs and receipts, inside a commit."""
    _drop(session, session.rows("touches_to_drop", (ids,)), tallies)


def _drop(session: Session, rows: list[Any], tallies: Tallies) -> None:
    if not rows:
        return
    ids = [row[1] for row in rows]
    session.send("drop_attempts", ids)
    session.send("drop_facts", ids)
    session.send("drop_touches", [row[0] for row in rows])
    for _, _, journey, channel, state in rows:
        tallies.add("touch", (journey, channel, state), -1)


def _ended(session: Session, before: Micros, limit: int, tallies: Tallies) -> int:
    young = _first(session, "first_run_after", before)
    rows = session.rows("oldest_runs", (before, young, limit))
    old = [row for row in rows if _runs.decode(row[5]).ended < before]
    if old:
        session.send("drop_runs", [row[0] for row in old])
        session.send("drop_refiled", [row[1] for row in old])
    for _, _, journey, version, place, _ in old:
        tallies.add("run", (journey, version, place), -1)
    return len(old)

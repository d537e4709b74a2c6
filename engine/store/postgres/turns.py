"""Opens turns: one transaction on the terms asked for. Who finds them not met learns it before anything is read."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from engine.core.errors import Fenced, RulesMoved
from engine.ports import Turn
from engine.ports.partitions import DESK
from engine.store.postgres.connection import Connection
from engine.store.postgres.reader import Range
from engine.store.postgres.roster import Roster
from engine.store.postgres.seen import Seen
from engine.store.postgres.session import Session
from engine.store.postgres.shelf import Shelf
from engine.store.postgres.unit import PostgresView

_NOBODYS: Final = 1_000
"""Stripes of totals from here on are those of turns that belong to no partition, so many as there may be at once."""


@contextmanager
def opened(shelf: Shelf, terms: Turn, roster: type[Roster] = Roster) -> Iterator[PostgresView | None]:
    """Open a transaction on these terms; None when its duty is somebody else's. Rolls back what is not committed."""
    with shelf.database.connection() as connection:
        session = Session(connection, stripe=_stripe(connection, terms))
        meta, row = _begin(shelf, session, terms)
        if meta is None:
            yield None
            return
        session.partitions = meta["partitions"]
        if terms.partition is not None:
            _check_owner(terms, row)
        if terms.epoch is not None and terms.epoch != meta["epoch"]:
            raise RulesMoved(f"the rules are at {meta['epoch']}, this worker's at {terms.epoch}")
        partition = -1 if terms.partition is None else terms.partition
        seen = Seen(session, shelf.slices, shelf.window, partition=partition, position=row[0] if row else None)
        span = Range(max(partition, DESK), terms.partition, lambda: session.partitions)
        yield PostgresView(shelf, span, seen, roster(session, shelf.hot))


def _stripe(connection: Connection, terms: Turn) -> int:
    return _NOBODYS + connection.info.backend_pid % _NOBODYS if terms.partition is None else terms.partition


def _begin(shelf: Shelf, session: Session, terms: Turn) -> tuple[dict[str, int] | None, Any]:
    """Begin, pass the gate, lock the partition; return the store's numbers (None: the duty is taken), and its row."""
    space = shelf.database.space
    with session.pipeline():
        session.connection.execute(b"BEGIN")
        duty = session.send("take_duty", space, terms.duty) if terms.duty else None
        if duty is not None and not duty.fetchall()[0][0]:
            return None, None
        session.send("enter_alone" if terms.alone else "enter", space)
        held = session.send("hold_partition", terms.partition) if terms.partition is not None else None
        meta = session.send("meta")
        row = held.fetchone() if held is not None else None
        return dict(meta.fetchall()), row


def _check_owner(terms: Turn, row: Any) -> None:
    if row is None:
        raise Fenced(f"there is no partition {terms.partition}: it was not arranged")
    if terms.owner and row[2] != terms.owner:
        raise Fenced(f"partition {terms.partition} belongs to {row[2] or 'nobody'}, no longer to {terms.owner}")

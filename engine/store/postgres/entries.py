"""The history in PostgreSQL: what was applied, of every partition, in the order of places.

Back-fills, purges and timelines read it, `Backlog` compares repeats with it, and the unit of work writes it. Partition
0 comes first, then the topic's, each in its own order; one customer's entries normally stand in one partition.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

import msgspec
from psycopg import Connection
from psycopg.errors import CheckViolation

from engine.core.errors import Conflict, JourneydError, StoreBusy
from engine.core.ids import Micros
from engine.ports import Logged
from engine.ports.partitions import TOPIC
from engine.store.postgres.connection import Database
from engine.store.postgres.entries_months import Months, clamped, clear
from engine.store.postgres.entries_sql import SQL

LAST: Final = (1 << 63) - 1
"""No place is above this."""


def write_entries(
    connection: Connection[Any], rows: Sequence[tuple[int, Micros, bytes]], *, seen: Collection[int], months: Months
) -> None:
    """Write applied entries, (place, received, body) each, in the connection's transaction.

    `seen`: the places that the same commit remembers dedupe keys for. An event that is not among them was a repeat: it
    was not applied, so it is not history. `months` are the store's, of "entries".
    """
    fresh = set(seen)
    insert(connection, [row for row in rows if row[0] in fresh or not _is_event(row[2])], months=months)


def insert(connection: Connection[Any], rows: Sequence[tuple[int, Micros, bytes]], *, months: Months) -> None:
    """Write entries as they are, (place, received, body) each, in the connection's transaction."""
    if not rows:
        return
    places, ats, bodies = zip(*((place, clamped(at), body) for place, at, body in rows), strict=True)
    months.ensure(connection, ats)
    sizes = list(map(len, bodies))
    firsts = list(accumulate(sizes, initial=1))[:-1]
    try:
        connection.execute(SQL["add_entries"], (list(places), list(ats), firsts, sizes, b"".join(bodies)), binary=True)
    except CheckViolation as error:
        months.forget()
        raise Conflict("a month of the history was dropped meanwhile") from error


class PostgresHistory:
    """A `History` of all partitions, read-only but for `rewrite` and `scrub`.

    `position` tells up to where partition 0 is applied: what stands behind that is not history yet. `since` leaves out
    what was received before, and with it whole months.
    """

    def __init__(self, database: Database, position: Callable[[], int], *, since: Micros = 0) -> None:
        self._database, self._position, self._since = database, position, since

    def read(self, after: int, limit: int) -> list[Logged]:
        """Return up to `limit` applied entries with a place above `after`, in order."""
        desk = self._position() if after < TOPIC else 0  # asked before: it may take a connection of its own
        with self._database.connection() as connection:
            found: list[Logged] = []
            if after < desk:
                found = read(connection, (after, desk), limit, self._since)
            if len(found) < limit:
                found += read(connection, (max(after, TOPIC), LAST), limit - len(found), self._since)
        return found

    def back(self, top: int, limit: int) -> list[Logged]:
        """Return the last `limit` applied entries with a place up to `top`, in order."""
        desk = min(top, self._position())
        with self._database.connection() as connection:
            found = read_back(connection, (TOPIC, top), limit) if top > TOPIC else []
            if len(found) < limit:
                found = read_back(connection, (0, desk), limit - len(found)) + found
        return found

    def end(self, position: int) -> int:  # noqa: ARG002 - a `History`'s
        """Return the last place that is applied, of all partitions; the position of one of them says little."""
        desk = self._position()
        with self._database.connection() as connection:
            return _last(connection, (TOPIC, LAST)) or desk

    def size(self, upto: int) -> int:
        """Return about how many entries there are."""
        desk = min(upto, self._position())
        with self._database.connection() as connection:
            return max(int(_value(connection, "count_entries")), desk)

    def tail(self) -> int:
        """Return the last place that is applied."""
        return self.end(0)

    def find(self, place: int) -> bytes | None:
        """Return the body applied at a place, None when it is not kept (any more)."""
        with self._database.connection() as connection:
            found: bytes | None = _value(connection, "entry_at", (place,))
        return found

    def rewrite(self, bodies: Mapping[int, bytes]) -> None:
        """Put other bodies at these places, durably, in one commit; those that hold nothing are left alone."""
        with self._database.connection() as connection:
            rewrite(connection, bodies)

    def scrub(self) -> None:
        """Let the database clear what was rewritten out of its tables; raises `StoreBusy` while somebody reads it."""
        scrub(self._database)

    def append(self, bodies: Sequence[bytes]) -> int:  # noqa: ARG002 - an `EventLog`'s
        """Nobody appends to what was: partition 0 has a log, the others the topic."""
        raise JourneydError("the history is written by those who apply entries: this is a bug")

    def trim(self, below: int) -> None:
        """Do nothing: the history goes by months (`entries_months.drop_months`)."""

    def on_append(self, wake: Callable[[], None]) -> None:
        """Do nothing: the history is no queue."""

    def close(self) -> None:
        """Do nothing: the connections are somebody else's."""


# --- what log and history share ---------------------------------------------------------------------


def read(connection: Connection[Any], places: tuple[int, int], limit: int, since: Micros = 0) -> list[Logged]:
    """Return up to `limit` entries of a range of places, (after, up to), in order."""
    name, values = ("read_since", (since,)) if since else ("read_entries", ())
    rows = connection.execute(SQL[name], (*places, max(limit, 0), *values), binary=True)
    return [Logged(place, body) for place, body in rows]


def read_back(connection: Connection[Any], places: tuple[int, int], limit: int) -> list[Logged]:
    """Return the last `limit` entries of a range of places, (after, up to), in order."""
    rows = connection.execute(SQL["read_back"], (*places, max(limit, 0)), binary=True).fetchall()
    return [Logged(place, body) for place, body in reversed(rows)]


def rewrite(connection: Connection[Any], bodies: Mapping[int, bytes]) -> None:
    """Put other bodies at these places in one transaction, and remember which months then hold dead copies."""
    with connection.transaction():
        months = set()
        for place, body in sorted(bodies.items()):
            row = connection.execute(SQL["rewrite_entry"], (place, body)).fetchone()
            if row is not None:
                months.add(row[0])
        for month in sorted(months):
            connection.execute(SQL["note_rewritten"], (month,))


def scrub(database: Database) -> None:
    """Clear dead copies out of the months that hold some; raises `StoreBusy` while somebody reads an older state."""
    with database.connection() as connection:
        found = connection.execute(SQL["rewritten"]).fetchall()
    if any(is_read for _, _, is_read in found):
        raise StoreBusy("the history is being read: what was erased goes when that ends")
    clear(database, [month for month, _, _ in found])
    with database.connection() as connection, connection.transaction():
        for month, by, _ in found:
            connection.execute(SQL["forget_rewritten"], (month, by))


def _last(connection: Connection[Any], places: tuple[int, int]) -> int:
    return _value(connection, "last_place", places) or 0


def _value(connection: Connection[Any], name: str, values: Sequence[Any] = ()) -> Any:
    row = connection.execute(SQL[name], values).fetchone()
    return None if row is None else row[0]


class _Event(msgspec.Struct, frozen=True, tag="event"):
    pass


_events: Final[msgspec.msgpack.Decoder[_Event]] = msgspec.msgpack.Decoder(_Event)


def _is_event(body: bytes) -> bool:
    try:
        _events.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True

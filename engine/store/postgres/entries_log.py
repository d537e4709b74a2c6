"""Partition 0 as an event log in PostgreSQL: the operators' words, and every entry where there is no topic.

Several processes may append: the desk's one row is locked from the first entry to the commit, so offsets have no gaps
and are read in their order. Callers of one process who come while a commit is under way share the next one.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final, TypeAlias

from psycopg import Connection

from engine.core.ids import Micros
from engine.ports import Logged
from engine.ports.partitions import TOPIC
from engine.store.conventions import received_of
from engine.store.postgres import entries
from engine.store.postgres.connection import Database
from engine.store.postgres.entries_months import Months, bounds, drop_months_below, month_of
from engine.store.postgres.entries_sql import SQL

_GROUP: Final = 5_000  # entries in one transaction, so that a flood does not starve the first caller of its answer
_TRIM: Final = 5_000  # entries dropped in one transaction

_Waiting: TypeAlias = "tuple[Sequence[bytes], Future[int]]"


class PostgresLog:
    """A `History` in `entries`; other processes hear of more by the store's notice "desk"."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._months = Months("entries")
        self._waiting: list[_Waiting] = []
        self._queue, self._writing = threading.Lock(), threading.Lock()
        self._wakes: list[Callable[[], None]] = []

    def append(self, bodies: Sequence[bytes]) -> int:
        """Write the entries in order, durably, and return the last one's offset; raises `StoreFull`, `StoreAway`."""
        if not bodies:
            return self.tail()
        answer: Future[int] = Future()
        with self._queue:
            self._waiting.append((bodies, answer))
        while not answer.done():
            with self._writing:
                if not answer.done():
                    self._write_group()
        return answer.result()

    def _write_group(self) -> None:
        """Write what waits, this caller's entries and those of whoever came meanwhile."""
        group = self._next_group()
        try:
            last = self._commit([body for bodies, _ in group for body in bodies])
        except BaseException as error:
            for _, answer in group:
                answer.set_exception(error)
            return
        offset = last - sum(len(bodies) for bodies, _ in group)
        for wake in tuple(self._wakes):
            with suppress(RuntimeError):  # the listener's event loop is gone: we are stopping
                wake()
        for bodies, answer in group:
            offset += len(bodies)
            answer.set_result(offset)

    def _next_group(self) -> list[_Waiting]:
        with self._queue:
            group: list[_Waiting] = []
            size = 0
            for waiting in self._waiting:
                if group and size + len(waiting[0]) > _GROUP:
                    break
                group.append(waiting)
                size += len(waiting[0])
            del self._waiting[: len(group)]
        return group

    def _commit(self, bodies: Sequence[bytes]) -> int:
        with self._database.connection() as connection, connection.transaction():
            tail, at = _desk(connection, "lock_desk")
            rows = []
            for offset, body in enumerate(bodies, start=tail + 1):
                at = max(at, received_of(body))
                rows.append((offset, at, body))
            entries.insert(connection, rows, months=self._months)
            connection.execute(SQL["move_desk"], (tail + len(bodies), at))
            connection.execute(SQL["tell_desk"], (self._database.channel,))
        return int(tail) + len(bodies)

    def read(self, after: int, limit: int) -> list[Logged]:
        """Return up to `limit` entries with an offset above `after`, in order."""
        with self._database.connection() as connection:
            return entries.read(connection, (after, TOPIC - 1), limit)

    def back(self, top: int, limit: int) -> list[Logged]:
        """Return the last `limit` entries with an offset up to `top`, in order."""
        with self._database.connection() as connection:
            return entries.read_back(connection, (0, min(top, TOPIC - 1)), limit)

    def end(self, position: int) -> int:
        """Return the last offset that is applied: the store's position."""
        return position

    def size(self, upto: int) -> int:
        """Return how many entries are kept up to an offset."""
        first = self.read(0, 1)
        return max(upto - first[0].offset + 1, 0) if first else 0

    def tail(self) -> int:
        """Return the last durable offset, 0 when empty."""
        with self._database.connection() as connection:
            return _desk(connection)[0]

    def rewrite(self, bodies: Mapping[int, bytes]) -> None:
        """Put other bodies at these offsets, durably, in one commit; those that hold nothing are left alone."""
        with self._database.connection() as connection:
            entries.rewrite(connection, bodies)

    def scrub(self) -> None:
        """Let the database clear what was rewritten out of its tables; raises `StoreBusy` while somebody reads it."""
        entries.scrub(self._database)

    def trim(self, below: int) -> None:
        """Drop the entries with an offset below this, whole months at once; the last one stays, and offsets go on."""
        with self._database.connection() as connection:
            tail, at = _desk(connection)
        below = min(below, tail)
        drop_months_below(self._database, bounds(month_of("entries", at))[0], below)
        while self._drop_some(below):
            pass

    def _drop_some(self, below: int) -> int:
        with self._database.connection() as connection, connection.transaction():
            return connection.execute(SQL["drop_entries"], (below, _TRIM)).rowcount

    def on_append(self, wake: Callable[[], None]) -> None:
        """Call `wake` after each commit of this process, in the committing thread; it must be quick."""
        self._wakes.append(wake)

    def close(self) -> None:
        """Do nothing: what was appended is durable, and the connections are somebody else's."""


def _desk(connection: Connection[Any], name: str = "desk") -> tuple[int, Micros]:
    """Return the last offset and when it was received."""
    found = dict(connection.execute(SQL[name]).fetchall())
    if not found:
        connection.execute(SQL["begin_desk"])
        return _desk(connection, name)
    return found["desk"], found["desk_at"]

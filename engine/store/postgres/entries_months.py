"""The months of `entries` and `notes`: made when (or before) a row falls into one, dropped as a whole.

A month is put on and taken off without holding up who reads or writes the others. Called by whoever writes these tables
and by the retention of `worker` and `run`. Instants are microseconds.
"""

import re
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from psycopg import Connection, sql

from engine.core.ids import SECOND, Micros
from engine.ports.partitions import TOPIC
from engine.store.conventions import clamped
from engine.store.postgres.connection import Database, errors_are_said
from engine.store.postgres.entries_sql import SQL

__all__ = ["Months", "bounds", "clamped", "clear", "drop_months", "drop_months_below", "make_ahead", "month_of"]

_NAME: Final = re.compile(r"[a-z]+_(\d{4})_(\d{2})")


class Months:
    """Which months of a table are there, as far as this process knows. May be used from several threads."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._standing: set[str] = set()
        self._lock = threading.Lock()

    def ensure(self, connection: Connection[Any], instants: Iterable[Micros]) -> None:
        """See to it that there is a month for each of these instants, in the connection's transaction."""
        asked = {month_of(self._table, at) for at in _ends(instants)}
        with self._lock:
            missing = asked - self._standing
        if not missing:
            return
        stand = {name for name, _ in _months(connection, self._table)}
        if not missing <= stand:
            connection.execute(SQL["one_maker"], (self._table,))
            for name in sorted(missing - {name for name, _ in _months(connection, self._table)}):
                _make(connection, self._table, name)
        with self._lock:
            self._standing |= stand  # not what was just made: the transaction may still fail

    def forget(self) -> None:
        """Look again: a month was dropped."""
        with self._lock:
            self._standing.clear()


def _ends(instants: Iterable[Micros]) -> Collection[Micros]:
    """Return the first and the last of the instants where all lie within one month, else all."""
    every = list(instants)
    first, last = min(every), max(every)
    return {first, last} if month_of("", first) == month_of("", last) else every


def month_of(table: str, at: Micros) -> str:
    """Return the month of a table for an instant.

    >>> month_of("entries", 0), month_of("notes", 1_795_000_000_000_000)
    ('entries_1970_01', 'notes_2026_11')
    """
    there = datetime.fromtimestamp(clamped(at) // SECOND, UTC)
    return f"{table}_{there.year:04d}_{there.month:02d}"


def bounds(month: str) -> tuple[Micros, Micros]:
    """Return from when (inclusive) and up to when (exclusive) a month goes.

    >>> bounds("entries_1970_01")
    (0, 2678400000000)
    """
    found = _NAME.fullmatch(month)
    assert found is not None, "months are named by this module alone"
    year, number = int(found[1]), int(found[2])
    first, after = datetime(year, number, 1, tzinfo=UTC), datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return int(first.timestamp()) * SECOND, int(after.timestamp()) * SECOND


def make_ahead(database: Database, now: Micros) -> None:
    """Make this month and the next one, so that no batch has to when it begins."""
    for table in ("entries", "notes"):
        _, after = bounds(month_of(table, now))
        with database.connection() as connection, connection.transaction():
            Months(table).ensure(connection, (now, after))


def drop_months(database: Database, before: Micros, position: int) -> list[str]:
    """Drop the months of the history that were over before an instant; return them.

    A month stays while it holds entries of partition 0 above `position`: they are not applied.
    """
    return _drop(database, ("entries", before), sql.SQL("place > $1 AND place < $2"), (position, TOPIC))


def drop_months_below(database: Database, before: Micros, place: int) -> list[str]:
    """Drop the months of the history that were over before an instant and hold nothing from this place on."""
    return _drop(database, ("entries", before), sql.SQL("place >= $1"), (place,))


def drop_notes(database: Database, before: Micros) -> list[str]:
    """Drop the months of the reasons that were over before an instant; return them."""
    return _drop(database, ("notes", before), sql.SQL("at < $1"), (0,))


def _drop(database: Database, which: tuple[str, Micros], kept: sql.SQL, values: tuple[int, ...]) -> list[str]:
    table, before = which
    dropped = []
    with _outside(database) as connection:
        for name, is_half in _months(connection, table):
            if bounds(name)[1] > before:
                break
            month = sql.Identifier(name)
            query = sql.SQL("SELECT EXISTS (SELECT 1 FROM {} WHERE {})").format(month, kept)
            if _one(connection, query, values):
                continue
            way = sql.SQL("FINALIZE" if is_half else "CONCURRENTLY")  # half: who dropped it last time died over it
            take_off = "ALTER TABLE {} DETACH PARTITION {} {}"
            connection.execute(sql.SQL(take_off).format(sql.Identifier(table), month, way))
            connection.execute(sql.SQL("DROP TABLE {}").format(month))
            connection.execute(SQL["forget_month"], (name,))
            dropped.append(name)
    return dropped


def clear(database: Database, months: Iterable[str]) -> None:
    """Let the database clear dead copies out of these months."""
    with _outside(database) as connection:
        for name in months:
            connection.execute(sql.SQL("VACUUM (INDEX_CLEANUP ON) {}").format(sql.Identifier(name)))


@contextmanager
def _outside(database: Database) -> Iterator[Connection[Any]]:
    """Give a connection on which each statement stands alone, and may last: some may not be part of a transaction."""
    with errors_are_said(), database.connect() as connection:
        connection.execute("SET statement_timeout = 0")
        yield connection


def _months(connection: Connection[Any], table: str) -> list[tuple[str, bool]]:
    return connection.execute(SQL["months"], (table,)).fetchall()


def _one(connection: Connection[Any], query: sql.Composed, values: tuple[int, ...]) -> Any:
    row = connection.execute(query, values).fetchone()
    return None if row is None else row[0]


def _make(connection: Connection[Any], table: str, name: str) -> None:
    first, after = bounds(name)
    month, whole = sql.Identifier(name), sql.Identifier(table)
    # A table of this name that is no part: who dropped the month last time died between the two steps.
    connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(month))
    # Made beside and then put on: CREATE TABLE ... PARTITION OF would wait for everybody who reads the whole.
    connection.execute(sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(month, whole))
    put_on = "ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})"
    connection.execute(sql.SQL(put_on).format(whole, month, sql.Literal(first), sql.Literal(after)))

"""A database that a workspace moves into: rows written by COPY in one transaction, and read back to be compared.

One transaction, so that a move that is cut off leaves nothing behind and is simply begun anew. Called by
`bootstrap/migrate_store.py`; nobody else works on the database meanwhile.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final, Self

from psycopg import sql

from engine.core.errors import BadInput
from engine.store.moved import TABLES, Kind, Moved, Row
from engine.store.postgres.connection import Connection, Database, errors_are_said
from engine.store.postgres.entries_months import Months
from engine.store.postgres.migrations import migrate, version_of

CHUNK: Final = 20_000
"""Rows in one COPY."""

_TYPES: Final[dict[Kind, str]] = {
    "int": "int8",
    "small": "int4",
    "text": "text",
    "bytes": "bytea",
    "bool": "bool",
    "real": "float8",
}
_MADE: Final = frozenset({"partitions", "meta"})
"""Tables that hold something in a store that was just made."""

_PATIENT: Final = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


class PostgresTarget:
    """The database at `url`, open in one transaction until `commit`; leaving without one writes nothing."""

    def __init__(self, url: str) -> None:
        self._database = Database(url, 1)
        self._months = {name: Months(name) for name in ("entries", "notes")}

    def __enter__(self) -> Self:
        with errors_are_said():
            self._connection: Connection = self._database.connect()
            for name in _PATIENT:
                self._connection.execute(f"SET {name} = 0".encode())
            self._connection.execute("SET enable_seqscan = on")  # everything is read once, from one end to the other
            self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        return self

    def __exit__(self, *problem: object) -> None:
        self._connection.close()
        self._database.close()

    @classmethod
    def made(cls, url: str) -> Self:
        """Return the database with the tables of a store, made unless they are there, and nothing in them.

        Raises `BadInput` when a store lives there, `NewerSchema` when it is a newer journeyd's.
        """
        database = Database(url, 1)
        try:
            migrate(database)
            with database.connection() as connection:
                held = [table.name for table in TABLES if table.name not in _MADE and _holds(connection, table.name)]
                started = connection.execute("SELECT 1 FROM partitions WHERE partition > 0 OR position > 0").fetchone()
        finally:
            database.close()
        if held or started:
            what = f"the database is not empty: there is something in {(held or ['partitions'])[0]}"
            raise BadInput(what, "Name an empty database or schema; what a test left goes with DROP SCHEMA ... CASCADE")
        return cls(url)

    @classmethod
    def there(cls, url: str) -> Self:
        """Return the database to be read; raises `BadInput` when no store lives there."""
        database = Database(url, 1)
        try:
            with database.connection() as connection:
                version = version_of(connection)
        finally:
            database.close()
        if not version:
            raise BadInput("the database holds no data of journeyd", "Copy the workspace first, without --verify")
        return cls(url)

    def write(self, table: Moved, rows: Iterable[Row]) -> Iterator[int]:
        """Write the rows of a table by portions; yield the size of each."""
        names, types = sql.SQL(", ").join(map(sql.Identifier, table.names)), [_TYPES[kind] for _, kind in table.columns]
        into = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(table.name), names)
        if table.name == "partitions":
            self._connection.execute("DELETE FROM partitions")
        left = iter(rows)
        while portion := list(islice(left, CHUNK)):
            with errors_are_said():
                self._make_room(table, portion)
                with self._connection.cursor() as cursor, cursor.copy(into) as copy:
                    copy.set_types(types)
                    for row in portion:
                        copy.write_row(row)
            yield len(portion)

    def _make_room(self, table: Moved, rows: list[Row]) -> None:
        """Make the months and slices that the rows fall into."""
        if table.name in self._months:
            place = table.names.index("at")
            self._months[table.name].ensure(self._connection, [row[place] for row in rows])
        elif table.name == "seen":
            for number in sorted({row[0] for row in rows}):
                part = f"CREATE TABLE IF NOT EXISTS seen_{number:d} PARTITION OF seen FOR VALUES IN ({number:d})"
                self._connection.execute(part.encode())

    def rows(self, table: Moved) -> Iterator[Row]:
        """Yield every row of a table, in the order of its columns."""
        names = sql.SQL(", ").join(map(sql.Identifier, table.names))
        only = sql.SQL("WHERE " + table.only if table.only else "")  # a text of our own
        query = sql.SQL("COPY (SELECT {} FROM {} {}) TO STDOUT (FORMAT BINARY)")
        whole = query.format(names, sql.Identifier(table.name), only)
        with errors_are_said(), self._connection.cursor() as cursor, cursor.copy(whole) as copy:
            copy.set_types([_TYPES[kind] for _, kind in table.columns])
            yield from copy.rows()

    def commit(self) -> None:
        """Let numbers go on behind what was written, make everything durable, and let the database look at it."""
        with errors_are_said():
            for table in TABLES:
                if table.serial:
                    self._go_on(table)
            self._connection.execute("COMMIT")
            self._connection.execute("ANALYZE")

    def _go_on(self, table: Moved) -> None:
        sequence = "notes_seq" if table.name == "notes" else None
        query = sql.SQL(
            "SELECT setval(coalesce({}, pg_get_serial_sequence({}, {})), m.last) "
            "FROM (SELECT max({}) AS last FROM {}) AS m WHERE m.last > 0"
        )
        name, column = sql.Literal(table.name), sql.Literal(table.serial)
        serial = sql.Identifier(table.serial)
        self._connection.execute(query.format(sql.Literal(sequence), name, column, serial, sql.Identifier(table.name)))


def _holds(connection: Any, table: str) -> bool:
    query = sql.SQL("SELECT EXISTS (SELECT 1 FROM {})").format(sql.Identifier(table))
    return bool(connection.execute(query).fetchone()[0])

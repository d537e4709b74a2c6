"""Who may work on a database: one process that runs everything, or several that share it; never both.

A session's advisory lock on a connection of its own: the server drops it with the connection, however the process dies.
Taken by bootstrap.
"""

from importlib.resources import files
from typing import Any, Final, Literal

import psycopg
from psycopg import Connection

from engine.core.errors import AlreadyRunning, StoreAway
from engine.store.statements import load

_SQL: Final = load(files("engine.store.postgres").joinpath("hold.sql").read_text(encoding="utf-8"))
_PATIENCE: Final = 10
"""Seconds until a connection must stand."""


class DatabaseHold:
    """The right to work on the database at `url`: "alone", or "with_others". `acquire` it, then `release`."""

    def __init__(self, url: str, how: Literal["alone", "with_others"]) -> None:
        self._url, self._how = url, how
        self._connection: Connection[Any] | None = None

    def acquire(self) -> None:
        """Take it at once; raises `AlreadyRunning`, or `StoreAway` when the database does not answer."""
        try:
            connection = psycopg.connect(
                self._url, autocommit=True, connect_timeout=_PATIENCE, application_name=f"journeyd {self._how}"
            )
        except psycopg.OperationalError as problem:
            raise StoreAway(f"the database does not answer: {_first_line(problem)}") from problem
        if not _is_given(connection, f"hold_{self._how}"):
            connection.close()
            raise AlreadyRunning(_HELD[self._how])
        self._connection = connection

    def renew(self) -> None:
        """Make sure that it is still ours, after the database was away; raises what `acquire` does."""
        if self._connection is not None:
            try:
                _is_given(self._connection, "still_held")
            except psycopg.OperationalError:
                self._connection.close()
            else:
                return
        self.acquire()

    def release(self) -> None:
        """Give it back; idempotent."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


_HELD: Final = {
    "alone": "The database is held by another journeyd. Stop it first, or name another database in store.url",
    "with_others": "The database is held by a journeyd that runs without stream.brokers. Stop it first",
}


def _is_given(connection: Connection[Any], name: str) -> bool:
    row = connection.execute(_SQL[name]).fetchone()
    return bool(row and row[0])


def _first_line(problem: Exception) -> str:
    return str(problem).strip().partition("\n")[0]

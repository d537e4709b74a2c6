"""The tables of dedupe keys, one for each slice of the log's time: made when it begins, dropped when it has passed.

A table is made inside the turn that needs it, which holds up nobody who writes to its siblings. It is taken off over a
connection of its own, after the commit that forgot it: that waits for whoever is at work in it, and holds up nobody.
"""

import threading
from contextlib import suppress
from typing import Any, Final

import psycopg

from engine.core.errors import StoreAway
from engine.store.postgres.connection import Database
from engine.store.postgres.queries import SQL
from engine.store.postgres.session import Session

_PATIENCE: Final = "SET lock_timeout = '5s'"


class Slices:
    """The slices that have a table, as far as this process knows. May be used from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: list[int] = []
        self._lock = threading.Lock()

    def standing(self, session: Session) -> list[int]:
        """Return the numbers of the slices there are, oldest first."""
        with self._lock:
            if not self._known:
                self._known = [number for number, _ in session.rows("slices", ())]
            return list(self._known)

    def make(self, session: Session, number: int) -> None:
        """Make a slice inside a turn, unless somebody has; it is there for others when the turn is committed."""
        session.rows("one_slicer", ())
        if number not in [there for there, _ in session.rows("slices", ())]:
            for statement in (
                f"DROP TABLE IF EXISTS {_name(number)}",  # one that was taken off, and whoever did so died over it
                f"CREATE TABLE {_name(number)} (LIKE seen INCLUDING ALL)",
                f"ALTER TABLE seen ATTACH PARTITION {_name(number)} FOR VALUES IN ({number})",
            ):
                session.connection.execute(statement.encode())

    def forget(self) -> None:
        """Look again."""
        with self._lock:
            self._known = []

    def drop_below(self, oldest: int) -> None:
        """Drop the slices that are remembered no longer; those that others keep busy are tried again with the next."""
        with suppress(psycopg.Error, StoreAway), self._database.connect() as connection:
            connection.execute(_PATIENCE)
            rows: list[Any] = connection.execute(SQL["slices"].encode()).fetchall()
            for number, is_half in rows:
                if number < oldest:
                    way = "FINALIZE" if is_half else "CONCURRENTLY"  # half: who took it off last time gave up over it
                    connection.execute(f"ALTER TABLE seen DETACH PARTITION {_name(number)} {way}".encode())
                    connection.execute(f"DROP TABLE {_name(number)}".encode())
        self.forget()


def _name(number: int) -> str:
    return f"seen_{number}"

"""Hears what other processes say has moved: a thread with a connection of its own, made anew when it is lost."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import psycopg

from engine.core.errors import StoreAway
from engine.store.postgres.connection import Connection, Database

_TOPICS: Final = ("rules", "desk", "touches", "tide")
_LOOK: Final = 0.2  # seconds between two looks whether to stop
_AGAIN: Final = 1.0  # seconds between two tries to connect


class Ears:
    """Calls `hear` for each notice of the store's channel, and for every topic after a connection was lost."""

    def __init__(self, database: Database, hear: Callable[[str], None]) -> None:
        self._database = database
        self._hear = hear
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journeyd-listen", daemon=True)
        self._first: Connection | None = None

    def start(self) -> None:
        """Listen from now on; when the database is away, from when it is there."""
        with suppress(StoreAway):
            self._first = self._connect()
        self._thread.start()

    def stop(self) -> None:
        """Hear no more; idempotent."""
        self._ended.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _connect(self) -> Connection:
        connection = self._database.connect()
        try:
            connection.execute(f"LISTEN {self._database.channel}".encode())
        except psycopg.OperationalError as error:
            connection.close()
            raise StoreAway(str(error)) from error
        return connection

    def _run(self) -> None:
        connection = self._first
        while not self._ended.is_set():
            try:
                if connection is None:
                    connection = self._connect()
                    for topic in _TOPICS:
                        self._hear(topic)
                self._listen(connection)
            except (psycopg.Error, StoreAway):
                if connection is not None:
                    connection.close()
                connection = None
                self._ended.wait(_AGAIN)
        if connection is not None:
            connection.close()

    def _listen(self, connection: Connection) -> None:
        while not self._ended.is_set():
            for notice in connection.notifies(timeout=_LOOK):
                self._hear(notice.payload)

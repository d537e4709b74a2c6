"""The store in one SQLite file: a writer connection for units of work, a read-only one for everybody else."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import apsw

from engine.core.errors import BadInput
from engine.core.ids import Micros
from engine.ports import Kept
from engine.store.conventions import WINDOW
from engine.store.sqlite.connection import (
    MIGRATIONS,
    check_version,
    full_disk_is_said,
    migrate,
    open_reader,
    open_writer,
    scrub,
)
from engine.store.sqlite.faces import SqliteReader
from engine.store.sqlite.ledger import LedgerFile
from engine.store.sqlite.pepper import Pepper
from engine.store.sqlite.queries import SQL
from engine.store.sqlite.unit import SqliteUnit, Writer
from engine.store.sqlite.writeback import SWEEP_AFTER


class SqliteStore(SqliteReader):
    """A `Store` in `store.db`. One process may write: hold the `WorkspaceLock` first.

    `hot` is how many customers are kept in memory (at most twice as many); `dedupe_window` how long a message id is
    remembered; `sweep_after` how many bytes of changes may gather before they are written where they belong; `pepper`
    the key of fingerprints, which is else made once in a file beside the database.
    """

    def __init__(
        self,
        path: Path,
        *,
        hot: int = 100_000,
        dedupe_window: Micros = WINDOW,
        sweep_after: int = SWEEP_AFTER,
        pepper: bytes = b"",
    ) -> None:
        writer = open_writer(path)
        try:
            migrate(writer)
            keys = Pepper(path.parent, pepper)
            if not writer.execute(SQL["needs_key"]).get:
                keys.make()
            keys.key()
            self._open(path, keys, Writer(writer, hot=hot, window=dedupe_window, sweep_after=sweep_after))
        except BaseException:
            writer.close()
            raise

    @classmethod
    def open_readonly(cls, path: Path) -> Self:
        """Open for reading, also while a daemon writes; `unit` then raises `BadInput`."""
        store = cls.__new__(cls)
        store._open(path, Pepper(path.parent), None)
        return store

    def _open(self, path: Path, pepper: Pepper, writer: Writer | None) -> None:
        self._path = path
        self._pepper = pepper
        self._writer = writer
        self._writing = threading.RLock()
        reader = open_reader(path)
        try:
            if check_version(reader) < len(MIGRATIONS):
                raise BadInput(
                    f"{path} is of an older journeyd", "Run `journeyd run` once: it brings the data up to date"
                )
        except BaseException:
            reader.close()
            raise
        self._reader: apsw.Connection = reader
        super().__init__(lambda: self._reader, threading.RLock())

    @contextmanager
    def unit(self) -> Iterator[SqliteUnit]:
        """Open a write transaction; one at a time, others wait; leaving without `commit` rolls back."""
        if self._writer is None:
            raise BadInput(f"{self._path} is open for reading only", "Ask the running daemon to change it")
        with self._writing:
            connection = self._writer.connection
            with full_disk_is_said():
                connection.execute("BEGIN IMMEDIATE")
            try:
                yield SqliteUnit(self._writer, self._writing, self._pepper)
            finally:
                if connection.in_transaction:
                    self._writer.rollback()

    def prune(self, kind: Kept, before: Micros, limit: int) -> int:
        """Drop up to `limit` of what is over and older than `before`, in one commit; return how many went."""
        with self.unit() as unit:
            return unit.prune(kind, before, limit)

    def scrub(self) -> None:
        """Leave nothing of what was erased on disk; not inside a unit. Raises `StoreBusy` while somebody else reads."""
        if self._writer is None:
            raise BadInput(f"{self._path} is open for reading only", "Ask the running daemon to change it")
        with self._writing, self._lock:
            scrub(self._writer.connection)

    @property
    def ledger(self) -> LedgerFile:
        """Return the erasure ledger's file beside the database."""
        if self._writer is None:
            raise BadInput(f"{self._path} is open for reading only", "Ask the running daemon to change it")
        return self._writer.ledger

    def close(self) -> None:
        """Close the files; idempotent."""
        with self._writing, self._lock:
            self._reader.close()
            if self._writer is not None:
                self._writer.connection.close()

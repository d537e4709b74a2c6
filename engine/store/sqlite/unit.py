"""A unit of work on store.db: reads through the writer's caches, and the one commit."""

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import apsw

from engine.core.ids import Micros
from engine.core.state import Customer
from engine.ports import Changes, Kept
from engine.store.conventions import mentioned
from engine.store.sqlite import records
from engine.store.sqlite.connection import Checkpoints, full_disk_is_said
from engine.store.sqlite.deliveries import Deliveries
from engine.store.sqlite.erasing import erase
from engine.store.sqlite.faces import SqliteReader
from engine.store.sqlite.issue import write_world
from engine.store.sqlite.ledger import FILE, LedgerFile
from engine.store.sqlite.people_writes import PeopleWrites
from engine.store.sqlite.pepper import Pepper
from engine.store.sqlite.pruning import drop_touches, prune
from engine.store.sqlite.queries import SQL
from engine.store.sqlite.reader import read_meta
from engine.store.sqlite.roster import Roster
from engine.store.sqlite.writeback import WriteBack
from engine.store.totals import Tallies


class Writer:
    """What one writer connection remembers from unit to unit."""

    def __init__(self, connection: apsw.Connection, *, hot: int, window: Micros, sweep_after: int) -> None:
        self.connection = connection
        self.ledger = LedgerFile(Path(connection.filename).with_name(FILE))
        self.values = WriteBack(connection, window, sweep_after)
        self.roster = Roster(connection, self.values, hot)
        self.deliveries = Deliveries(connection)
        self.people = PeopleWrites(connection)
        self.checkpoints = Checkpoints(connection)
        self.meta = read_meta(connection)

    def commit(self, changes: Changes) -> None:
        """Write everything in the open transaction and commit it; on any error roll back and raise."""
        try:
            with full_disk_is_said():
                self._write(changes)
                self.ledger.write(changes)  # it outlives the store: on disk before anything is destroyed
                self.connection.execute("COMMIT")
        except BaseException:
            self.rollback()
            raise
        self.roster.committed(changes)
        self.values.committed(changes.seen)
        self.deliveries.reload()
        self.checkpoints.run()

    def _write(self, changes: Changes) -> None:
        connection, tallies = self.connection, Tallies()
        self.roster.prepare(mentioned(changes))
        bodies = self.roster.write(changes, tallies)
        gone = self.roster.erased()
        if gone:
            self.values.purge(gone)
        self.values.write(bodies, changes.seen, changes.now)
        records.write_runs(connection, changes, self.roster, tallies)
        self.deliveries.write(changes, self.roster, tallies)
        records.write_effects(connection, changes, self.roster, tallies)
        records.write_notes(connection, changes, self.roster)
        records.write_rest(connection, changes)
        write_world(connection, changes, self.roster)
        self.people.write(changes, self.roster, tallies)
        if gone:
            erase(connection, gone, tallies)
        if changes.addressed:
            drop_touches(connection, changes.addressed, tallies)
        if changes.offset:
            self.meta |= {"position": changes.offset, "now": max(changes.now, self.meta.get("now", 0))}
            connection.executemany(SQL["put_meta"], self.meta.items())
        connection.executemany(SQL["add_tally"], tallies.rows())

    def prune(self, kind: Kept, before: Micros, limit: int) -> int:
        """Drop what is kept no longer in the open transaction and commit it; on any error roll back and raise."""
        try:
            with full_disk_is_said():
                gone = prune(self.connection, kind, before, limit)
                self.connection.execute("COMMIT")
        except BaseException:
            self.rollback()
            raise
        self.deliveries.reload()
        self.checkpoints.run()
        return gone

    def rollback(self) -> None:
        """End the transaction with nothing written, and forget what was being written."""
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
        self.roster.rolled_back()
        self.deliveries.reload()
        self.people.forget()
        self.values.rolled_back()
        self.meta = read_meta(self.connection)


class SqliteUnit(SqliteReader):
    """A write transaction. The store's writer lock is held for as long as it lives."""

    def __init__(self, writer: Writer, lock: "threading.RLock", pepper: Pepper) -> None:
        super().__init__(lambda: writer.connection, lock)
        self._pepper = pepper
        self._writer = writer

    def position(self) -> int:
        """Return the offset up to which the log is applied."""
        return self._writer.meta.get("position", 0)

    def seen(self, keys: Sequence[int]) -> dict[int, int]:
        """Return key -> offset for those keys that are in the dedupe window."""
        return self._writer.values.seen.find(keys)

    def resolve(self, identifiers: Iterable[str]) -> dict[str, str]:
        """Return "kind:value" -> customer id for those that are known (merged customers followed)."""
        return self._writer.roster.resolve(identifiers)

    def customers(self, ids: Iterable[str]) -> dict[str, Customer]:
        """Return the customers by id; a merged id returns the winner under the asked id."""
        return self._writer.roster.customers(ids)

    def prune(self, kind: Kept, before: Micros, limit: int) -> int:
        """Drop what is kept no longer, and commit that alone."""
        return self._writer.prune(kind, before, limit)

    def commit(self, changes: Changes) -> None:
        """Write everything and make it durable; on any error write nothing and raise."""
        self._writer.commit(changes)

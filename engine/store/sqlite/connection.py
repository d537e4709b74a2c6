"""Opening SQLite files the one safe way, and what SQLite's errors mean here.

WAL with synchronous=FULL: a commit that returned is on disk. One writer connection per file, which also owns the
checkpoints; every other connection is read-only.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec

from engine.core.commands import RecordEffect
from engine.core.errors import BadInput, NewerSchema, StoreBusy, StoreFull
from engine.ports import JobRow
from engine.store.sqlite.queries import resource

MIGRATIONS: Final = ("schema.sql", "schema_2.sql", "schema_3.sql")
"""What makes version n+1 of store.db from version n; append, never change what was released."""

_SOFT: Final = 4_000  # WAL pages (16 MB): copy them into the file while readers go on
_HARD: Final = 12_000  # WAL pages (48 MB): a reader held the copy up; wait for it and start the WAL afresh


def open_writer(path: Path) -> apsw.Connection:
    """Open (or make) a file for writing; the caller runs `checkpoint` after commits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _bad_files_are_said(path), full_disk_is_said():
        connection = apsw.Connection(str(path))
        connection.set_busy_timeout(2_000)
        connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "FULL")
    connection.pragma("foreign_keys", "OFF")
    connection.pragma("journal_size_limit", 64 * 1024 * 1024)
    connection.pragma("temp_store", "MEMORY")
    _size_cache(connection, megabytes=64)
    return connection


def open_reader(path: Path) -> apsw.Connection:
    """Open a file for reading only; raises `BadInput` when there is none."""
    if not path.exists():
        raise BadInput(f"there is no data at {path}", "Run `journeyd run` in the workspace once, or name another one")
    with _bad_files_are_said(path):
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(2_000)
        connection.pragma("query_only", "ON")
        connection.pragma("user_version")  # the first read: it finds out what the file is
    _size_cache(connection, megabytes=16)
    return connection


@contextmanager
def _bad_files_are_said(path: Path) -> Iterator[None]:
    try:
        yield
    except apsw.NotADBError as error:
        raise BadInput(
            f"{path} is not a journeyd data file", "Restore a backup, or name another data folder"
        ) from error
    except (apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError) as error:
        raise BadInput(f"{path} cannot be opened", "Check that this user may read and write its folder") from error


def _size_cache(connection: apsw.Connection, *, megabytes: int) -> None:
    # SQLite's default of 2 MB spills dirty pages in the middle of a batch.
    connection.pragma("cache_size", -1024 * megabytes)


def migrate(connection: apsw.Connection) -> None:
    """Bring store.db to this version; raises `NewerSchema` when a newer journeyd wrote it."""
    connection.create_scalar_function("effect_customer", _effect_customer, 1)
    connection.create_scalar_function("label_job", _label_job, 2)
    for version in range(check_version(connection), len(MIGRATIONS)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute(resource(MIGRATIONS[version]))
            connection.pragma("user_version", version + 1)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


def _effect_customer(*values: Any) -> str:
    return msgspec.msgpack.decode(values[0], type=RecordEffect).customer


def _label_job(*values: Any) -> bytes:
    customers, now = values
    return msgspec.msgpack.encode(JobRow("settle:labels", "label", total=customers, body=str(now).encode()))


def check_version(connection: apsw.Connection) -> int:
    """Return the schema's version; raises `NewerSchema` when it is one that this program does not know."""
    found = int(connection.pragma("user_version"))
    if found > len(MIGRATIONS):
        raise NewerSchema(
            f"{connection.filename} has schema {found}, this journeyd knows {len(MIGRATIONS)}. "
            "Upgrade journeyd, or restore a backup"
        )
    return found


class Checkpoints:
    """Keeps a writer's WAL short: copies at 16 MB, insists at 48 MB."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._pages = 0
        connection.set_wal_hook(self._note)

    def _note(self, _connection: apsw.Connection, _schema: str, pages: int) -> int:
        self._pages = pages
        return apsw.SQLITE_OK

    def run(self) -> None:
        """Call after a commit: copies the WAL into the file when it has grown. Never raises: committed is committed."""
        if self._pages < _SOFT:
            return
        mode = apsw.SQLITE_CHECKPOINT_PASSIVE if self._pages < _HARD else apsw.SQLITE_CHECKPOINT_RESTART
        try:
            self._connection.wal_checkpoint(mode=mode)
        except apsw.Error:
            return  # a reader is in the way, or the disk is full; the next commit tries again
        self._pages = 0


@contextmanager
def full_disk_is_said() -> Iterator[None]:
    """Turn SQLite's "database or disk is full" into `StoreFull`."""
    try:
        yield
    except apsw.FullError as error:
        raise StoreFull("the disk is full: free space; nothing accepted is lost") from error


def scrub(connection: apsw.Connection) -> None:
    """Leave nothing of what was deleted on disk: write the file anew, copy the WAL into it and empty it.

    Nothing less will do: a page whose rows were moved about keeps copies of them in its unused part, which
    `secure_delete` does not find. Raises `StoreBusy` while another process reads an older state. Needs room for two
    copies of the file for as long as it takes.
    """
    with full_disk_is_said():
        empty_wal(connection)  # a reader that is in the way is noticed before the long work
        connection.pragma("temp_store", "FILE")
        try:
            connection.execute("VACUUM")
        except apsw.FullError:
            with suppress(StoreBusy, apsw.Error):
                empty_wal(connection)  # half a copy must not keep the room that new events need
            raise
        finally:
            connection.pragma("temp_store", "MEMORY")
        empty_wal(connection)


def empty_wal(connection: apsw.Connection) -> None:
    """Copy the WAL into the file and empty it; raises `StoreBusy` while another process reads an older state."""
    try:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.BusyError as error:
        raise StoreBusy(f"{connection.filename} is being read: what was erased goes when that ends") from error

"""Where a workspace's state and its log are: SQLite files, or PostgreSQL. The only place that decides between them.

`Workspace` asks; nobody else opens a store. One process writes, and holds a lock for it, unless a topic carries the
events: then processes share the store, which fences them itself.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from config.settings import Settings
from engine.bootstrap.ledger import check_key, erase_again
from engine.ports import History, Store
from engine.store.sqlite import SqliteLog, SqliteStore, WorkspaceLock
from engine.store.sqlite.blocks import SqliteBlocks


class Hold(Protocol):
    """The right of one process to write."""

    def release(self) -> None:
        """Give it back; idempotent."""
        ...

    def renew(self) -> None:
        """Make sure, after the store was away, that it is still ours; raises `AlreadyRunning` when it is not."""
        ...


@dataclass(frozen=True)
class Files:
    """What one process may write. `through`: who hears it, a living worker at the desk or who opens the log next."""

    lock: Hold
    log: History
    store: Store
    through: Literal["log", "desk"] = "log"

    def close(self) -> None:
        """Flush, close and let the next process in."""
        self.log.close()
        self.store.close()
        self.lock.release()


# --- SQLite


def sqlite_files(data: Path, settings: Settings) -> Files:
    """Return the files of a data folder to write; raises `AlreadyRunning` when another process holds them."""
    data.mkdir(parents=True, exist_ok=True)
    check_key(data)
    lock = WorkspaceLock(data / "lock")
    lock.acquire()
    try:
        store = SqliteStore(data / "store.db", dedupe_window=settings.log.dedupe_window)
        log = SqliteLog(data / "journal.db")
        log.go_on_after(store.position())
        erase_again(store.ledger, store, log)

        return Files(lock, log, store)
    except BaseException:
        lock.release()
        raise


def sqlite_store(data: Path) -> Store:
    """Return the store of a data folder for reading."""
    return SqliteStore.open_readonly(data / "store.db")


def sqlite_log(data: Path) -> History:
    """Return the log of a data folder for reading."""
    return SqliteLog.open_readonly(data / "journal.db")


@contextmanager
def nobody_runs(data: Path) -> Iterator[None]:
    """Hold a data folder for a moment; raises `AlreadyRunning` when another process does."""
    with WorkspaceLock(data / "lock"):
        yield


def on_ledger(store: Store, hear: Callable[[], None]) -> None:
    """Call `hear` when lines of the erasure ledger are safe and their commit is not, where the ledger is a file."""
    if isinstance(store, SqliteStore):
        store.ledger.written = hear


def scratch_blocks() -> SqliteBlocks:
    """Return a place on disk for what shares something with something, gone with the process."""
    return SqliteBlocks()

"""The event log in a SQLite file (skeleton)."""

from collections.abc import Callable, Sequence
from pathlib import Path

from engine.ports import Logged


class SqliteLog:
    """An `EventLog` in `journal.db` with group commit."""

    def __init__(self, path: Path, *, queue: int = 1024) -> None:
        raise NotImplementedError

    def append(self, bodies: Sequence[bytes]) -> int:
        """Write the entries in order, durably, and return the last one's offset."""
        raise NotImplementedError

    def read(self, after: int, limit: int) -> list[Logged]:
        """Return up to `limit` entries with an offset above `after`, in order."""
        raise NotImplementedError

    def tail(self) -> int:
        """Return the last durable offset, 0 when empty."""
        raise NotImplementedError

    def on_append(self, wake: Callable[[], None]) -> None:
        """Call `wake` (in the writer thread) after each commit."""
        raise NotImplementedError

    def close(self) -> None:
        """Flush and release; idempotent."""
        raise NotImplementedError

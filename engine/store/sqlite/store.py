"""The store in a SQLite file (skeleton)."""

from contextlib import AbstractContextManager
from pathlib import Path

from engine.core.ids import Micros
from engine.ports import Unit
from engine.store.conventions import WINDOW


class SqliteStore:
    """A `Store` in `store.db`."""

    def __init__(self, path: Path, *, hot: int = 100_000, dedupe_window: Micros = WINDOW) -> None:
        raise NotImplementedError

    @classmethod
    def open_readonly(cls, path: Path) -> "SqliteStore":
        """Open for reading while a daemon writes."""
        raise NotImplementedError

    def unit(self) -> AbstractContextManager[Unit]:
        """Open a write transaction; leaving without `commit` rolls back."""
        raise NotImplementedError

    def close(self) -> None:
        """Release files and locks; idempotent."""
        raise NotImplementedError

"""Which customers share something, kept in a temporary database that SQLite spills to disk and deletes by itself.

A `Blocks` of `usecases/suggest.py`; it has nothing to do with the store's own file. Called by `journeyd identity`.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Final

import apsw

from engine.store.sqlite.queries import resource
from engine.store.statements import load

_SQL: Final = load(resource("blocks.sql"))
_ROWS: Final = 10_000


class SqliteBlocks:
    """Fill it with `add`, then ask. `close` removes it."""

    def __init__(self) -> None:
        self._connection = apsw.Connection("")  # a temporary file of its own, gone with the connection
        self._connection.pragma("journal_mode", "off")
        self._connection.execute(_SQL["make_blocks"])
        self._waiting: list[tuple[int, str]] = []
        self._is_sorted = False

    def add(self, key: int, customer: str) -> None:
        """Remember that the customer has the key."""
        self._waiting.append((key, customer))
        if len(self._waiting) >= _ROWS:
            self._write()

    def groups(self, most: int) -> int:
        """Return how many keys 2 to `most` customers share."""
        self._sort()
        return int(self._connection.execute(_SQL["count_shared"], (most,)).get)

    def shared(self, most: int) -> Iterator[list[str]]:
        """Yield the customers of each key that 2 to `most` of them share."""
        self._sort()
        rows = self._connection.execute(_SQL["shared_blocks"], (most,))
        for _, group in groupby(rows, key=lambda row: row[0]):
            yield [customer for _, customer in group]

    def close(self) -> None:
        """Remove it."""
        self._connection.close()

    def _write(self) -> None:
        with self._connection:
            self._connection.executemany(_SQL["add_block"], self._waiting)
        self._waiting = []

    def _sort(self) -> None:
        if self._waiting:
            self._write()
        if not self._is_sorted:
            self._connection.execute(_SQL["index_blocks"])
            self._is_sorted = True

"""Dedupe keys as integer row ids in one table per slice of the log's time; an old slice is dropped whole."""

from array import array
from collections.abc import Sequence

import apsw

from engine.core.ids import Micros
from engine.store.conventions import oldest_kept, slice_of
from engine.store.sqlite.queries import SQL


def slices(connection: apsw.Connection) -> list[int]:
    """Return the numbers of the slices there are, oldest first."""
    return sorted(int(name.removeprefix("seen_")) for (name,) in connection.execute(SQL["slices"]))


def find(connection: apsw.Connection, keys: Sequence[int], numbers: Sequence[int]) -> dict[int, int]:
    """Return key -> offset for the keys that stand in one of the slices."""
    if not keys:
        return {}
    wanted = array("q", keys)
    found: dict[int, int] = {}
    for number in numbers:
        query = f"SELECT s.key, s.offset FROM carray(?1) AS a CROSS JOIN seen_{number:d} AS s ON s.key = a.value"  # noqa: S608
        found.update(connection.execute(query, (apsw.carray(wanted),)))
    return found


class Slices:
    """The writer's view of the slices: which there are, and the one that is being filled."""

    def __init__(self, connection: apsw.Connection, window: Micros) -> None:
        self._connection = connection
        self._window = window
        self._numbers = slices(connection)

    @property
    def numbers(self) -> Sequence[int]:
        """The slices there are."""
        return self._numbers

    def write(self, seen: dict[int, int], now: Micros) -> None:
        """Insert the keys into the newest slice, beginning one and dropping old ones as the log's time asks."""
        if not seen:
            return
        newest = max([slice_of(now, self._window), *self._numbers])
        if newest not in self._numbers:
            self._begin(newest)
        self._connection.executemany(
            f"INSERT INTO seen_{newest:d} (key, offset) VALUES (?1, ?2)"  # noqa: S608
            " ON CONFLICT (key) DO UPDATE SET offset = excluded.offset",
            seen.items(),
        )

    def _begin(self, newest: int) -> None:
        self._connection.execute(f"CREATE TABLE seen_{newest:d} (key INTEGER PRIMARY KEY, offset INTEGER NOT NULL)")
        kept = [number for number in self._numbers if number >= oldest_kept(newest)]
        for number in set(self._numbers) - set(kept):
            self._connection.execute(f"DROP TABLE seen_{number:d}")
        self._numbers = [*kept, newest]

    def reload(self) -> None:
        """Look again after a rollback."""
        self._numbers = slices(self._connection)

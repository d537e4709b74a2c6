"""Dedupe keys as integer row ids in one table per slice of the log's time; an old slice is dropped whole.

The latest keys are in memory and in `redo`; writeback.py writes them into their tables in key order.
"""

from array import array
from collections.abc import Iterable, Sequence

import apsw

from engine.core.ids import Micros
from engine.store.conventions import oldest_kept, slice_of
from engine.store.sqlite.queries import SQL


def slices(connection: apsw.Connection) -> list[int]:
    """Return the numbers of the slices there are, oldest first."""
    rows: Iterable[tuple[str]] = connection.execute(SQL["slices"]).fetchall()  # type: ignore[assignment]
    return sorted(int(name.removeprefix("seen_")) for (name,) in rows)


def find(connection: apsw.Connection, keys: Sequence[int], numbers: Iterable[int]) -> dict[int, int]:
    """Return key -> offset for the keys that stand in the tables of these slices."""
    found: dict[int, int] = {}
    if keys:
        wanted = array("q", keys)
        for number in numbers:
            query = f"SELECT s.key, s.offset FROM carray(?1) AS a CROSS JOIN seen_{number:d} AS s ON s.key = a.value"  # noqa: S608
            found.update(connection.execute(query, (apsw.carray(wanted),)))
    return found


class Seen:
    """The writer's dedupe keys: `young` since the last sweep began, `old` being swept into the tables."""

    def __init__(self, connection: apsw.Connection, window: Micros, young: dict[int, dict[int, int]]) -> None:
        self._connection = connection
        self._window = window
        self._numbers = slices(connection)
        self._young = {number: keys for number, keys in young.items() if number in self._numbers}
        self._old: dict[int, dict[int, int]] = {}

    def find(self, keys: Sequence[int]) -> dict[int, int]:
        """Return key -> offset for the keys that are in the window."""
        found = find(self._connection, keys, self._numbers)
        for memory in (self._old, self._young):
            for recent in memory.values():
                found.update((key, recent[key]) for key in recent.keys() & keys)
        return found

    def slice_for(self, now: Micros) -> int:
        """Return the slice for keys of `now`, made if need be; old ones are dropped as the log's time goes on."""
        newest = max([slice_of(now, self._window), *self._numbers])
        if newest not in self._numbers:
            self._connection.execute(f"CREATE TABLE seen_{newest:d} (key INTEGER PRIMARY KEY, offset INTEGER NOT NULL)")
            kept = [number for number in self._numbers if number >= oldest_kept(newest)]
            for number in set(self._numbers) - set(kept):
                self._connection.execute(f"DROP TABLE seen_{number:d}")
            self._numbers = [*kept, newest]
        return newest

    def remember(self, number: int, seen: dict[int, int]) -> None:
        """Keep committed keys in memory until they are swept."""
        self._young.setdefault(number, {}).update(seen)
        for memory in (self._old, self._young):
            for gone in [number for number in memory if number not in self._numbers]:
                del memory[gone]

    def age(self) -> list[int]:
        """Begin a sweep: return the keys that it must write, the first one last."""
        self._old, self._young = self._young, {}
        return sorted((key for recent in self._old.values() for key in recent), reverse=True)

    def forget(self) -> None:
        """End a sweep: the tables have the old keys."""
        self._old = {}

    def write(self, keys: Sequence[int]) -> None:
        """Write keys of the sweep into their tables."""
        for number in self._old.keys() & set(self._numbers):
            recent = self._old[number]
            self._connection.executemany(
                f"INSERT INTO seen_{number:d} (key, offset) VALUES (?1, ?2)"  # noqa: S608
                " ON CONFLICT (key) DO UPDATE SET offset = excluded.offset",
                [(key, recent[key]) for key in keys if key in recent],
            )

    def reload(self) -> None:
        """Look again after a rollback."""
        self._numbers = slices(self._connection)

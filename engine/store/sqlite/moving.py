"""The rows of a workspace's two SQLite files as another store writes them: `engine/store/moved.py` says which.

Reads one state of each file; what commits left in `redo` is laid over the tables, as every reader does. Opened while
nobody writes; called by `bootstrap/migrate_store.py`.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from engine.core.commands import Note
from engine.core.ids import Micros
from engine.store.conventions import clamped, received_of
from engine.store.moved import Moved, Row
from engine.store.sqlite import seen
from engine.store.sqlite.connection import open_reader
from engine.store.sqlite.pepper import Pepper
from engine.store.sqlite.reader import read_meta
from engine.store.sqlite.redo import Overlay
from engine.store.sqlite.rewriting import READ, READ_BACK

_NOTES: Final[msgspec.msgpack.Decoder[list[Note]]] = msgspec.msgpack.Decoder(list[Note])
_EVERY: Final = (1 << 63) - 1
_ELSE: Final = {  # how a table of the other store is read here, where it is not the same columns of the same name
    "states": "SELECT num, 0, body FROM states",
    "notes": "SELECT seq, 0, num, body FROM notes",
    "dead": "SELECT offset, at, reason, body FROM dead",
    "schedules": "SELECT journey, 0, due, body FROM schedules",
    "tallies": """SELECT kind, a, b, c, 0, n, value FROM tallies
        UNION ALL SELECT 'free', name, '', '', 0, free, 0.0 FROM pools WHERE free <> 0
        UNION ALL SELECT 'issued', name, '', '', 0, issued, 0.0 FROM pools WHERE issued <> 0""",
    "arms": "SELECT journey, split, arm, 0, tried, won FROM arms",
}


class SqliteSource:
    """The files in a data folder, open for reading. Close it."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._store, self._journal = open_reader(data / "store.db"), open_reader(data / "journal.db")
        self._store.execute("BEGIN")
        self._journal.execute("BEGIN")
        self._overlay = Overlay()
        self._overlay.refresh(self._store)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self._store.close()
        self._journal.close()

    def size(self, table: Moved) -> int:
        """Return about how many rows a table has."""
        match table.name:
            case "secrets" | "partitions":
                return 1
            case "meta":
                return 2
            case "seen":
                numbers = seen.slices(self._store)
                return sum(self._count(f"seen_{number:d}") for number in numbers)
            case "entries":
                return int(self._journal.execute("SELECT count(*) FROM entries").get)
            case name:
                return self._count(name)

    def _count(self, name: str) -> int:
        return int(self._store.execute(f"SELECT count(*) FROM {name}").get)  # noqa: S608 - names of our own

    def rows(self, table: Moved) -> Iterator[Row]:
        """Yield every row of a table, in the order of its columns."""
        match table.name:
            case "secrets":
                yield ("pepper", Pepper(self._data).key())
            case "partitions":
                meta = read_meta(self._store)
                yield (0, meta.get("position", 0), meta.get("now", 0))
            case "meta":
                yield from self._desk()
            case "states":
                yield from self._states()
            case "seen":
                yield from self._seen()
            case "notes":
                for seq, _, num, body in self._all(table):
                    yield (seq, clamped(max((note.at for note in _NOTES.decode(body)), default=0)), num, body)
            case "entries":
                yield from self._entries()
            case _:
                yield from self._all(table)

    def _all(self, table: Moved) -> Iterator[Row]:
        query = _ELSE.get(table.name, f"SELECT {', '.join(table.names)} FROM {table.name}")  # noqa: S608 - our own
        rows: Iterable[Any] = self._store.execute(query)
        truths = [place for place, (_, kind) in enumerate(table.columns) if kind == "bool"]
        texts = [place for place, (_, kind) in enumerate(table.columns) if kind == "text"]
        for row in rows:
            changed = list(row)
            for place in truths:
                changed[place] = bool(changed[place])
            for place in texts:
                if changed[place] and "\0" in changed[place]:  # which PostgreSQL has no place for
                    changed[place] = changed[place].replace("\0", "\\0")
            yield tuple(changed)

    def _states(self) -> Iterator[Row]:
        later = self._overlay.bodies()
        rows: Iterable[Any] = self._store.execute(_ELSE["states"])
        for num, version, body in rows:
            if num not in later:
                yield (num, version, body)
        for num, body in later.items():
            if body:
                yield (num, 0, body)

    def _seen(self) -> Iterator[Row]:
        later = self._overlay.seen()
        for number in seen.slices(self._store):
            fresh = later.get(number, {})
            query = f"SELECT key, offset FROM seen_{number:d}"  # noqa: S608 - a number
            rows: Iterable[Any] = self._store.execute(query)
            for key, offset in rows:
                if key not in fresh:
                    yield (number, key, offset)
            for key, offset in fresh.items():
                yield (number, key, offset)

    def _desk(self) -> Iterator[Row]:
        """Yield how far the log goes, and up to when: what comes next follows on it."""
        found: list[Any] = self._journal.execute(READ_BACK, (_EVERY, 1)).fetchall()
        tail, body = found[0] if found else (0, b"")
        yield ("desk", max(tail, read_meta(self._store).get("position", 0)))
        yield ("desk_at", received_of(body))

    def _entries(self) -> Iterator[Row]:
        at: Micros = 0
        rows: Iterable[Any] = self._journal.execute(READ, (0, -1))
        for offset, body in rows:
            at = max(at, received_of(body))
            yield (offset, at, body)

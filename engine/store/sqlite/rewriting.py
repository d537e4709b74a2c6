"""How entries of a journal are rewritten so that nothing of what they were stays in the file.

SQLite leaves copies of rows in the unused parts of pages when it moves rows about (`secure_delete` does not find them).
So nothing is moved: an entry is zeroed where it stands, at its size, and its new body goes to a table beside. Only a
trim moves rows, in the first pages; `renew` fills and empties those.
Called by the journal's writer thread alone.
"""

from typing import Any, Final

import apsw

from engine.store.sqlite.connection import full_disk_is_said

VERSION: Final = 2
READ: Final = """SELECT e.offset, coalesce(r.body, e.body) FROM entries AS e
LEFT JOIN rewritten AS r ON r.offset = e.offset WHERE e.offset > ?1 ORDER BY e.offset LIMIT ?2"""
"""Entries above an offset, as they were rewritten."""

READ_BACK: Final = """SELECT e.offset, coalesce(r.body, e.body) FROM entries AS e
LEFT JOIN rewritten AS r ON r.offset = e.offset WHERE e.offset <= ?1 ORDER BY e.offset DESC LIMIT ?2"""
"""Entries up to an offset, the last one first, as they were rewritten."""

READ_FIRST: Final = "SELECT offset, body FROM entries WHERE offset > ?1 ORDER BY offset LIMIT ?2"
"""The same of a journal that still has its first version."""

_TABLE: Final = "CREATE TABLE rewritten (offset INTEGER PRIMARY KEY, body BLOB NOT NULL)"
_PUT: Final = """INSERT INTO rewritten (offset, body) VALUES (?1, ?2)
ON CONFLICT (offset) DO UPDATE SET body = excluded.body"""
_WHOLE_PAGE: Final = 4_050  # bytes: what a page of 4,096 holds of one row, and no overflow page
_BLOB: Final = 16_000  # pages that are written over at a time


def prepare(writer: apsw.Connection, found: int) -> None:
    """Bring a journal of version `found` (0: a new file) to this one.

    Whole pages that a trim frees are zeroed from here on; what the first version freed is written over once. It left
    parts of pages with a few of its oldest entries: only a journal of this version is clean to the last byte.
    """
    writer.pragma("secure_delete", "ON")
    if found == VERSION:
        return
    with full_disk_is_said(), writer:
        writer.execute("CREATE TABLE IF NOT EXISTS entries (offset INTEGER PRIMARY KEY, body BLOB NOT NULL)")
        free, size = int(writer.pragma("freelist_count")), int(writer.pragma("page_size"))
        writer.execute("CREATE TABLE zeroes (body BLOB)")
        for pages in (*[_BLOB] * (free // _BLOB), free % _BLOB):
            writer.execute("INSERT INTO zeroes (body) VALUES (zeroblob(?1))", (pages * size,))
        writer.execute("DROP TABLE zeroes")
        writer.execute(_TABLE)
        writer.pragma("user_version", VERSION)


def rewrite(writer: apsw.Connection, rows: list[tuple[int, bytes]]) -> None:
    """Zero the entries where they stand, which moves nothing since the size stays, and keep the new bodies beside."""
    known = "SELECT 1 FROM entries WHERE offset = ?1"
    with full_disk_is_said(), writer:
        here = [(offset, body) for offset, body in rows if writer.execute(known, (offset,)).get]
        zero = "UPDATE entries SET body = zeroblob(length(body)) WHERE offset = ?1"
        writer.executemany(zero, [(offset,) for offset, _ in here])
        writer.executemany(_PUT, here)


def renew(writer: apsw.Connection) -> None:
    """Leave nothing in the unused parts of pages: of bodies rewritten twice, and where a trim ended."""
    with writer:
        first: int = writer.execute("SELECT coalesce(min(offset), 1) FROM entries").get
        if first > 1:
            # A row that takes a page for itself pushes the others out of the first one; then it is zeroed.
            writer.execute("INSERT INTO entries (offset, body) VALUES (?1, zeroblob(?2))", (first - 1, _WHOLE_PAGE))
            writer.execute("DELETE FROM entries WHERE offset = ?1", (first - 1,))
        rows: list[Any] = writer.execute("SELECT offset, body FROM rewritten ORDER BY offset").fetchall()
        if rows:
            writer.execute("DROP TABLE rewritten")
            writer.execute(_TABLE)
            writer.executemany("INSERT INTO rewritten (offset, body) VALUES (?1, ?2)", rows)

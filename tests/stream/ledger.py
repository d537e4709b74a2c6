"""A small engine for tests of the reader: it keeps what it applied, and how far, in one file that processes share.

Owners fence each other as the partitions' rows of the real store do. It is no mock: it decides by what is in the file.
"""

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from engine.core.ids import Micros
from engine.runtime.stream.messages import Message

_SCHEMA = """
create table if not exists partition (id integer primary key, next integer not null, owner text not null);
create table if not exists applied
  (partition integer, offset integer, value blob, owner text, primary key (partition, offset));
"""


class Ledger:
    """An `Applying` over a file; `owner` names this one. `drains` are (partition, instant) as they were told."""

    def __init__(self, file: Path, owner: str) -> None:
        self._owner = owner
        self._db = sqlite3.connect(file, timeout=30, isolation_level=None)
        self._db.execute("pragma journal_mode=wal")
        self._db.executescript(_SCHEMA)
        self.batches: list[int] = []
        self.drains: dict[int, Micros] = {}
        self.held: set[int] = set()

    async def assigned(self, partitions: Collection[int]) -> Mapping[int, int]:
        """Take them over."""
        self.held = set(partitions)
        self._db.execute("begin immediate")
        for partition in partitions:
            self._db.execute(
                "insert into partition values (?, 0, ?) on conflict (id) do update set owner = excluded.owner",
                (partition, self._owner),
            )
        found = self.positions()
        self._db.execute("commit")
        return {partition: found[partition] for partition in partitions}

    async def revoked(self, partitions: Collection[int]) -> None:
        """Let go of them."""
        self.held -= set(partitions)

    async def apply(self, messages: Sequence[Message]) -> None:
        """Keep each message once, in order; pass over what is somebody else's by now."""
        self.batches.append(len(messages))
        self._db.execute("begin immediate")
        rows = self._db.execute("select id, next from partition where owner = ?", (self._owner,)).fetchall()
        position: dict[int, int] = dict(rows)
        for one in messages:
            if one.offset >= position.get(one.partition, 1 << 60):
                row = (one.partition, one.offset, one.value, self._owner)
                self._db.execute("insert into applied values (?, ?, ?, ?)", row)
                position[one.partition] = one.offset + 1
        self._db.executemany("update partition set next = ? where id = ?", [(at, p) for p, at in position.items()])
        self._db.execute("commit")

    async def drained(self, partitions: Collection[int], at: Micros) -> None:
        """Note it."""
        self.drains.update(dict.fromkeys(partitions, at))

    # --- what tests ask

    def positions(self) -> dict[int, int]:
        """Return partition -> the offset to read next."""
        return dict(self._db.execute("select id, next from partition"))

    def owners(self) -> dict[int, str]:
        """Return partition -> who took it last."""
        return dict(self._db.execute("select id, owner from partition"))

    def applied(self) -> list[tuple[int, int, bytes]]:
        """Return (partition, offset, value) in order."""
        return self._db.execute("select partition, offset, value from applied order by 1, 2").fetchall()

    def count(self) -> int:
        """Return how many messages are applied."""
        return int(self._db.execute("select count(*) from applied").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._db.close()

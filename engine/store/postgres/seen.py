"""A partition's position and dedupe keys in one turn: read once, written with the commit.

Keys lie in slices of the partition's own time. One store without partitions forgets as its log's time goes on; one with
partitions forgets what lies before the window of the one that is furthest behind.
"""

from collections.abc import Sequence

from engine.core.errors import Conflict
from engine.core.ids import Micros
from engine.ports import Changes
from engine.ports.window import oldest_kept, slice_of
from engine.store.postgres.session import Session
from engine.store.postgres.slices import Slices


class Seen:
    """What a turn knows of its partition's log; `partition` is -1 for a turn of none in particular."""

    def __init__(
        self, session: Session, slices: Slices, window: Micros, *, partition: int, position: int | None
    ) -> None:
        self._session = session
        self._slices = slices
        self._window = window
        self._partition = partition
        self.position = position
        self._asked: dict[int, int] = {}
        self._absent: set[int] = set()
        self._forget_below: int | None = None
        self._is_new = False

    def find(self, keys: Sequence[int]) -> dict[int, int]:
        """Return key -> place for the keys that are in the window."""
        if not keys:
            return {}
        found: dict[int, int] = dict(self._session.rows("seen", (list(keys),)))
        self._asked |= found
        self._absent.update(key for key in keys if key not in found)
        return found

    def write(self, changes: Changes) -> None:
        """Write keys, and the position; raises `Conflict` where somebody else has written such a key meanwhile."""
        if changes.seen:
            self._write_keys(changes)
        if changes.offset:
            if self._partition < 0:
                raise RuntimeError("a turn of no partition has no position")
            self._session.send("move_partition", self._partition, changes.offset, changes.now)

    def _write_keys(self, changes: Changes) -> None:
        number = self._slice(changes.now)
        keys, again = changes.seen, [key for key in changes.seen if key in self._asked or key in self._absent]
        if again:
            found: dict[int, int] = dict(self._session.send("seen", again).fetchall())
            if found != {key: place for key, place in self._asked.items() if key in keys}:
                raise Conflict("an entry came by way of another partition meanwhile")
        if added := [key for key in keys if key in self._absent]:
            answer = self._session.send("add_seen", number, added, [keys[key] for key in added])
            self._session.expect(answer, len(added), "an entry")
        if put := [key for key in keys if key not in self._absent]:
            self._session.send("put_seen", number, put, [keys[key] for key in put])

    def _slice(self, now: Micros) -> int:
        """Return the slice for keys of `now`, made if need be; the oldest are forgotten as time goes on."""
        number = slice_of(now, self._window)
        there = self._slices.standing(self._session)
        if not self._session.partitions:
            number = max([number, *there])
        if number not in there:
            self._slices.make(self._session, number)
            self._is_new = True
            self._forget(there, number)
        return number

    def _forget(self, there: list[int], newest: int) -> None:
        if self._session.partitions:
            newest = slice_of(self._session.rows("lived", ())[0][0], self._window)
        if there and there[0] < (below := oldest_kept(newest)):
            self._session.send("put_meta", "seen_from", below)
            self._forget_below = below

    def committed(self) -> None:
        """Drop the slices that this commit let go."""
        if self._is_new:
            self._slices.forget()
        if self._forget_below is not None:
            self._slices.drop_below(self._forget_below)

"""Makes a commit's values durable at once, and writes them where they belong a little later, in key order.

A sweep begins when 16 MB of redo have gathered: it takes all values and dedupe keys that are not written down yet, and
each commit then writes a portion of them. Neighbours share a page, so a page is written once for many customers. When
the sweep ends, the redo rows from before it are dropped. The work is spread over the commits: none has to wait long.
"""

from array import array
from collections.abc import Iterable
from typing import Final

import apsw

from engine.core.ids import Micros
from engine.store.sqlite.queries import SQL
from engine.store.sqlite.redo import Overlay, Redo, encode, without
from engine.store.sqlite.seen import Seen

SWEEP_AFTER: Final = 16 * 1024 * 1024
_PACE: Final = 2  # values written down per value committed while a sweep is on: it ends before the next one is due
_LEAST: Final = 1


class WriteBack:
    """The values and dedupe keys of one writer connection."""

    def __init__(self, connection: apsw.Connection, window: Micros, sweep_after: int) -> None:
        overlay = Overlay()
        overlay.refresh(connection)
        self._connection = connection
        self._sweep_after = sweep_after
        self._dirty = overlay.bodies()
        self.seen = Seen(connection, window, overlay.seen())
        self._seq = overlay.last
        self._gathered = sum(map(len, self._dirty.values()))
        # The sweep that is on: what is left of it, the next one at the end; and the redo rows that it makes needless.
        self._nums: list[int] = []
        self._keys: list[int] = []
        self._covers = 0
        # The commit that is being written.
        self._fresh: dict[int, bytes] = {}
        self._portion = (0, 0)
        self._size = 0
        self._slice = 0

    def load(self, nums: Iterable[int]) -> dict[int, bytes]:
        """Return the committed values by number; unknown numbers are absent."""
        found: dict[int, bytes] = {}
        missing = array("q")
        for num in nums:
            if (body := self._dirty.get(num)) is None:
                missing.append(num)
            else:
                found[num] = body
        if missing:
            found.update(self._connection.execute(SQL["states"], (apsw.carray(missing),)))
        return {num: body for num, body in found.items() if body}

    def write(self, bodies: dict[int, bytes], seen: dict[int, int], now: Micros) -> None:
        """Write the redo row of a commit, and the next portion of the sweep."""
        self._fresh, self._size = bodies, 0
        if bodies or seen:
            self._slice = self.seen.slice_for(now) if seen else 0
            body = encode(Redo(list(bodies), list(bodies.values()), self._slice, seen))
            self._connection.execute(SQL["put_redo"], (self._seq + 1, body))
            self._size = len(body)
        nums, keys = self._next_portion(len(bodies) + len(seen))
        self._portion = (len(nums), len(keys))
        dirty = self._dirty
        self._store([(num, bodies[num] if num in bodies else dirty[num]) for num in nums])
        self.seen.write(keys)
        if self._covers and self._portion == (len(self._nums), len(self._keys)):
            self._connection.execute(SQL["drop_redo"], (self._covers,))

    def purge(self, nums: Iterable[int]) -> None:
        """Take the values of erased customers out of what is not written down yet; call `write` with them empty."""
        gone = set(nums)
        rows: list[tuple[int, bytes]] = self._connection.execute(SQL["redo_after"], (0,)).fetchall()  # type: ignore[assignment]
        cleared = [(body, seq) for seq, before in rows if (body := without(before, gone)) is not None]
        self._connection.executemany(SQL["clear_redo"], cleared)

    def _next_portion(self, changed: int) -> tuple[list[int], list[int]]:
        left = len(self._nums) + len(self._keys)
        if not left:
            return [], []
        share = min(1.0, (_PACE * changed + _LEAST) / left)
        nums, keys = -(-len(self._nums) * share // 1), -(-len(self._keys) * share // 1)
        return self._nums[len(self._nums) - int(nums) :][::-1], self._keys[len(self._keys) - int(keys) :][::-1]

    def _store(self, values: list[tuple[int, bytes]]) -> None:
        self._connection.executemany(SQL["put_state"], [value for value in values if value[1]])
        self._connection.executemany(SQL["drop_state"], [(num,) for num, body in values if not body])

    def committed(self, seen: dict[int, int]) -> None:
        """Take the commit into memory, and begin a sweep when enough has gathered."""
        nums, keys = self._portion
        self._dirty.update(self._fresh)
        for _ in range(nums):
            del self._dirty[self._nums.pop()]
        del self._keys[len(self._keys) - keys :]
        if seen:
            self.seen.remember(self._slice, seen)
        if self._size:
            self._seq += 1
            self._gathered += self._size
        if self._covers and not self._nums and not self._keys:
            self._covers = 0
            self.seen.forget()
        if not self._covers and self._gathered >= self._sweep_after:
            self._begin()
        self._fresh, self._portion, self._size = {}, (0, 0), 0

    def _begin(self) -> None:
        self._nums = sorted(self._dirty, reverse=True)
        self._keys = self.seen.age()
        self._covers = self._seq
        self._gathered = 0

    def rolled_back(self) -> None:
        """Forget the commit that was being written."""
        self._fresh, self._portion, self._size = {}, (0, 0), 0
        self.seen.reload()

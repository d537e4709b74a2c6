"""The store for one of several dispatchers: what it is told to send nobody else is told for a while.

A claim is a mark on the touch, not a lock: who dies leaves marks that end by themselves. What a unit of work moves it
locks; customers it only looks at, and compares at the commit, since workers lock customers first and touches last.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from engine.core.ids import Micros
from engine.ports import Kept, TouchRow, Turn
from engine.store.postgres.faces import PostgresReader
from engine.store.postgres.reader import Range, touch_rows
from engine.store.postgres.roster import LooseRoster
from engine.store.postgres.shelf import Shelf
from engine.store.postgres.turns import opened
from engine.store.postgres.unit import PostgresView

_TRIES = 3


class ClaimingStore(PostgresReader):
    """A `Store` whose `sendable` claims for `owner`, for `hold` from `now` on."""

    def __init__(self, shelf: Shelf, span: Range, owner: str, hold: Micros, now: Callable[[], Micros]) -> None:
        super().__init__(shelf.database, shelf.hot, span)
        self._shelf = shelf
        self._pepper = shelf.pepper
        self._owner = owner
        self._hold = hold
        self._now = now

    def sendable(self, now: Micros, limit: int, channels: Sequence[str] | None = None) -> list[TouchRow]:
        """Return due touches that no other dispatcher holds, claimed: higher priority, then earlier due first."""
        queues = self.queues(channels)
        found: list[Any] = []
        for _ in range(_TRIES):
            seqs = [seq for (seq,) in self._all("claimable", *queues, now, max(limit, 0), self._owner)]
            if not seqs:
                break
            found = self._all("claim", seqs, now, self._owner, max(self._now(), now) + self._hold)
            if found:
                break  # else others were faster with each of them: look further
        found.sort(key=lambda row: (-row[0], row[1], row[2]))
        return [touch_rows.decode(body) for *_, body in found]

    def next_send(self, channels: Sequence[str] | None = None) -> Micros:
        """Return the earliest due of a touch that no other dispatcher holds, or the end of such a hold; 0 when none."""
        queues, now = self.queues(channels), self._now()
        free: Micros = self._one("claimable_next", *queues, now, self._owner) or 0
        if 0 < free <= now:
            return free
        ends: Micros = self._one("claims_end", *queues, now, self._owner) or 0
        return min(filter(None, (free, ends)), default=0)

    @contextmanager
    def unit(self) -> Iterator[PostgresView]:
        """Open a write transaction beside everybody else's; leaving without `commit` rolls back."""
        with opened(self._shelf, Turn(), LooseRoster) as view:
            assert view is not None
            with view.unit() as unit:
                yield unit

    def prune(self, kind: Kept, before: Micros, limit: int) -> int:
        """Drop what is kept no longer, in one commit; return how many went."""
        with self.unit() as unit:
            return unit.prune(kind, before, limit)

    def scrub(self) -> None:
        """Dispatchers do not scrub."""
        raise RuntimeError("scrub the store itself")

    def close(self) -> None:
        """The connections are the store's."""

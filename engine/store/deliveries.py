"""The touches of one commit: where each stood, where it goes; every move is held against the delivery contract.

Knows no database: a store tells it what it has and writes what came of it.
"""

from collections.abc import Iterator

import msgspec

from engine.core.delivery import STOPPABLE, TouchState, is_allowed
from engine.core.errors import IllegalMove
from engine.core.ids import Micros
from engine.ports import Changes, TouchRow
from engine.store.totals import Tallies


class Moves:
    """Tell it with `know` what the store has of `asked` and `cancelled`, then `play`; `moved` is what to write."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._after: dict[str, TouchRow] = {}
        self.before: dict[str, TouchRow] = {}
        self.asked = dict.fromkeys(touch.id for touch in changes.touches)
        """The touches that the commit names."""
        self.asked |= dict.fromkeys(row.touch.id for row in changes.rows)
        self.asked |= dict.fromkeys(touch_id for touch_id, _ in changes.withdrawn)
        self.cancelled: dict[str, str] = {}
        """The runs whose touches it cancels, with the first reason given for each."""
        for run, why in changes.cancelled:
            self.cancelled.setdefault(run, why)

    def know(self, row: TouchRow) -> None:
        """Hear how a touch stands in the store; what was told first holds."""
        if row.touch.id not in self.before:
            self.before[row.touch.id] = self._after[row.touch.id] = row

    def play(self) -> None:
        """Plan, move, cancel, withdraw, in this order; raises `IllegalMove`."""
        changes = self._changes
        for touch in changes.touches:
            if touch.id not in self._after:
                self._after[touch.id] = TouchRow(touch, TouchState.PLANNED, touch.due, touch.planned)
        for row in changes.rows:
            self._move(row)
        if self.cancelled:
            for touch_id, row in self._after.items():
                if row.touch.run in self.cancelled:
                    self._stop(touch_id, self.cancelled[row.touch.run], changes.now)
        for touch_id, why in changes.withdrawn:
            self._stop(touch_id, why, changes.now)

    def moved(self, tallies: Tallies) -> Iterator[tuple[TouchRow, TouchRow | None]]:
        """Yield (after, before) of what is new or stands elsewhere now, and count it; before is None for a new one."""
        for touch_id, row in self._after.items():
            touch, before = row.touch, self.before.get(touch_id)
            if before is row:
                continue
            if before is not None:
                tallies.add("touch", (touch.journey, touch.channel, before.state.value), -1)
            tallies.add("touch", (touch.journey, touch.channel, row.state.value), 1)
            yield row, before

    def _move(self, row: TouchRow) -> None:
        before = self._after.get(row.touch.id)
        if before is None:
            raise IllegalMove(f"touch {row.touch.id} was never planned, so it cannot become {row.state}")
        if not is_allowed(before.state, row.state):
            raise IllegalMove(f"touch {row.touch.id} cannot move from {before.state} to {row.state}")
        self._after[row.touch.id] = msgspec.structs.replace(row, touch=before.touch)

    def _stop(self, touch_id: str, why: str, now: Micros) -> None:
        row = self._after.get(touch_id)
        if row is not None and row.state in STOPPABLE:
            stopped = msgspec.structs.replace(row, state=TouchState.CANCELLED, reason=why, updated=now)
            self._after[touch_id] = stopped

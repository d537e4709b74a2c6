"""Who turns the tide, and is it still turned? An import of history says that it lives; workers watch whether it does.

One that was killed must not leave time standing for ever, and no import that lives may find that the clock runs. So no
clocks are compared: a worker counts how long it has itself seen nothing move. Used by `engine.py` and `bootstrap`.
"""

import threading
from contextlib import suppress
from typing import Final

import structlog

from engine.core.errors import BadInput, Conflict, StoreAway
from engine.core.ids import MINUTE, SECOND, Micros
from engine.ports import Clock, PartitionRow, SharedStore
from engine.ports.partitions import DESK
from engine.usecases.answer import readable_instant

PULSE: Final = 5.0
"""Seconds between two heartbeats of an import."""

GONE: Final = 2 * MINUTE
"""How long nothing may move before whoever turned the tide is taken for dead."""

_LOOK: Final = 5 * SECOND
"""What a look at the tide counts for at most: in between we, or the database, may have stood still ourselves."""


class TideWatch:
    """`look` now and then; `owner` is this process, whose own import it does not tell of."""

    def __init__(self, store: SharedStore, clock: Clock, owner: str) -> None:
        self._store, self._clock, self._owner = store, clock, owner
        self._sign: tuple[Micros, str, Micros] | None = None
        self._silent = self._looked = 0

    def look(self) -> Micros | None:
        """Return where virtual time stands, None when the clock's counts; end a tide that nobody turns any more.

        One that nobody took upon themselves (a benchmark's) stands until somebody says otherwise.
        """
        tide, now = self._store.tide_at(), self._clock.now()
        if tide is None:
            self._sign = None
            return None
        desk = _desk(self._store)
        sign = (tide, desk.owner, desk.beat)
        if self._sign is None and desk.owner != self._owner:
            structlog.get_logger("engine").warning("tide_stands", at=readable_instant(tide))
        self._silent = self._silent + min(now - self._looked, _LOOK) if sign == self._sign else 0
        self._sign, self._looked = sign, now
        if self._silent < GONE or not desk.owner:
            return tide
        structlog.get_logger("engine").warning("tide_ended", at=readable_instant(tide))
        self._store.take(DESK, self._owner, now)  # first: whoever comes back has to find that time is no longer theirs
        self._store.tide(None)
        return None


class Turning:
    """The right to turn the tide: `begin`, then `check` before each turn, then `end`. Its beats come from a thread.

    The loop may be busy with a long stretch of history: its thread is not.
    """

    def __init__(self, store: SharedStore, clock: Clock, owner: str) -> None:
        self._store, self._clock, self._owner = store, clock, owner
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="tide", daemon=True)

    def begin(self, at: Micros) -> None:
        """Let time stand at this instant."""
        self._store.take(DESK, self._owner, self._clock.now())
        self._store.tide(at)
        self._thread.start()

    def check(self) -> None:
        """Raise `BadInput` when time is no longer ours to turn."""
        if _desk(self._store).owner != self._owner:
            raise BadInput(
                "the import was silent for two minutes, or another one began: time is no longer this one's",
                "see how far it came with `journeyd status`; what is left can be taken without --history",
            )

    def end(self) -> None:
        """Let the clock's time count again, unless somebody else turns the tide."""
        self._ended.set()
        self._thread.join()
        if _desk(self._store).owner == self._owner:
            self._store.tide(None)
            self._store.take(DESK, "", self._clock.now())

    def _beat(self) -> None:
        while not self._ended.wait(PULSE):
            with suppress(StoreAway, Conflict):  # workers do not count what they cannot see, either
                self._store.beat(self._owner, {DESK: 0}, self._clock.now())


def _desk(store: SharedStore) -> PartitionRow:
    return next(row for row in store.partitions() if row.partition == DESK)

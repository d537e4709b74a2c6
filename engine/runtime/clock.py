"""The clocks, and the minting of fresh ids: the only module that reads the time of day or throws dice.

Everybody else is given a `Clock` (of `engine/ports`) or a `now`. Only edges mint ids, for what came without one.
"""

import time
import uuid
from threading import Lock

from engine.core.ids import Micros


class SystemClock:
    """The machine's clock, which never goes back: a correction holds `now` until the time has caught up."""

    def __init__(self) -> None:
        self._last: Micros = 0
        self._lock = Lock()

    def now(self) -> Micros:
        """Return the current instant, never before one that was returned earlier."""
        with self._lock:
            self._last = max(self._last, time.time_ns() // 1_000)
            return self._last


class ManualClock:
    """A clock that somebody turns by hand: stories, simulation and imports of history.

    >>> clock = ManualClock(5)
    >>> clock.advance(10)
    >>> clock.now()
    15
    """

    def __init__(self, now: Micros = 0) -> None:
        self._now = now

    def now(self) -> Micros:
        """Return the instant it was turned to."""
        return self._now

    def advance(self, by: Micros) -> None:
        """Turn it forward by `by` microseconds."""
        self.turn(self._now + by)

    def turn(self, to: Micros) -> None:
        """Turn it to an instant; an earlier one leaves it where it is."""
        self._now = max(self._now, to)


def mint_id() -> str:
    """Return a fresh 32-digit id."""
    return uuid.uuid4().hex

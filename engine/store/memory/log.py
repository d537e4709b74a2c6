"""The event log as a list. Not durable; used by stories, simulation and tests."""

import threading
from collections.abc import Callable, Mapping, Sequence

from engine.ports import Logged


class MemoryLog:
    """An `EventLog` that lives as long as the process."""

    def __init__(self) -> None:
        self._bodies: list[bytes] = []
        self._dropped = 0
        self._wakes: list[Callable[[], None]] = []
        self._lock = threading.RLock()

    def append(self, bodies: Sequence[bytes]) -> int:
        """Write the entries in order and return the last one's offset."""
        with self._lock:
            self._bodies.extend(bodies)
            last = self._dropped + len(self._bodies)
            wakes = tuple(self._wakes)
        for wake in wakes:
            wake()
        return last

    def read(self, after: int, limit: int) -> list[Logged]:
        """Return up to `limit` entries with an offset above `after`, in order."""
        with self._lock:
            first = max(after, self._dropped)
            chunk = self._bodies[first - self._dropped : first - self._dropped + max(limit, 0)]
        return [Logged(first + place, body) for place, body in enumerate(chunk, start=1)]

    def back(self, top: int, limit: int) -> list[Logged]:
        """Return the last `limit` entries with an offset up to `top`, in order."""
        with self._lock:
            top = min(top, self.tail())
            after = max(top - limit, self._dropped)
            return self.read(after, max(top - after, 0))

    def end(self, position: int) -> int:
        """Return the last offset that is applied: the store's position."""
        return position

    def size(self, upto: int) -> int:
        """Return how many entries are kept up to an offset."""
        return max(upto - self._dropped, 0)

    def tail(self) -> int:
        """Return the last offset, 0 when empty."""
        return self._dropped + len(self._bodies)

    def rewrite(self, bodies: Mapping[int, bytes]) -> None:
        """Put other bodies at these offsets; those that hold nothing (any more) are left alone."""
        with self._lock:
            for offset, body in bodies.items():
                if self._dropped < offset <= self.tail():
                    self._bodies[offset - self._dropped - 1] = body

    def scrub(self) -> None:
        """Do nothing: what is gone from memory is gone."""

    def trim(self, below: int) -> None:
        """Drop the entries with an offset below this; the last one stays, and offsets go on."""
        with self._lock:
            gone = max(min(below, self.tail()) - 1 - self._dropped, 0)
            del self._bodies[:gone]
            self._dropped += gone

    def on_append(self, wake: Callable[[], None]) -> None:
        """Call `wake` (in the appending thread) after each append."""
        with self._lock:
            self._wakes.append(wake)

    def close(self) -> None:
        """Do nothing: there is nothing to flush."""

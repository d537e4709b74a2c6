"""What was applied of every partition, in memory: the history of the shared store. Places are its offsets."""

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Mapping, Sequence

from engine.ports import Logged
from engine.ports.partitions import TOPIC
from engine.store.memory.log import MemoryLog


class MemoryHistory:
    """A `History`: first what stands at the desk, then partition after partition, in the order of places."""

    def __init__(self, desk: MemoryLog) -> None:
        self._desk = desk
        self._places: list[int] = []
        self._bodies: dict[int, bytes] = {}

    def keep(self, applied: Iterable[tuple[int, bytes]]) -> None:
        """Keep what was applied at these places."""
        for place, body in applied:
            if place not in self._bodies:
                insort(self._places, place)
            self._bodies[place] = body

    def find(self, place: int) -> bytes | None:
        """Return the body applied at a place, None when nothing was."""
        if place < TOPIC:
            return next((logged.body for logged in self._desk.read(place - 1, 1) if logged.offset == place), None)
        return self._bodies.get(place)

    def read(self, after: int, limit: int) -> list[Logged]:
        """Return up to `limit` entries with an offset above `after`, in order."""
        found = self._desk.read(after, limit) if after < TOPIC else []
        first = bisect_right(self._places, after)
        places = self._places[first : first + limit - len(found)]
        return found + [Logged(place, self._bodies[place]) for place in places]

    def back(self, top: int, limit: int) -> list[Logged]:
        """Return the last `limit` entries with an offset up to `top`, in order."""
        last = bisect_right(self._places, top)
        places = self._places[max(last - limit, 0) : last]
        found = [Logged(place, self._bodies[place]) for place in places]
        left = limit - len(found)
        return self._desk.back(min(top, self._desk.tail()), left) + found if left else found

    def end(self, position: int) -> int:
        """Return the last place that is applied in any partition; `position` is the desk's."""
        return self._places[-1] if self._places else position

    def size(self, upto: int) -> int:
        """Return how many entries are kept up to a place."""
        return self._desk.size(min(upto, self._desk.tail())) + bisect_right(self._places, upto)

    def tail(self) -> int:
        """Return the last place."""
        return self.end(self._desk.tail())

    def rewrite(self, bodies: Mapping[int, bytes]) -> None:
        """Put other bodies at these places; those that hold nothing are left alone."""
        self._desk.rewrite({place: body for place, body in bodies.items() if place < TOPIC})
        self._bodies |= {place: body for place, body in bodies.items() if place in self._bodies}

    def append(self, bodies: Sequence[bytes]) -> int:
        """Nobody appends to a history: commits keep what they apply."""
        raise NotImplementedError

    def scrub(self) -> None:
        """What is gone from memory is gone."""

    def trim(self, below: int) -> None:
        """Drop what stands at places below this."""
        self._desk.trim(min(below, TOPIC))
        for place in [place for place in self._places if place < below]:
            del self._bodies[place]
        self._places = sorted(self._bodies)

    def on_append(self, wake: Callable[[], None]) -> None:
        """Nobody appends."""

    def close(self) -> None:
        """There is nothing to release."""

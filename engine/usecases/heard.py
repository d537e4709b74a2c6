"""Which entries of the log were applied when they came, and which were dropped as repeats: the log, read a second time.

Called by `backfill.py`; the engine hands one `Heard` from chunk to chunk. Only what tells a repeat is decoded.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from engine.core.events import Event, decode
from engine.core.ids import Micros, key64
from engine.ports import EventLog, Logged, Reader
from engine.ports.partitions import TOPIC
from engine.ports.window import WINDOW, oldest_kept, slice_of

MOST_KEYS: Final = 1_000_000
"""Message ids remembered while the log is read again. The store's own dedupe window knows the latest besides."""
_PAGE: Final = 10_000


class Heard:
    """The message ids met while the log is read again: whether an entry was dropped as a repeat when it came.

    Memory only. One of it may be handed from chunk to chunk; a chunk that gets none reads the log's dedupe window
    before its place once more. `window` is the store's dedupe window.
    """

    __slots__ = ("_most", "_slices", "at", "window")

    def __init__(self, window: Micros = WINDOW, *, most: int = MOST_KEYS) -> None:
        self.window = window
        self.at = -1
        """The offset up to which the log was heard; -1 before anything was."""
        self._most = most
        self._slices: list[tuple[int, set[int]]] = []

    def is_repeat(self, key: int) -> bool:
        """Was an event of this key applied inside the window?"""
        return any(key in keys for _, keys in self._slices)

    def add(self, key: int, received: Micros) -> None:
        """Remember an event that was applied."""
        number = slice_of(received, self.window)
        if not self._slices or self._slices[-1][0] < number or len(self._slices[-1][1]) * 4 >= self._most:
            self._slices = [held for held in self._slices if held[0] >= oldest_kept(number)]
            while sum(len(keys) for _, keys in self._slices) * 4 > self._most * 3:
                self._slices.pop(0)
            self._slices.append((number, set()))
        self._slices[-1][1].add(key)

    def hear(self, log: EventLog, offset: int) -> None:
        """Hear what stands in the log up to `offset`, as far back as the window and the memory go."""
        if self.at == offset:
            return
        self._slices = []
        after = max(offset - self._most, 0)
        while after < offset < TOPIC:
            found = log.read(after, min(_PAGE, offset - after))
            if not found or found[0].offset > offset:
                break
            for place in found:
                heading = _heading(place.body)
                if place.offset <= offset and heading is not None:
                    key = key64(heading.source, heading.id)
                    if not self.is_repeat(key):
                        self.add(key, heading.received)
            after = found[-1].offset
        self.at = offset


def applied(unit: Reader, places: Sequence[Logged], heard: Heard, names: Iterable[str]) -> list[Event]:
    """Return the events of these names that were applied when they came, and not dropped as repeats.

    Of the topic's partitions repeats are not kept: what is there was applied.
    """
    heads = [(place, head) for place in places if (head := _heading(place.body)) is not None]
    keys = {place.offset: key64(head.source, head.id) for place, head in heads if place.offset < TOPIC}
    stand = unit.seen(list(keys.values()))
    events: list[Event] = []
    for place, head in heads:
        if place.offset < TOPIC:
            key = keys[place.offset]
            if heard.is_repeat(key) or stand.get(key, place.offset) < place.offset:
                continue
            heard.add(key, head.received)
        if head.name in names:
            entry = _whole(place.body)
            if entry is not None:
                events.append(entry)
    return events


class _Heading(msgspec.Struct, frozen=True, tag="event", gc=False):
    """As much of an event as tells a repeat."""

    id: str
    name: str
    received: Micros
    source: str = "api"


class _Outcome(msgspec.Struct, frozen=True, tag="outcome"):
    pass


class _Receipt(msgspec.Struct, frozen=True, tag="receipt"):
    pass


class _Directive(msgspec.Struct, frozen=True, tag="directive"):
    pass


_headings: msgspec.msgpack.Decoder[_Heading | _Outcome | _Receipt | _Directive] = msgspec.msgpack.Decoder(
    _Heading | _Outcome | _Receipt | _Directive
)


def _heading(body: bytes) -> _Heading | None:
    """Return the head of an event; None for any other entry, and for what never could be decoded."""
    try:
        found = _headings.decode(body)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError):
        return None
    return found if isinstance(found, _Heading) else None


def _whole(body: bytes) -> Event | None:
    try:
        entry = decode(body)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError):
        return None
    return entry if isinstance(entry, Event) else None

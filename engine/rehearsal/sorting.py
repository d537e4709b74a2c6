"""History in the order of its time: sorted outside memory when it has to be, refused in words when it is not.

A million events take as much memory as one chunk of them. Called by `bootstrap/rehearsal.py`.
"""

import heapq
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final

import msgspec

from engine.core.errors import BadInput
from engine.core.events import Event
from engine.core.ids import Micros

CHUNK: Final = 100_000
"""Events sorted in memory at once."""

_LENGTH: Final = 4
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final[msgspec.msgpack.Decoder[Event]] = msgspec.msgpack.Decoder(Event)


def in_order(events: Iterable[Event]) -> Iterator[Event]:
    """Yield the events as they come; raises `BadInput` at the first that happened before the one before it."""
    last: Micros = 0
    for event in events:
        if event.received < last:
            raise BadInput(
                f"Event {event.id} happened before the one before it: the history is not in the order of time",
                "Add --sort, which sorts it on disk first",
            )
        last = event.received
        yield event


def sort(events: Iterable[Event], *, chunk: int = CHUNK) -> Iterator[Event]:
    """Yield the events in the order of their time, those of one instant as they came.

    Sorts chunks in memory, keeps them in temporary files and merges them.
    """
    with ExitStack() as stack:
        folder: Path | None = None
        files: list[IO[bytes]] = []
        held: list[Event] = []
        for event in events:
            held.append(event)
            if len(held) >= chunk:
                folder = folder or Path(stack.enter_context(TemporaryDirectory(prefix="journeyd-sort-")))
                files.append(stack.enter_context(_spill(held, folder / str(len(files)))))
                held = []
        held.sort(key=_when)
        # heapq.merge is stable: of one instant the earlier file's event comes first, as it came first.
        yield from heapq.merge(*(_read(file) for file in files), held, key=_when)


def _when(event: Event) -> Micros:
    return event.received


def _spill(events: list[Event], path: Path) -> IO[bytes]:
    """Write the events, sorted, and return the file open at its start."""
    events.sort(key=_when)
    file = path.open("w+b")
    for event in events:
        body = _encoder.encode(event)
        file.write(len(body).to_bytes(_LENGTH, "big") + body)
    file.seek(0)
    return file


def _read(file: IO[bytes]) -> Iterator[Event]:
    while size := file.read(_LENGTH):
        yield _decoder.decode(file.read(int.from_bytes(size, "big")))

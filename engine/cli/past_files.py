"""Files of history as events, read once and fast: JSON lines straight to what they mean, CSV through its mapping.

The same messages as `journeyd ingest` takes, not checked as strictly: what cannot be read is counted and left out.
Nothing is made up: a message without a time has no place in history. Called by `simulate.py` and `mine.py`.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from engine.bootstrap.logged import Journal, Source
from engine.cli.csv_shape import CsvShape
from engine.cli.rows import LINE_LIMIT, Opened, open_file, read_csv
from engine.cli.who import naming_of
from engine.core.errors import BadInput
from engine.core.events import Event
from engine.core.ids import SECOND, Micros
from engine.http.mapping import MESSAGE_KINDS, to_event, to_name
from engine.http.naming import Naming

if TYPE_CHECKING:
    from engine.bootstrap.workspace import Workspace

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)
_LATEST: Final[Micros] = 4_102_444_799 * SECOND
"""History has no clock of its own: every message is read as if it were told at the end of time."""

MOST_SHOWN: Final = 5
_SOURCE: Final = "import"
_UNSAID: Final = msgspec.UNSET


class _Context(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """What of a message's context says anything about the customer; library, page and the like do not."""

    traits: msgspec.Raw | msgspec.UnsetType = _UNSAID
    external_ids: msgspec.Raw | msgspec.UnsetType = _UNSAID
    device: msgspec.Raw | msgspec.UnsetType = _UNSAID
    consent: msgspec.Raw | msgspec.UnsetType = _UNSAID
    timezone: msgspec.Raw | msgspec.UnsetType = _UNSAID
    locale: msgspec.Raw | msgspec.UnsetType = _UNSAID


_SAYS_NOTHING: Final = _Context()


class _Track(msgspec.Struct, rename="camel", gc=False):
    """A message as most of them are; what any of the `UNSET` fields says is read the long way."""

    type: str
    event: str = ""
    message_id: str = ""
    user_id: str = ""
    timestamp: str = ""
    properties: dict[str, Any] = {}
    context: _Context = _SAYS_NOTHING
    traits: msgspec.Raw | msgspec.UnsetType = _UNSAID
    anonymous_id: msgspec.Raw | msgspec.UnsetType = _UNSAID
    original_timestamp: msgspec.Raw | msgspec.UnsetType = _UNSAID
    backfill: msgspec.Raw | msgspec.UnsetType = _UNSAID
    tags: msgspec.Raw | msgspec.UnsetType = _UNSAID
    proof: msgspec.Raw | msgspec.UnsetType = _UNSAID
    confirmed: msgspec.Raw | msgspec.UnsetType = _UNSAID


_track: Final = msgspec.json.Decoder(_Track)
_any: Final = msgspec.json.Decoder()


def source_of(workspace: "Workspace", files: Sequence[Path] | None, shape: CsvShape | None, delimiter: str) -> Source:
    """Return the files as history, the daemon's own log when none are given."""
    return PastFiles(files, shape, delimiter, naming_of(workspace)) if files else Journal(workspace)


class PastFiles:
    """Some files. `size`: bytes in all, 0 when nobody knows. `refused` lines of the last reading, `faults`: a few."""

    def __init__(self, files: Sequence[Path], shape: CsvShape | None, delimiter: str, naming: Naming) -> None:
        self._files, self._shape, self._delimiter, self._naming = files, shape, delimiter, naming
        self.size = 0 if any(str(file) == "-" for file in files) else sum(file.stat().st_size for file in files)
        self._before, self._opened = 0, Opened("", None, 0, lambda: 0)  # type: ignore[arg-type]
        self.refused = 0
        self.faults: list[str] = []

    @property
    def done(self) -> int:
        """How many bytes are read."""
        return self._before + self._opened.place()

    def events(self) -> Iterator[Event]:
        """Yield the events of all files, one file after the other, `received` when they happened."""
        self._before, self.refused, self.faults = 0, 0, []
        for file in self._files:
            with open_file(file) as opened:
                self._opened = opened
                yield from self._lines(opened) if self._shape is None else self._rows(opened, self._shape)
            self._before += opened.size
            self._opened = Opened("", None, 0, lambda: 0)  # type: ignore[arg-type]

    def _lines(self, opened: Opened) -> Iterator[Event]:
        number = 0
        naming = self._naming
        while body := opened.stream.readline(LINE_LIMIT + 1):
            number += 1
            if len(body) > LINE_LIMIT:
                while body and not body.endswith(b"\n"):
                    body = opened.stream.readline(LINE_LIMIT)
                self._refuse(opened, number, f"the line is over {LINE_LIMIT:,} bytes")
                continue
            if body.isspace():
                continue
            try:
                yield read_line(body, f"{opened.name}:{number}", naming)
            except (BadInput, msgspec.DecodeError, msgspec.ValidationError, RecursionError, ValueError) as fault:
                self._refuse(opened, number, str(fault))

    def _rows(self, opened: Opened, shape: CsvShape) -> Iterator[Event]:
        for line in read_csv(opened, shape.message, shape.columns(), self._delimiter):
            if line.message is None:
                self._refuse(opened, line.number, str(line.fault))
                continue
            try:
                yield _the_long_way(line.message, f"{opened.name}:{line.number}", self._naming)
            except BadInput as fault:
                self._refuse(opened, line.number, str(fault))

    def _refuse(self, opened: Opened, number: int, why: str) -> None:
        self.refused += 1
        if len(self.faults) < MOST_SHOWN:
            self.faults.append(f"{opened.name}:{number}: {why}")


def read_line(body: bytes, place: str, naming: Naming) -> Event:
    """Return the event of a JSON line; raises `BadInput` or msgspec's errors. `place` is its id when it has none.

    >>> line = b'{"type": "track", "event": "paid", "userId": "u1", "timestamp": "1970-01-01T00:00:01Z"}'
    >>> event = read_line(line, "f:1", Naming())
    >>> event.id, event.name, event.at, event.identifiers
    ('f:1', 'paid', 1000000, {'user_id': 'u1'})
    """
    try:
        said = _track.decode(body)
    except msgspec.ValidationError:
        return _the_long_way(_any.decode(body), place, naming)
    is_plain = (
        said.type == "track"
        and said.user_id
        and said.timestamp
        and (said.context is _SAYS_NOTHING or said.context == _SAYS_NOTHING)
        and said.traits is _UNSAID
        and said.anonymous_id is _UNSAID
        and said.original_timestamp is _UNSAID
        and said.backfill is _UNSAID
        and said.tags is _UNSAID
        and said.proof is _UNSAID
        and said.confirmed is _UNSAID
    )
    name = _name(said.event) if is_plain else ""
    if not name or name != said.event:  # another spelling is kept in its properties
        return _the_long_way(_any.decode(body), place, naming)
    at = _instant(said.timestamp)
    return Event(
        id=said.message_id or place,
        name=name,
        at=at,
        received=at,
        source=_SOURCE,
        identifiers={"user_id": said.user_id.strip()},
        properties=said.properties,
    )


@lru_cache(maxsize=4096)
def _name(given: str) -> str:
    return to_name(given)


def _instant(said: str) -> Micros:
    moment = datetime.fromisoformat(said)
    at: Micros = ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _TICK
    if not 0 < at < _LATEST:
        raise BadInput("timestamp is not between 1970 and 2100", "Write ISO 8601, like 2026-05-01T09:30:00Z")
    return at


def _the_long_way(message: Any, place: str, naming: Naming) -> Event:
    if not isinstance(message, dict):
        raise BadInput("The line is not an object", 'Write {"type": "track", ...}')
    kind = message.get("type")
    if kind not in MESSAGE_KINDS:
        raise BadInput("The message's type is not known", f"Use one of {', '.join(MESSAGE_KINDS)}", "type")
    if not (message.get("timestamp") or message.get("originalTimestamp")):
        raise BadInput("The message has no timestamp", "History needs to know when it happened", "timestamp")
    # When it was sent on says nothing of when it happened: the correction of clocks is for what comes in now.
    message.pop("sentAt", None)
    event = to_event(message, kind=kind, source=_SOURCE, received=_LATEST, mint=lambda: place, naming=naming)
    return msgspec.structs.replace(event, received=event.at)

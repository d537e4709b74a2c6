"""Files of events, line by line: JSON lines, or CSV through a mapping. A bad line is a `Line` with its fault.

`ingest.py` decides what becomes of the lines. A message without an id gets one from the file's name, its place and its
content, so that the same file given twice is taken once.
"""

import csv
import gzip
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, Final, cast

import msgspec

from engine.core.errors import BadInput
from engine.core.events import Event
from engine.core.ids import Micros, derive
from engine.http.mapping import MESSAGE_KINDS, to_event
from engine.http.naming import Naming
from engine.http.settings import EVENT_LIMIT
from engine.http.strict import check, parse

LINE_LIMIT: Final = 1_000_000
"""Bytes of a line that are still read; a longer one is refused and skipped."""

Shape = Callable[[Mapping[str, str | None]], dict[str, Any]]
"""A CSV row -> a message; raises `BadInput`."""


@dataclass(frozen=True)
class Line:
    """One line of a file: its message, or why there is none."""

    file: str
    number: int
    text: str
    message: dict[str, Any] | None = None
    fault: BadInput | None = None


@dataclass(frozen=True)
class Opened:
    """A file being read. `place` is how many bytes of it are done; `size` is 0 when nobody knows."""

    name: str
    stream: IO[bytes]
    size: int
    place: Callable[[], int]


@contextmanager
def open_file(path: Path) -> Iterator[Opened]:
    """Open a file, `-` for standard input; .gz is unpacked on the way."""
    if str(path) == "-":
        yield Opened("-", sys.stdin.buffer, 0, lambda: 0)
        return
    with path.open("rb") as raw, gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else nullcontext(raw) as stream:
        yield Opened(path.name, cast("IO[bytes]", stream), path.stat().st_size, raw.tell)


def read_json_lines(opened: Opened) -> Iterator[Line]:
    """Yield the lines of a file of JSON messages; blank ones are left out."""
    number = 0
    while body := opened.stream.readline(LINE_LIMIT + 1):
        number += 1
        if len(body) > LINE_LIMIT:
            while body and not body.endswith(b"\n"):
                body = opened.stream.readline(LINE_LIMIT)
            fault = BadInput(f"The line is over {LINE_LIMIT:,} bytes", "Write one message a line")
            yield Line(opened.name, number, "", fault=fault)
        elif body.strip():
            yield _json_line(opened.name, number, body.strip())


def _json_line(file: str, number: int, body: bytes) -> Line:
    text = body.decode("utf-8", "replace")
    try:
        message = parse(body)
    except BadInput as fault:
        return Line(file, number, text, fault=fault)
    if not isinstance(message, dict):
        return Line(file, number, text, fault=BadInput("The line is not an object", 'Write {"type": "track", ...}'))
    return _named(file, number, text, message)


def read_csv(opened: Opened, shape: Shape, columns: set[str], delimiter: str) -> Iterator[Line]:
    """Yield the rows of a CSV file with a header line; `shape` makes the messages and needs `columns`.

    Raises `BadInput` when the header lacks one.
    """
    text = TextIOWrapper(opened.stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.DictReader(text, delimiter=delimiter)
    header = list(reader.fieldnames or [])
    if missing := sorted(columns - set(header)):
        raise BadInput(f"{opened.name} has no column {missing[0]}", f"Its columns are {', '.join(header)}")
    while True:
        try:
            row = next(reader, None)
        except csv.Error as broken:
            yield Line(opened.name, reader.line_num, "", fault=BadInput(f"The row is broken: {broken}", "Mend it"))
            continue
        if row is None:
            text.detach()
            return
        yield _csv_line(opened.name, reader.line_num, row, shape)


def _csv_line(file: str, number: int, row: dict[Any, Any], shape: Shape) -> Line:
    text = ",".join(str(value or "") for value in row.values()).encode("utf-8", "replace").decode()
    if None in row:
        return Line(file, number, text, fault=BadInput("The row has more cells than the header", "Quote its commas"))
    try:
        message = shape(row)
        check(message)
    except BadInput as fault:
        return Line(file, number, text, fault=fault)
    return _named(file, number, text, message)


def _named(file: str, number: int, text: str, message: dict[str, Any]) -> Line:
    if message.get("messageId") is None:
        message = {**message, "messageId": derive("import", file, number, text)}
    return Line(file, number, text, message)


def event_of(message: Mapping[str, Any], *, source: str, naming: Naming, now: Micros) -> Event:
    """Return the message's event exactly as the daemon would; raises `BadInput`."""
    size = len(msgspec.json.encode(message))
    if size > EVENT_LIMIT:
        raise BadInput(f"The message has {size:,} bytes", f"Keep it under {EVENT_LIMIT:,}")
    kind = message.get("type")
    if kind not in MESSAGE_KINDS:
        raise BadInput("The message's type is not known", f"Use one of {', '.join(MESSAGE_KINDS)}", "type")
    return to_event(message, kind=kind, source=source, received=now, mint=_never, naming=naming)


def _never() -> str:
    raise AssertionError("every line has an id before it is read")

"""YAML text -> plain data that remembers where each value stands.

Reads YAML 1.2 events itself instead of building objects: no tags, no anchors, no aliases, no code, bounded depth and
size, and scalars as the core schema has them (`on`, `NO`, `22:30` and `010` are text). Called by `parse.py`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Final, NamedTuple, TypeAlias

from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from engine.core.errors import Place
from journeys.plain_scalars import resolve
from journeys.problems import Problem
from journeys.yaml_events import exact_events, fast_events, is_plain_sailing

MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 50
MAX_LINE: Final = 10_000
MAX_VALUES: Final = 20_000
_SURROGATE: Final = re.compile("[\ud800-\udfff]")

Path: TypeAlias = tuple[str | int, ...]


class Mark(NamedTuple):
    """Where a value begins (0-based) and the span of its text in the file."""

    line: int
    column: int
    start: int
    end: int


@dataclass
class Document:
    """A YAML file as dicts, lists and scalars, with the mark of every value and key by path."""

    file: str
    text: str
    data: Any = None
    is_whole: bool = False
    problems: list[Problem] = field(default_factory=list)
    marks: dict[Path, Mark] = field(default_factory=dict)
    keys: dict[Path, Mark] = field(default_factory=dict)
    paths: dict[int, Path] = field(default_factory=dict)
    inserted: Mapping[int, Sequence[int]] = field(default_factory=dict)
    """Columns of `text` that the file does not have (see `quoting.py`), by line; both 0-based."""

    def at(self, line: int, column: int) -> Place:
        """Return the place in the file of a line and column (0-based) of `text`."""
        return Place(self.file, line + 1, column + 1 - sum(one < column for one in self.inserted.get(line, ())))

    def place(self, path: Path, offset: int | None = None) -> Place:
        """Return where the value at `path` stands, or the character `offset` of it; the nearest parent if absent."""
        while path and path not in self.marks:
            path, offset = path[:-1], None
        mark = self.marks.get(path, Mark(0, 0, 0, 0))
        if offset is not None:
            return self._inside(mark, path, offset)
        return self.at(mark.line, mark.column)

    def key_place(self, path: Path) -> Place:
        """Return where the key of the value at `path` stands."""
        mark = self.keys.get(path)
        return self.place(path) if mark is None else self.at(mark.line, mark.column)

    def value(self, path: Path) -> Any:
        """Return the plain value at `path`."""
        found = self.data
        for part in path:
            found = found[part]
        return found

    def _inside(self, mark: Mark, path: Path, offset: int) -> Place:
        """Align value and source: folding and quoting change only white space, quotes and escapes."""
        value, at = str(self.value(path)), mark.start
        for character in value[: offset + 1]:
            if character.isspace():
                continue
            found = self.text.find(character, at, mark.end)
            if found < 0:
                break
            at = found + 1
        at = max(at - 1, mark.start)
        line_start = self.text.rfind("\n", 0, at) + 1
        return self.at(self.text.count("\n", 0, at), at - line_start)


def read_document(source: str | bytes, file: str, inserted: Mapping[int, Sequence[int]] | None = None) -> Document:
    """Read one YAML document; everything wrong with it stands in `problems`, and reading goes on where it can.

    `inserted` names the columns that are in the text but not in the file.
    """
    text, problem = _decode(source, file)
    inserted = inserted or {}
    document = Document(file, text, inserted=inserted)
    problem = problem or _long_line(text, file)
    if problem is not None:
        document.problems.append(problem)
        return document
    if not is_plain_sailing(text) or not _build_fast(document):
        document = _build_exactly(Document(file, text, inserted=inserted))
    if not document.problems and document.data is None:
        document.problems.append(Problem("J003", Place(file, 1, 1)))
    return document


def _build_fast(document: Document) -> bool:
    """Fill the document from libyaml; False when the exact scanner has to look at the text."""
    builder = _Builder(document)
    try:
        for event in fast_events(document.text):
            builder.take(event)
        document.is_whole = True
    except _Stop:
        pass
    except YAMLError:
        return False
    return True


def _build_exactly(document: Document) -> Document:
    builder = _Builder(document)
    try:
        for event in exact_events(document.text):
            builder.take(event)
        document.is_whole = True
    except _Stop:
        pass
    except MarkedYAMLError as error:
        builder.complain_of_syntax(error)
    except Exception as error:
        # The scanner is a third party's and this is a stranger's file: whatever it stumbles over is a bad file.
        at = getattr(error, "position", 0)
        line_start = document.text.rfind("\n", 0, at) + 1
        place = document.at(document.text.count("\n", 0, at), at - line_start)
        detail = getattr(error, "reason", None) or " ".join(str(error).split())
        document.problems.append(Problem("J002", place, {"detail": detail}))
    return document


def read_file(path: FilePath) -> bytes:
    """Return a file's bytes, one more than the limit at most; raises `OSError`."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _decode(source: str | bytes, file: str) -> tuple[str, Problem | None]:
    if len(source) > MAX_BYTES:
        return "", Problem("J004", Place(file), {"limit": f"{MAX_BYTES:,}"})
    if isinstance(source, str):
        if _SURROGATE.search(source):
            return "", Problem("J001", Place(file))
        return source.removeprefix("\ufeff"), None
    try:
        return source.decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        before = source[: error.start]
        column = len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
        return "", Problem("J001", Place(file, before.count(b"\n") + 1, column))


def _long_line(text: str, file: str) -> Problem | None:
    """The scanner is quadratic in the length of some tokens, and none passes the end of a line."""
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > MAX_LINE:
            return Problem("J000", Place(file, number, MAX_LINE + 1), {"limit": f"{MAX_LINE:,}"})
    return None


_SCANNER: Final = {
    "expected <block end>, but found '<scalar>'": "yaml after quote",
    "expected <block end>": "yaml indent",
    "mapping values are not allowed": "yaml second colon",
    "expected ',' or '}'": "yaml brace",
    "expected ',' or ']'": "yaml bracket",
    "could not find expected ':'": "yaml colon",
    "found unexpected end of stream": "yaml quote",
    "found character": "yaml sign",
}
"""How the scanner's complaints begin -> our words for them (`wording.KINDS`); others are shown as they are."""


class _Stop(Exception):
    """The file is not worth reading further."""


@dataclass
class _Frame:
    """An open mapping or sequence."""

    container: Any
    path: Path
    key: str | None = None
    skips: bool = False  # the value of a duplicate key: read, kept nowhere


class _Builder:
    """Turns events into data, one at a time, without recursion."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.stack: list[_Frame] = []
        self.documents = 0
        self.values = 0

    def take(self, event: Event) -> None:
        match event:
            case ScalarEvent():  # nine in ten are
                self._scalar(event)
            case MappingStartEvent():
                self._open(event, {})
            case SequenceStartEvent():
                self._open(event, [])
            case MappingEndEvent() | SequenceEndEvent():
                self.stack.pop()
            case AliasEvent():
                self._alias(event)
            case DocumentStartEvent():
                self._start(event)
            case _:
                pass

    def complain_of_syntax(self, error: MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark
        place = self.document.at(mark.line, mark.column) if mark else Place(self.document.file)
        detail = " ".join(str(error.problem or error.context or "").split())
        said = next((kind for begins, kind in _SCANNER.items() if detail.startswith(begins)), detail)
        self.document.problems.append(Problem("J002", place, {"detail": said}))

    def _start(self, event: Any) -> None:
        self.documents += 1
        if self.documents > 1 or event.tags or event.version not in {None, (1, 2)}:
            self._complain("J009", event)
            raise _Stop

    def _open(self, event: Any, container: Any) -> None:
        if len(self.stack) >= MAX_DEPTH:
            self._complain("J005", event, limit=MAX_DEPTH)
            raise _Stop
        if self.stack and isinstance(self.stack[-1].container, dict) and self.stack[-1].key is None:
            self._complain("J018", event)
            raise _Stop
        self._refuse_extras(event)
        frame = self._put(event, container)
        self.stack.append(_Frame(container, frame[0], skips=frame[1]))

    def _scalar(self, event: Any) -> None:
        if _SURROGATE.search(event.value):
            self._complain("J001", event)
            raise _Stop
        if event.tag is not None or event.anchor is not None:
            self._refuse_extras(event)
        frame = self.stack[-1] if self.stack else None
        if frame is not None and isinstance(frame.container, dict) and frame.key is None:
            self._key(frame, event)
        else:
            is_plain = event.style is None or event.style == ""
            self._put(event, resolve(event.value) if is_plain else event.value)

    def _alias(self, event: Any) -> None:
        self._complain("J006", event, name=event.anchor)
        frame = self.stack[-1] if self.stack else None
        if frame is not None and isinstance(frame.container, dict) and frame.key is None:
            frame.key = "\0"  # an alias for a key: its value is read, and kept nowhere
        else:
            self._put(event, None)

    def _key(self, frame: _Frame, event: Any) -> None:
        name = event.value
        if name in frame.container and not frame.skips:
            first = self.document.keys[(*frame.path, name)]
            self._complain("J008", event, key=name, line=first.line + 1)
            frame.key = "\0" + name  # kept aside: the first one counts
            return
        frame.key = name
        if not frame.skips:
            self.document.keys[(*frame.path, name)] = _mark(event)

    def _put(self, event: Any, value: Any) -> tuple[Path, bool]:
        """Store the value in the open container; return its path and whether it is being skipped."""
        self.values += 1
        if self.values > MAX_VALUES:
            self._complain("J004", event, limit=f"{MAX_VALUES:,}")
            raise _Stop
        path: Path = ()
        if self.stack:
            frame = self.stack[-1]
            if isinstance(frame.container, list):
                path = (*frame.path, len(frame.container))
                frame.container.append(value)
            else:
                name, frame.key = frame.key or "", None
                path = (*frame.path, name)
                if name.startswith("\0"):
                    return path, True
                frame.container[name] = value
            if frame.skips:
                return path, True
        else:
            self.document.data = value
        self.document.marks[path] = _mark(event)
        if isinstance(value, dict | list):
            self.document.paths[id(value)] = path
        return path, False

    def _refuse_extras(self, event: Any) -> None:
        if event.anchor is not None:
            self._complain("J006", event, name=event.anchor)
        if event.tag is not None:
            self._complain("J007", event, tag=event.tag)

    def _complain(self, code: str, event: Any, **data: Any) -> None:
        mark = event.start_mark
        self.document.problems.append(Problem(code, self.document.at(mark.line, mark.column), data))


def _mark(event: Any) -> Mark:
    begin, end = event.start_mark, event.end_mark
    return Mark(begin.line, begin.column, begin.index, end.index)

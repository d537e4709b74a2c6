"""Files of rows: CSV as people save it (delimiter and encoding found out), JSON lines, Parquet; gz on the way.

Streams: one row at a time, whatever the file's size. A line that cannot be read is a `Row` with its fault. Called by
`import_loading.py`; what the columns mean is `import_mapping.py`'s.
"""

import codecs
import csv
import io
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from engine.cli.rows import LINE_LIMIT, open_file
from engine.core.errors import BadInput
from engine.http.strict import parse

SNIFFED: Final = 1_000_000
"""Bytes in which delimiter and encoding are found out."""

_PEEKED: Final = 50
"""Rows of JSON lines whose keys are taken for the columns."""

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_TORN: Final = "�"


@dataclass(frozen=True)
class Row:
    """One row: its line (of Parquet: its number), its cells by column, or why there are none; `text` is for people."""

    number: int
    cells: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    fault: BadInput | None = None


@dataclass(frozen=True)
class Table:
    """A file being read. `form`: how it was understood ("CSV, GB18030"); `place` of `size`: how far it is read."""

    name: str
    form: str
    columns: tuple[str, ...]
    rows: Iterator[Row]
    size: int
    place: Callable[[], int]


@contextmanager
def open_table(path: Path, *, encoding: str = "", delimiter: str = "") -> Iterator[Table]:
    """Open a file by its name: .jsonl and .ndjson, .parquet, all else CSV; raises `BadInput` for what is no table."""
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    with ExitStack() as stack:
        stack.enter_context(_whole(path))
        if plain.suffix == ".parquet":
            from engine.cli.import_parquet import open_parquet

            yield stack.enter_context(open_parquet(path))
            return
        opened = stack.enter_context(open_file(path))
        stream = io.BufferedReader(cast("io.RawIOBase", opened.stream), SNIFFED)
        stack.callback(stream.detach)
        head = stream.peek(SNIFFED)
        if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
            remedy = 'Save it in Excel as "CSV UTF-8 (Comma delimited)" and import that'
            raise BadInput(f"{opened.name} is an Excel workbook", remedy)
        if plain.suffix in {".jsonl", ".ndjson"}:
            rows = _json_rows(cast("BinaryIO", stream))
            first = list(islice(rows, _PEEKED))
            columns = tuple(dict.fromkeys(name for row in first for name in row.cells))
            yield Table(opened.name, "JSON lines", columns, chain(first, rows), opened.size, opened.place)
            return
        encoding = encoding or find_encoding(head)
        text = io.TextIOWrapper(stream, encoding=_codec(encoding), errors="replace", newline="")
        stack.callback(text.detach)
        header = _header(text.readline(LINE_LIMIT), opened.name, delimiter)
        form = f"CSV, {_TOLD.get(encoding, encoding.upper())}"
        yield Table(opened.name, form, header.columns, _csv_rows(text, header), opened.size, opened.place)


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Say of a packed file that is torn what it is."""
    try:
        yield
    except (EOFError, zlib.error):
        raise BadInput(f"{path.name} is cut off or broken", "Pack or copy it anew; lines before it are taken") from None


_TOLD: Final = {"utf-8-sig": "UTF-8 (BOM)", "utf-8": "UTF-8", "gb18030": "GB18030 (Chinese Excel)", "utf-16": "UTF-16"}


def find_encoding(head: bytes) -> str:
    """Return the encoding of a file that begins like this: UTF-8, with its mark or without, UTF-16, else GB18030.

    >>> find_encoding("手机号".encode("gb18030")), find_encoding("手机号".encode())
    ('gb18030', 'utf-8')
    """
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    for name in ("utf-8", "gb18030"):
        try:
            codecs.getincrementaldecoder(name)().decode(head)
        except UnicodeDecodeError:
            continue
        return name
    raise BadInput("The file's text is neither UTF-8 nor GB18030", "Say what it is: --encoding big5")


def _codec(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise BadInput(f"--encoding {name} is no encoding", "Write one like utf-8 or gb18030") from None


# --- CSV


@dataclass(frozen=True)
class _Header:
    columns: tuple[str, ...]
    delimiter: str


def _header(line: str, name: str, delimiter: str) -> _Header:
    if len(delimiter) > 1:
        raise BadInput(f"--delimiter {delimiter!r} is not one character", "Write one, like ;")
    delimiter = delimiter or max(",\t;|", key=line.count)
    columns = [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    if not any(columns):
        raise BadInput(f"{name} has no header line", "Name the columns in its first line")
    twice = next((column for column in columns if column and columns.count(column) > 1), "")
    if twice:
        raise BadInput(f"{name} has two columns {twice}", "Rename or delete one of them")
    return _Header(tuple(columns), delimiter)


def _csv_rows(text: io.TextIOWrapper, header: _Header) -> Iterator[Row]:
    reader = csv.reader(text, delimiter=header.delimiter)
    wide = len(header.columns)
    end = 0
    while True:
        number = end + 2  # the header is line 1
        try:
            cells = next(reader, None)
        except csv.Error as broken:
            end = reader.line_num
            remedy = "Look for a quotation mark that is not closed"
            yield Row(number, fault=BadInput(f"The row is broken: {broken}", remedy))
            continue
        end = reader.line_num
        if cells is None:
            return
        if not any(cells):
            continue
        shown = header.delimiter.join(cells)
        if len(cells) > wide and any(cells[wide:]):
            remedy = f"Quote cells that hold {header.delimiter!r}"
            yield Row(number, text=shown, fault=BadInput("The row has more cells than the header", remedy))
        elif _TORN in shown:
            remedy = "Save the file as UTF-8, or say its encoding: --encoding gb18030"
            yield Row(number, text=shown, fault=BadInput("The row holds text of another encoding", remedy))
        elif "\0" in shown:
            yield Row(number, text=shown, fault=BadInput("The row holds NUL", "Remove it, or export the file anew"))
        else:
            yield Row(number, dict(zip(header.columns, cells, strict=False)), shown)


# --- JSON lines


def _json_rows(stream: BinaryIO) -> Iterator[Row]:
    number = 0
    while body := stream.readline(LINE_LIMIT + 1):
        number += 1
        if len(body) > LINE_LIMIT:
            while body and not body.endswith(b"\n"):
                body = stream.readline(LINE_LIMIT)
            yield Row(number, fault=BadInput(f"The line is over {LINE_LIMIT:,} bytes", "Write one object a line"))
            continue
        body = body.removeprefix(codecs.BOM_UTF8).strip()
        if not body:
            continue
        text = body.decode("utf-8", "replace")
        try:
            value = parse(body)
        except BadInput as fault:
            yield Row(number, text=text, fault=fault)
            continue
        if isinstance(value, dict):
            yield Row(number, value, text)
        else:
            yield Row(number, text=text, fault=BadInput("The line is not an object", 'Write {"phone": "138..."}'))

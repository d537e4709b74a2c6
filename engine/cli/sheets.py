"""CSV files that people open in a spreadsheet and send back: no cell becomes a formula, refused rows into a file.

Commands that import or export tables use it (`consent`, `suppressions`).
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import typer
from rich.progress import Progress

from engine.cli.import_tables import SNIFFED, find_encoding
from engine.cli.invocation import Invocation
from engine.cli.output import aside, emit, remark, tell
from engine.core.errors import BadInput
from engine.core.ids import SECOND, Micros

Made = TypeVar("Made")

_FORMULAS: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def safe(cell: str) -> str:
    """Return the cell so that a spreadsheet shows it and does not run it: a tab goes before what could be a formula.

    A phone number begins like one. Imports strip the tab again, so nothing is lost on the way.

    >>> safe("+8613800138000"), safe("mei@brand.example")
    ('\\t+8613800138000', 'mei@brand.example')
    """
    return f"\t{cell}" if cell.lstrip().startswith(_FORMULAS) or cell[:1] in {"\t", "\r", "\n"} else cell


def utc(at: Micros) -> str:
    """Return an instant as an import reads it, to the second; "" for none.

    >>> utc(SECOND), utc(0)
    ('1970-01-01T00:00:01Z', '')
    """
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""


def write_sheet(path: Path, head: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    """Write a CSV file in UTF-8 (with the mark that spreadsheets look for) and return how many rows it has."""
    number = 0
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(head)
        for row in rows:
            out.writerow([safe(cell) for cell in row])
            number += 1
    return number


@dataclass
class Sheet:
    """A CSV file being read: iterate over `rows`, set those apart that cannot be taken, then ask for the counts."""

    path: Path
    rejects: Path
    read: int = 0
    taken: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)

    def lines(self) -> int:
        """Return how many lines the file has: the total of a progress bar."""
        with self.path.open("rb") as file:
            return sum(1 for _ in file)

    def rows(self, understand: Callable[[Mapping[str, str]], Made], done: Callable[[], None]) -> Iterator[Made]:
        """Yield what `understand` makes of each row; one for which it raises `BadInput` goes into the rejects file."""
        with _opened(self.path) as file:
            reader = csv.DictReader(file, delimiter=_delimiter(file))
            head = [name.strip().lower() for name in reader.fieldnames or ()]
            reader.fieldnames = head
            with _Rejects(self.rejects, head) as rejects:
                for row in _readable(reader, self.path):
                    self.read += 1
                    done()
                    cells = {str(name): (cell or "").strip() for name, cell in row.items() if name is not None}
                    try:
                        made = understand(cells)
                    except BadInput as fault:
                        self.refused += 1
                        if len(self.wrong) < _SHOWN:
                            self.wrong.append(f"{self.path}:{reader.line_num}: {fault}")
                        rejects.keep(cells, str(fault))
                        continue
                    self.taken += 1
                    yield made


def take_in(
    invocation: Invocation,
    sheet: Sheet,
    understand: Callable[[Mapping[str, str]], Made],
    hand_over: Callable[[Iterator[Made]], str],
    *,
    as_json: bool,
) -> None:
    """Let `hand_over` take what `understand` makes of the rows, under a bar of how far the file is read; then report.

    `hand_over` returns by which way they went: "daemon", "log", or "nothing" (`only_read`).
    """
    with Progress(console=aside(), disable=as_json, transient=True) as progress:
        task = progress.add_task(sheet.path.name, total=sheet.lines())
        through = hand_over(sheet.rows(understand, lambda: progress.advance(task)))
    _report(invocation, sheet, through, as_json=as_json)


def only_read(rows: Iterable[object]) -> str:
    """Read every row and hand none over: a dry run."""
    for _ in rows:
        pass
    return "nothing"


def _report(invocation: Invocation, sheet: Sheet, through: str, *, as_json: bool) -> None:
    """Say what became of an import; leave with 1 when rows were refused."""
    rejects = str(sheet.rejects) if sheet.refused else ""
    if as_json:
        counts = {"read": sheet.read, "taken": sheet.taken, "refused": sheet.refused}
        emit({**counts, "rejects": rejects, "wrong": sheet.wrong, "through": through})
    else:
        tell(
            invocation.say(
                f"{sheet.read:,} rows read, {sheet.taken:,} taken, {sheet.refused:,} refused",
                f"读取 {sheet.read:,} 行，接收 {sheet.taken:,}，拒绝 {sheet.refused:,}",
            )
        )
        for line in sheet.wrong:
            remark(line)
        if rejects:
            remark(invocation.say(f"Refused rows: {rejects}", f"被拒绝的行：{rejects}"))
        if through == "nothing":
            remark(invocation.say("Dry run: nothing was written", "试运行：未写入任何内容"))
        if through == "log":
            remark(invocation.say("No daemon runs: it holds from its next start", "守护进程未运行：下次启动时生效"))
    if sheet.refused:
        raise typer.Exit(1)


_SHOWN: Final = 10


class _Rejects:
    """The file of refused rows, made with the first of them; its last column says why."""

    def __init__(self, path: Path, head: Sequence[str]) -> None:
        self._path, self._head = path, [*head, "problem"]
        self._file: IO[str] | None = None

    def __enter__(self) -> "_Rejects":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def keep(self, row: Mapping[str, str], why: str) -> None:
        first = self._file is None
        if self._file is None:
            self._file = self._path.open("w", encoding="utf-8-sig", newline="")
        out = csv.writer(self._file, lineterminator="\n")
        if first:
            out.writerow(self._head)
        out.writerow([safe(row.get(name, "")) for name in self._head[:-1]] + [safe(why)])


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    with path.open("rb") as start:
        try:
            encoding = find_encoding(start.read(SNIFFED))
        except BadInput as fault:
            raise BadInput(fault.problem, "Save it as CSV in UTF-8") from None
    if encoding == "utf-16":  # no CSV: Excel's "Unicode text"
        raise BadInput("The file's text is neither UTF-8 nor GB18030", "Save it as CSV in UTF-8")
    with path.open(encoding=encoding, newline="") as file:
        yield file


def _readable(reader: "csv.DictReader[str]", path: Path) -> Iterator[dict[Any, Any]]:
    try:
        yield from reader
    except (UnicodeDecodeError, csv.Error) as problem:
        raise BadInput(f"{path} cannot be read as text: {problem}", "Save it as CSV in UTF-8") from None


def _delimiter(file: IO[str]) -> str:
    try:
        first = file.readline()
    except UnicodeDecodeError as problem:
        raise BadInput(f"{file.name} cannot be read as text: {problem}", "Save it as CSV in UTF-8") from None
    file.seek(0)
    return next((mark for mark in ",;\t" if mark in first), ",")

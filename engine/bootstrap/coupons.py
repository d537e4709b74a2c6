"""Files of coupon codes: `coupons/<POOL>.csv` or `.txt` of a workspace, stocked at a start, and files by name.

What is read becomes `stock` directives whose ids follow from their content: the same file stocked again is dropped as
a repeat, and codes that a pool knows are left alone whatever comes.
"""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final

import structlog

from engine.bootstrap.storage import Files
from engine.bootstrap.workspace import Workspace
from engine.core.coupons import CHUNK, fault_of, is_pool
from engine.core.errors import BadInput, BadSetting
from engine.core.events import Directive, encode
from engine.core.ids import Micros, derive, key64
from engine.runtime.inbox import last_received

FOLDER: Final = "coupons"
SUFFIXES: Final = (".csv", ".txt")
BY_START: Final = "start"

_CHUNK_BYTES: Final = 200_000
_HEADERS: Final = ("code", "codes", "coupon_code", "券码")
_SHOWN: Final = 20


class CodeFile:
    """The codes of one file: iterate over it once, then ask what was left out.

    The column named `code`, else the first one; the header line may be missing. `wrong`: the first of the codes that
    cannot be, each with its place; `refused` counts them all.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.taken = self.blank = self.repeated = self.refused = 0
        self.wrong: list[str] = []

    def __iter__(self) -> Iterator[str]:
        seen: set[str] = set()
        for line, code in self._cells():
            fault = fault_of(code)
            if not code:
                self.blank += 1
            elif fault:
                self.refused += 1
                if len(self.wrong) < _SHOWN:
                    self.wrong.append(f"{self.path}:{line}: {code[:64]!r} {fault}")
            elif code in seen:
                self.repeated += 1
            else:
                seen.add(code)
                self.taken += 1
                yield code

    def lines(self) -> int:
        """Return how many lines the file has: the total of a progress bar."""
        with self.path.open("rb") as file:
            return sum(1 for _ in file)

    def _cells(self) -> Iterator[tuple[int, str]]:
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                rows = _rows(file, self.path.suffix.lower() == ".csv")
                column = 0
                for line, cells in enumerate(rows, start=1):
                    names = [cell.strip().lower() for cell in cells] if line == 1 else []
                    named = next((place for place, name in enumerate(names) if name in _HEADERS), None)
                    if named is not None:
                        column = named
                        continue
                    yield line, cells[column].strip() if column < len(cells) else ""
        except (UnicodeDecodeError, csv.Error) as problem:
            raise BadInput(f"{self.path} cannot be read as text: {problem}", "Save it as CSV in UTF-8") from None


def _rows(file: IO[str], is_csv: bool) -> Iterable[list[str]]:
    """Return the rows of cells; of a text file each line is one cell."""
    if not is_csv:
        return ([line] for line in file)
    first = file.readline()
    file.seek(0)
    return csv.reader(file, delimiter=next((mark for mark in ",;\t" if mark in first), ","))


def pool_files(root: Path) -> list[tuple[str, Path]]:
    """Return (pool, file) of the workspace's pools; raises `BadSetting` for a file that cannot be one."""
    folder = root / FOLDER
    found = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    pools = [(path.stem, path) for path in found if path.suffix.lower() in SUFFIXES]
    for pool, path in pools:
        if not is_pool(pool):
            raise BadSetting(f"{path}: {pool!r} is no name of a pool. Use letters, digits, - and _, like SPRING10.csv")
    return pools


def stock_entries(pool: str, codes: Iterable[str], *, at: Micros, by: str) -> Iterator[Directive]:
    """Yield the directives that bring the codes, in order, a bounded chunk each; the same codes give the same ids."""
    for chunk in _chunks(codes):
        word = derive("stock", pool, *chunk)
        yield Directive(word, "stock", at, at, subject=pool, by=by, properties={"codes": chunk})


def _chunks(codes: Iterable[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    size = 0
    for code in codes:
        weight = len(code.encode()) + 4
        if chunk and (len(chunk) >= CHUNK or size + weight > _CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(code)
        size += weight
    if chunk:
        yield chunk


def stock_on_start(workspace: Workspace, files: Files, now: Micros) -> int:
    """Put the workspace's pool files into the log, but for what was applied lately; return the codes logged.

    A code that cannot be is left out and said in the log; the others do not wait for it.
    """
    at = max(last_received(files.log), now)
    log = structlog.get_logger("daemon")
    logged = 0
    for pool, path in pool_files(workspace.root):
        codes, fresh = CodeFile(path), 0
        for directive in stock_entries(pool, codes, at=at, by=BY_START):
            key = key64("\x00directive", directive.id)
            if not files.store.seen([key]):
                files.log.append([encode(directive)])
                fresh += len(directive.properties["codes"])
        if codes.refused:
            log.warning("coupons_refused", pool=pool, count=codes.refused)
        if fresh:
            log.info("coupons_stocked", pool=pool, count=fresh)
        logged += fresh
    return logged

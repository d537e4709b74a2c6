"""The lines an import refused, as a CSV file that can be mended in Excel and imported again.

No cell can be a formula: such ones get the mark of a text (') in front, which the import takes off again.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from engine.cli.refusals import chinese
from engine.core.errors import BadInput

_FORMULA: Final = frozenset("=+-@\t\r")
_TOLD: Final = ("file", "line", "problem", "remedy")


def safe(value: Any) -> str:
    """Return a cell that a spreadsheet shows and never computes.

    >>> safe("=1+1"), safe("+86138"), safe("Mei"), safe(None)
    ("'=1+1", "'+86138", 'Mei', '')
    """
    text = "" if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return f"'{text}" if text[:1] in _FORMULA else text


class Rejects:
    """The file of refused lines; made with the first of them. UTF-8 with its mark, so that Excel reads it.

    `lang`: the language of the reasons, en or zh.
    """

    def __init__(self, path: Path, lang: str) -> None:
        self.path, self._lang = path, lang
        self.count = 0
        self._file: IO[str] | None = None
        self._columns: tuple[str, ...] = ()

    def add(self, file: str, line: int, why: BadInput, columns: Sequence[str], cells: Mapping[str, Any]) -> None:
        """Write one line with its reason; the reasons of a round before, in a file that was mended, make way."""
        columns = columns[len(_TOLD) :] if tuple(columns[: len(_TOLD)]) == _TOLD else columns
        self.count += 1
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8-sig", newline="", errors="replace")
        writer = csv.writer(self._file)
        if self._columns != tuple(columns):  # also where the next file has other ones
            self._columns = tuple(columns)
            writer.writerow([*_TOLD, *map(safe, columns)])
        told = [file, line, *(self._say(text) for text in (why.problem, why.remedy))]
        writer.writerow([*map(safe, told), *(safe(cells.get(column)) for column in columns)])

    def _say(self, text: str) -> str:
        return (chinese(text) if self._lang == "zh" else "") or text

    def close(self) -> None:
        """Finish the file."""
        if self._file is not None:
            self._file.close()

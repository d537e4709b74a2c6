"""The erasure ledger as a file beside the database: `erasures.jsonl`, fingerprints only, one line an erasure.

It outlives a restore of the database from a backup: bootstrap applies again what the store does not know. A line is on
disk before the commit that destroys anything. Written by the unit of work, read by bootstrap.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from engine.ports import Changes, ErasureRow

FILE: Final = "erasures.jsonl"


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line: an erasure as it stands, or fingerprints that may be heard again."""

    erased: ErasureRow | None = None
    readmitted: tuple[str, ...] = ()


_encoder: Final = msgspec.json.Encoder()
_decoder: Final[msgspec.json.Decoder[_Line]] = msgspec.json.Decoder(_Line)


class LedgerFile:
    """`erasures.jsonl` in the folder of a database. `written` is called when lines are safe and their commit is not."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written: Callable[[], None] = _go_on

    def write(self, changes: Changes) -> None:
        """Append what these changes say of the ledger, and wait until it is on disk; nothing when they say nothing."""
        lines = [_Line(erased=row) for row in changes.erasures]
        if changes.readmitted:
            lines.append(_Line(readmitted=tuple(changes.readmitted)))
        if lines:
            self._append(lines)
            self.written()

    def add(self, rows: Sequence[ErasureRow]) -> None:
        """Append rows that only the store knows."""
        if rows:
            self._append([_Line(erased=row) for row in rows])

    def rows(self) -> list[ErasureRow]:
        """Return what the file says, the latest word on each customer; a line cut off by a crash says nothing."""
        if not self.path.exists():
            return []
        found: dict[str, ErasureRow] = {}
        for line in self.path.read_bytes().splitlines():
            try:
                said = _decoder.decode(line)
            except (msgspec.DecodeError, msgspec.ValidationError):
                continue
            if said.erased is not None:
                found[said.erased.customer] = said.erased
            if said.readmitted:
                found = {id_: row for id_, row in found.items() if set(row.keys) - set(said.readmitted)}
        return list(found.values())

    def _append(self, lines: Sequence[_Line]) -> None:
        is_new = not self.path.exists()
        with self.path.open("ab") as file:
            # A line that a crash cut off must not swallow the next one; empty lines say nothing.
            file.write(b"\n" + _encoder.encode_lines(lines))
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            self.path.chmod(0o600)
            _sync_folder(self.path.parent)


def _sync_folder(folder: Path) -> None:
    """A new file's name is on disk when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _go_on() -> None:
    """Nobody waits for the instant between the lines and their commit."""

"""The erasure ledger of a shared store, as a file in each worker's data folder: a restored backup brings nobody back.

A worker writes down the erasures that it applies. One that starts compares its file with the store, and says again at
the desk whom the file names and the store does not know. Called by `roles.py`.
"""

from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from engine.bootstrap.ledger import say_again
from engine.core.errors import Conflict, StoreAway
from engine.ports import EventLog, SharedStore
from engine.store.sqlite.ledger import FILE, LedgerFile

_ALL: Final = 10_000_000
"""Lines of a ledger that are compared."""


class SharedLedger:
    """The file of one worker in its data folder. Where that cannot be written there is none, and the log says so."""

    def __init__(self, folder: Path, store: SharedStore, desk: EventLog) -> None:
        self._file, self._store, self._desk = LedgerFile(folder / FILE), store, desk
        self._known: set[str] = set()
        self._applied = 0

    def compare(self) -> int:
        """Erase again whom only the file knows, write down whom only the store knows; return how many are erased.

        Who was readmitted is known to the store: their line stays, and only its fingerprints go. Several workers may
        find the same, and an erasure that is said twice is one.
        """
        known = {row.customer for row in self._store.erasures(_ALL)}
        lost = [row for row in self._file.rows() if row.customer not in known]
        say_again(lost, self._desk)
        self.write_down()
        return len(lost)

    def look(self, erasures: int) -> None:
        """Write down what is new when this worker has applied more erasures than at the last look."""
        if erasures != self._applied:
            with suppress(StoreAway, Conflict):  # at the next look again
                self.write_down()
                self._applied = erasures

    def write_down(self) -> None:
        """Bring the file up to what the store knows."""
        if not self._known:
            self._known = {row.customer for row in self._file.rows()}
        fresh = [row for row in self._store.erasures(_ALL) if row.customer not in self._known]
        try:
            self._file.path.parent.mkdir(parents=True, exist_ok=True)
            self._file.add(fresh)
        except OSError as problem:
            structlog.get_logger("engine").warning("ledger_unwritten", error=type(problem).__name__)
            return
        self._known |= {row.customer for row in fresh}

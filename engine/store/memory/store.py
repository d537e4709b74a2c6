"""The store in memory: a lock, the tables, and units of work that write them at once."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from engine.core.ids import Micros
from engine.ports import Changes, Kept
from engine.store.conventions import WINDOW
from engine.store.memory.apply import apply
from engine.store.memory.faces import MemoryReader
from engine.store.memory.pruning import prune
from engine.store.memory.tables import Tables

PEPPER: Final = hashlib.sha256(b"journeyd/memory").digest()
"""The key of fingerprints of a store that keeps nothing: no secret, the same in every simulation."""


class MemoryUnit(MemoryReader):
    """A unit of work: the store's lock is held from the first read to the commit."""

    def __init__(self, tables: Tables, lock: "threading.RLock", window: Micros) -> None:
        super().__init__(tables, lock)
        self._window = window

    def commit(self, changes: Changes) -> None:
        """Write everything, or on any error nothing."""
        apply(self._tables, changes, self._window)


class MemoryStore(MemoryReader):
    """A `Store` that lives as long as the process."""

    def __init__(self, *, dedupe_window: Micros = WINDOW, pepper: bytes = PEPPER) -> None:
        super().__init__(Tables(pepper=pepper), threading.RLock())
        self._window = dedupe_window

    @contextmanager
    def unit(self) -> Iterator[MemoryUnit]:
        """Open a unit of work; one at a time, others wait."""
        with self._lock:
            yield MemoryUnit(self._tables, self._lock, self._window)

    def prune(self, kind: Kept, before: Micros, limit: int) -> int:
        """Drop up to `limit` of what is over and older than `before`; return how many went."""
        with self._lock:
            return prune(self._tables, kind, before, limit)

    def scrub(self) -> None:
        """Do nothing: what is gone from memory is gone."""

    def close(self) -> None:
        """Do nothing: there is nothing to release."""

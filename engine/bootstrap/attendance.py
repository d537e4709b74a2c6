"""Do workers live, and how far have they come? Asked by commands that say a word at the desk of a shared store.

A word there is applied by whichever worker comes first; with nobody alive it waits for one, and nobody waits for it.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from engine.core.ids import Micros
from engine.ports import Clock, JobRow, PartitionRow, SharedStore
from engine.ports.partitions import DESK

_PAUSE: Final = 0.2
"""Seconds between two looks."""


def is_attended(rows: Sequence[PartitionRow], now: Micros) -> bool:
    """Say whether a worker has said lately that it lives.

    >>> is_attended([PartitionRow(0, 9, 0, "", 0), PartitionRow(1, 9, 70, "w", 80)], 100)
    True
    """
    return any(row.partition != DESK and row.keeper(now) for row in rows)


def wait_for_workers(store: SharedStore, offset: int, clock: Clock, progress: Callable[[list[JobRow]], None]) -> bool:
    """Return once the desk is applied up to `offset` and no job is left; False when no worker lives to do that."""
    while is_attended(store.partitions(), clock.now()):
        jobs = store.jobs()
        if store.position() >= offset and not jobs:
            return True
        progress(jobs)
        time.sleep(_PAUSE)
    return False

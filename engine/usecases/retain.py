"""Retention: applied entries of the log, reasons, ended deliveries and runs that are older than they are kept go."""

from collections.abc import Mapping
from typing import Final

from engine.core.events import decode
from engine.core.ids import Micros
from engine.ports import EventLog, Kept, Reader, Store

ORDER: Final[tuple[Kept, ...]] = ("traces", "deliveries", "runs")
CHUNK: Final = 500
"""Rows of a kind in one commit: nobody waits long behind it."""


def retain(store: Reader, log: EventLog, keep_since: Micros) -> int:
    """Trim what was received before `keep_since` and is applied; return the first offset that stays.

    Received instants never decrease along the log, so the place is found by halving.
    """
    low, high = 0, min(store.position(), log.tail())
    while low < high:
        middle = (low + high) // 2
        found = log.read(middle, 1)
        if not found or decode(found[0].body).received >= keep_since:
            high = middle
        else:
            low = min(found[0].offset, high)
    log.trim(low + 1)
    return low + 1


def prune(store: Store, keep: Mapping[Kept, Micros], now: Micros, limit: int) -> int:
    """Let go of a chunk of what the store keeps no longer; return how much went, 0 when there is nothing left.

    `keep`: how long each kind is kept (µs), 0 for ever. Reasons and deliveries first: they speak of the runs.
    """
    return sum(store.prune(kind, now - keep[kind], limit) for kind in ORDER if keep.get(kind))

"""Retention: entries of the log that are applied and older than the workspace keeps them are let go."""

from engine.core.events import decode
from engine.core.ids import Micros
from engine.ports import EventLog, Reader


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

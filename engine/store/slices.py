"""Dedupe keys are kept in slices of the log's time, so that forgetting them drops whole tables, never rows."""

from typing import Final

from engine.core.ids import DAY, Micros

WINDOW: Final[Micros] = 7 * DAY
"""How long a dedupe key is remembered at least, in the log's time."""

_SLICES: Final = 7


def slice_of(now: Micros, window: Micros) -> int:
    """Return the number of the slice that keys of the instant `now` belong to.

    >>> slice_of(0, WINDOW), slice_of(DAY, WINDOW)
    (0, 1)
    """
    return now // max(window // _SLICES, 1)


def oldest_kept(newest: int) -> int:
    """Return the oldest slice that may still hold keys inside the window when `newest` is being written.

    >>> oldest_kept(10)
    3
    """
    return newest - _SLICES

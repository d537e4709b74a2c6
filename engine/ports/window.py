"""How long a message id is remembered, and how: in slices of the log's time, so that forgetting drops whole slices.

Every store keeps its dedupe keys by these rules; `usecases/backfill.py` reads an old log by them.
"""

from typing import Final

from engine.core.ids import DAY, Micros

WINDOW: Final[Micros] = 7 * DAY
"""How long a dedupe key is remembered at least, in the log's time."""

_SLICES: Final = 3  # every new key is looked for in each slice, so few


def slice_of(now: Micros, window: Micros) -> int:
    """Return the number of the slice that keys of the instant `now` belong to.

    >>> slice_of(0, WINDOW), slice_of(DAY, WINDOW)
    (0, 0)
    """
    return now // max(window // _SLICES, 1)


def oldest_kept(newest: int) -> int:
    """Return the oldest slice that may still hold keys inside the window when `newest` is being written.

    >>> oldest_kept(10)
    7
    """
    return newest - _SLICES

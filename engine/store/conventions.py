"""What every store must answer alike where the port leaves a choice: dedupe slices, receipts by address, run places.

Dedupe keys are kept in slices of the log's time, so that forgetting them drops whole tables, never rows.
"""

from typing import Final

from engine.core.ids import DAY, Micros
from engine.core.state import Run
from engine.ports import TouchRow

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


def one_of(rows: list[TouchRow], recipient: str) -> TouchRow | None:
    """Return the row sent to `recipient`; without a match the only row there is, else None: a guess is no receipt."""
    exact = [row for row in rows if recipient and row.touch.address == recipient]
    candidates = exact or rows
    return candidates[0] if len(candidates) == 1 else None


def place_of(run: Run) -> str:
    """Return where reports count a run: its step while it travels, then its outcome."""
    return run.step if run.is_active else run.outcome

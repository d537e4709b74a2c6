"""What every store must answer alike where the port leaves a choice: receipts by address, run places.

How dedupe keys are remembered is told in `ports/window.py`.
"""

from engine.core.ids import Micros
from engine.core.state import Run
from engine.ports import TouchRow
from engine.ports.window import WINDOW, oldest_kept, slice_of

__all__ = ["WINDOW", "is_carried", "oldest_kept", "one_of", "place_of", "slice_of"]


def one_of(rows: list[TouchRow], recipient: str) -> TouchRow | None:
    """Return the row sent to `recipient`; without a match the only row there is, else None: a guess is no receipt."""
    exact = [row for row in rows if recipient and row.touch.address == recipient]
    candidates = exact or rows
    return candidates[0] if len(candidates) == 1 else None


def is_carried(until: Micros, now: Micros) -> bool:
    """Is a label with this end (0 = none) still carried at `now`?"""
    return not until or until > now


def place_of(run: Run) -> str:
    """Return where reports count a run: its step while it travels, then its outcome."""
    return run.step if run.is_active else run.outcome

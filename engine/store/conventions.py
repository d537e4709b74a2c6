"""What every store must answer alike where the port leaves a choice: receipts by address, run places, months' instants.

How dedupe keys are remembered is told in `ports/window.py`.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import chain
from typing import Final

import msgspec

from engine.core.ids import SECOND, Micros
from engine.core.state import Run
from engine.ports import Changes, TouchRow
from engine.ports.window import WINDOW, oldest_kept, slice_of

__all__ = [
    "WINDOW",
    "clamped",
    "is_carried",
    "mentioned",
    "oldest_kept",
    "one_of",
    "place_of",
    "received_of",
    "slice_of",
]

_LAST: Final[Micros] = int(datetime(9998, 12, 1, tzinfo=UTC).timestamp()) * SECOND


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


def clamped(at: Micros) -> Micros:
    """Return the nearest instant that lies in a month of the calendar."""
    return min(max(at, 0), _LAST)


class _Stamp(msgspec.Struct, frozen=True):
    received: Micros = 0


_stamps: Final[msgspec.msgpack.Decoder[_Stamp]] = msgspec.msgpack.Decoder(_Stamp)


def received_of(body: bytes) -> Micros:
    """Return when an entry of the log was received, 0 for what nobody can read."""
    try:
        return clamped(_stamps.decode(body).received)
    except (msgspec.DecodeError, RecursionError):
        return 0


def mentioned(changes: Changes) -> Iterable[str]:
    """Return the customer ids that a commit speaks of, in order of mention."""
    return chain(
        changes.customers,
        changes.merged.keys(),
        changes.merged.values(),
        filter(None, changes.identifiers.values()),
        changes.parted.keys(),
        changes.parted.values(),
        changes.erased,
        (id_ for merge in changes.merges for id_ in (merge.winner, merge.loser)),
        (label.customer for label in changes.labels),
        (effect.customer for effect in changes.effects if effect.customer),
        (owner for owner, _ in changes.runs.values()),
        (touch.customer for touch in changes.touches),
        (coupon.customer for coupon in changes.coupons),
        (customer for customer, _ in changes.notes),
    )

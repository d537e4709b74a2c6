"""Uncertain touches: hand-overs of which nobody can say how they ended. What may follow, and when.

A lapsed lease makes a touch uncertain, never ready. Then: the same bytes again under a key that the provider still
collapses, the provider's own word where it can be asked (`runtime/inquiry.py`), a receipt (`receive`), an operator
(`deliver.resolve`), or the channel's grace, after which it counts as sent.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from engine.core.delivery import EVIDENCE, Fact, TouchState
from engine.core.ids import HOUR, MINUTE, SECOND, Micros
from engine.ports import Reader, Store, TouchQuery, TouchRow
from engine.usecases.work import Work

RESEND_PAUSE: Final = 15 * SECOND
"""A doubtful touch is handed over again under its key after this long, doubling with each attempt."""

LOOK_UPS: Final = (30 * SECOND, 5 * MINUTE, 30 * MINUTE)
"""Ages of a doubt at which its provider is asked, where it can be. Then it is left to receipts and to ops."""

BARRED: Final = "barred"
"""The reason of a doubtful touch whose resend the gates refused: it waits for a receipt or for ops."""

_SCAN: Final = 1_000


class Terms(msgspec.Struct, frozen=True):
    """What delivery may count on, in microseconds.

    `lease`: how long a hand-over may take before it counts as uncertain. `key_windows`: channel -> how long its
    provider collapses resends under one key (absent: never resend). `assume_after`: channel -> the age at which an
    uncertain touch is closed as sent (absent: hold for ops). `hold`: how long a touch of a stopped journey rests
    before it is looked at again.
    """

    lease: Micros = 2 * MINUTE
    key_windows: Mapping[str, Micros] = {}
    assume_after: Mapping[str, Micros] = {}
    hold: Micros = HOUR


def lapse(store: Store, now: Micros, *, leased_before: Micros = 0) -> int:
    """Move touches whose lease ended in flight to uncertain (to sent where a receipt proves it); return how many.

    `leased_before` takes leases that end before that instant instead of `now`: at a start nobody else sends. Call it
    only when the log is drained: an outcome that waits there is the better word. Never makes a touch ready.
    """
    ended = max(now, leased_before)
    moved = 0
    while count := _lapse_some(store, now, ended):
        moved += count
    return moved


def _lapse_some(store: Store, now: Micros, ended: Micros) -> int:
    if not store.lapsed(ended, 1):
        return 0
    with store.unit() as unit:
        work = Work(unit, now)
        rows = unit.lapsed(ended, _SCAN)
        for row in rows:
            proved = bool(Fact(row.facts) & EVIDENCE)
            state = TouchState.SENT if proved else TouchState.UNCERTAIN
            work.move(row, state, reason="receipt" if proved else "lapsed")
            work.changes.attempts += [
                msgspec.structs.replace(attempt, ended=now, outcome=state, reason="lapsed")
                for attempt in unit.attempts(row.touch.id)
                if attempt.token == row.token
            ]
        unit.commit(work.flush())
    return len(rows)


def close_doubts(store: Store, now: Micros, terms: Terms) -> int:
    """Close uncertain touches older than their channel's grace as sent, reason "assumed"; return how many.

    Of doubtful hand-overs most had arrived; a marketing touch is never sent again on a guess.
    """
    overdue = [row for channel in terms.assume_after for row in _overdue(store, now, channel, terms)]
    if not overdue:
        return 0
    with store.unit() as unit:
        work = Work(unit, now)
        for found in overdue:
            row = work.row(found.touch.id)
            if row is not None and row.state is TouchState.UNCERTAIN:
                work.move(row, TouchState.SENT, reason="assumed", content=b"")
        unit.commit(work.flush())
    return len(overdue)


def sweep(store: Store, now: Micros, terms: Terms) -> int:
    """Do `lapse` and `close_doubts`; return how many touches moved."""
    return lapse(store, now) + close_doubts(store, now, terms)


def resendable(store: Reader, now: Micros, channel: str, terms: Terms) -> Iterator[tuple[TouchRow, Micros]]:
    """Yield doubtful touches that the provider would collapse if they came twice, with the instant to resend them."""
    if not terms.key_windows.get(channel):
        return
    for row in store.find_touches(TouchQuery(channel=channel, state=TouchState.UNCERTAIN, limit=_SCAN)):
        at = row.updated + RESEND_PAUSE * 2 ** min(row.token - 1, 10)
        if row.reason != BARRED and max(at, now) < key_ends(row, terms):
            yield row, at


def doubted(store: Reader, channels: Iterable[str]) -> list[tuple[TouchRow, Micros]]:
    """Return the uncertain touches of these channels, each with the instant at which its doubtful hand-over began."""
    rows = [
        row
        for channel in channels
        for row in store.find_touches(TouchQuery(channel=channel, state=TouchState.UNCERTAIN, limit=_SCAN))
    ]
    return [(row, _begun(store, row)) for row in rows]


def look_up_at(row: TouchRow, asked: int) -> Micros:
    """Return when the provider may be asked about a doubt for the next time after `asked` times, 0 for no more."""
    return row.updated + LOOK_UPS[asked] if asked < len(LOOK_UPS) else 0


def _begun(store: Reader, row: TouchRow) -> Micros:
    return next((a.started for a in store.attempts(row.touch.id) if a.token == row.token), row.first_attempt)


def key_ends(row: TouchRow, terms: Terms) -> Micros:
    """Return until when a resend may start: it must have reached the provider before the key is forgotten."""
    if not row.content:
        return 0
    return row.first_attempt + terms.key_windows.get(row.touch.channel, 0) - terms.lease // 3


def _overdue(store: Reader, now: Micros, channel: str, terms: Terms) -> Iterator[TouchRow]:
    for row in store.find_touches(TouchQuery(channel=channel, state=TouchState.UNCERTAIN, limit=_SCAN)):
        if row.updated + terms.assume_after[channel] <= now and key_ends(row, terms) <= now:
            yield row

"""What the statistics of behaviour say: each function of the condition language over a `Tally`.

A window is (now - within, now]: what happened exactly `within` ago has left it; what is dated ahead counts at once.
`reader` serves `core/lookups.py`, `next_change` serves `core/horizons.py`.
"""

import math
from bisect import bisect_right
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from engine.core.expression import Function
from engine.core.ids import Micros
from engine.core.state import Tally

Reader: TypeAlias = Callable[[Tally | None, Micros, Micros | None], Any]
"""(tally, now, since) -> value; `since` is exclusive, None = ever."""


def reader(function: Function, chain: tuple[int, ...] = ()) -> Reader:
    """Return what reads a statistic of what happened after `since`; `chain` is the order that a sequence asks for.

    count, sum and distinct give numbers (0 when nothing happened), max, min and avg a number or None, ever, never and
    sequence truths, first and last an age in microseconds or None. `ever`, `never` and `last` are exact for any
    `since`; the others know as much as the measure's window.

    >>> reader("sum")(Tally(2, 30.0, 100, 400, ((100, 10.0), (400, 20.0))), 500, 200)
    20.0
    >>> reader("never")(None, 500, None)
    True
    """
    if function == "sequence":
        return lambda tally, _now, since: tally is not None and _latest_start(tally, chain, since) is not None
    return _READERS[function]


def next_change(
    tally: Tally | None, function: Function, now: Micros, within: Micros, chain: tuple[int, ...] = ()
) -> Micros:
    """Return the first instant after `now` at which the answer may change as the window moves on; 0 = never.

    Ages grow all the time; what is meant here is only that the event they are measured from falls out.

    >>> next_change(Tally(1, 0.0, 100, 100, ((100, 0.0),)), "count", now=150, within=300)
    400
    """
    if tally is None or not tally.count or within <= 0:
        return 0
    anchor = _anchor(tally, function, now - within, chain)
    return 0 if anchor is None else anchor + within


def _anchor(tally: Tally, function: Function, since: Micros, chain: tuple[int, ...]) -> Micros | None:
    """Return when the happening was that holds the answer in place, None when nothing in the window does."""
    match function:
        case "ever" | "never" | "last":
            return tally.last if tally.last > since else None
        case "distinct":
            return min((last for last in tally.values.values() if last > since), default=None)
        case "sequence":
            return _latest_start(tally, chain, since)
        case "count" | "sum" | "avg" | "first" | "max" | "min":
            inside = _inside(tally, since)
            if not inside or function in {"count", "sum", "avg", "first"}:
                return inside[0][0] if inside else None
            extreme = (max if function == "max" else min)(value for _, value in inside)
            return max(at for at, value in inside if value == extreme)


# --- one reader per function ------------------------------------------------------------------------


def _count(tally: Tally | None, _now: Micros, since: Micros | None) -> int:
    if tally is None:
        return 0
    return tally.count if since is None else len(tally.recent) - _start(tally, since)


def _sum(tally: Tally | None, _now: Micros, since: Micros | None) -> float:
    if tally is None:
        return 0.0
    return tally.total if since is None else math.fsum(value for _, value in _inside(tally, since))


def _max(tally: Tally | None, _now: Micros, since: Micros | None) -> float | None:
    if tally is None or not tally.count:
        return None
    return tally.most if since is None else max((value for _, value in _inside(tally, since)), default=None)


def _min(tally: Tally | None, _now: Micros, since: Micros | None) -> float | None:
    if tally is None or not tally.count:
        return None
    return tally.least if since is None else min((value for _, value in _inside(tally, since)), default=None)


def _avg(tally: Tally | None, _now: Micros, since: Micros | None) -> float | None:
    if tally is None or not tally.count:
        return None
    if since is None:
        return tally.total / tally.count
    inside = _inside(tally, since)
    return math.fsum(value for _, value in inside) / len(inside) if inside else None


def _distinct(tally: Tally | None, _now: Micros, since: Micros | None) -> int:
    if tally is None:
        return 0
    return len(tally.values) if since is None else sum(last > since for last in tally.values.values())


def _ever(tally: Tally | None, _now: Micros, since: Micros | None) -> bool:
    return tally is not None and tally.count > 0 and (since is None or tally.last > since)


def _never(tally: Tally | None, _now: Micros, since: Micros | None) -> bool:
    return tally is None or not tally.count or (since is not None and tally.last <= since)


def _last(tally: Tally | None, now: Micros, since: Micros | None) -> Micros | None:
    if tally is None or not tally.count or (since is not None and tally.last <= since):
        return None
    return now - tally.last if now > tally.last else 0


def _first(tally: Tally | None, now: Micros, since: Micros | None) -> Micros | None:
    if tally is None or not tally.count:
        return None
    first = tally.first
    if since is not None and first <= since:
        start = _start(tally, since)
        if start < len(tally.recent):
            first = tally.recent[start][0]
        elif tally.last > since:
            first = tally.last
        else:
            return None
    return max(now - first, 0)


def _latest_start(tally: Tally, chain: tuple[int, ...], since: Micros | None) -> Micros | None:
    """Return when the latest run through the chain began, None when there is none after `since`.

    Backwards and greedily: the last link as late as can be, then the one before it as late as can be. What happened
    at the very same instant has no order, so each link is strictly later than the one before.
    """
    link, before = len(chain) - 1, None
    for at, place in reversed(tally.recent):
        if since is not None and at <= since:
            return None
        if place == chain[link] and (before is None or at < before):
            if not link:
                return at
            link, before = link - 1, at
    return None


_READERS: Final[dict[Function, Reader]] = {
    "count": _count,
    "sum": _sum,
    "max": _max,
    "min": _min,
    "avg": _avg,
    "distinct": _distinct,
    "first": _first,
    "last": _last,
    "ever": _ever,
    "never": _never,
}

_INFINITE: Final = float("inf")


def _start(tally: Tally, since: Micros) -> int:
    """Return the place of the first pair after `since`."""
    recent = tally.recent
    if not recent or recent[0][0] > since:
        return 0
    return bisect_right(recent, (since, _INFINITE))


def _inside(tally: Tally, since: Micros) -> tuple[tuple[Micros, float], ...]:
    start = _start(tally, since)
    return tally.recent[start:] if start else tally.recent

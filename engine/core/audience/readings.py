"""What the statistics of behaviour say: each function of the condition language over a `Tally`.

A window is (now - within, now]: what happened exactly `within` ago has left it; what is dated ahead counts at once.
`reader` serves `core/lookups.py`, `next_change` serves `core/horizons.py`.
"""

import math
from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from typing import Any, Final, TypeAlias

from engine.core.comparisons import Op, against
from engine.core.expression import Function
from engine.core.ids import Micros
from engine.core.state import Tally

_Pairs: TypeAlias = tuple[tuple[Micros, float], ...]

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


NUMBERS: Final[frozenset[Function]] = frozenset({"count", "sum", "max", "min", "avg", "distinct"})
"""Functions that give a number, which `turning` knows."""


def turning(function: Function, within: Micros, op: Op, bound: float) -> Callable[[Tally | None, Micros], Micros]:
    """Return what says when the comparison of a windowed number with `bound` turns: (tally, now) -> instant, 0 = never.

    `next_change` names each single departure; this one looks through all that will leave, in one go.

    >>> at_least_two = turning("count", 1000, ">=", 2)
    >>> at_least_two(Tally(3, 3.0, 100, 300, ((100, 1.0), (200, 1.0), (300, 1.0))), 300)
    1200
    """
    test = against(op, bound)
    # Where a count can turn: as it comes down to the bound, and as it leaves it.
    crossings = (math.floor(bound), math.ceil(bound) - 1)

    def turn(tally: Tally | None, now: Micros) -> Micros:
        if tally is None or not tally.count:
            return 0
        if function == "distinct":
            times = sorted(last for last in tally.values.values() if last > now - within)
            return _count_turn(times, within, test, crossings)
        inside = _inside(tally, now - within)
        if function == "count":
            return _count_turn([at for at, _ in inside], within, test, crossings)
        return _value_turn(inside, within, test, function)

    return turn


def _count_turn(times: list[Micros], within: Micros, test: Callable[[Any], bool], crossings: tuple[int, int]) -> Micros:
    number = len(times)
    truth = test(number)
    for left in crossings:
        if 0 <= left < number and test(left) is not truth:
            leaves = times[number - left - 1]
            # What happened at the same instant leaves together, so fewer may be left.
            if test(number - bisect_right(times, leaves)) is not truth:
                return leaves + within
    return 0


def _value_turn(inside: _Pairs, within: Micros, test: Callable[[Any], bool], function: Function) -> Micros:
    if not inside:
        return 0
    left = _left(inside, function)
    truth = test(left[-1])
    last = len(inside) - 1
    for place, (at, _) in enumerate(inside):
        if place == last:
            return at + within if test(0.0 if function == "sum" else None) is not truth else 0
        if inside[place + 1][0] != at and test(left[last - place - 1]) is not truth:
            return at + within
    return 0


def _left(inside: _Pairs, function: Function) -> list[float]:
    """Return the value of the newest pair, of the two newest, and so on: what will be left as the others leave."""
    newest_first = [value for _, value in reversed(inside)]
    if function in {"max", "min"}:
        return list(accumulate(newest_first, max if function == "max" else min))
    totals = accumulate(newest_first)
    return [total / number for number, total in enumerate(totals, 1)] if function == "avg" else list(totals)


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
    return tally.total if since is None else _total(_inside(tally, since))


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
    return _total(inside) / len(inside) if inside else None


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


def _inside(tally: Tally, since: Micros) -> _Pairs:
    start = _start(tally, since)
    return tally.recent[start:] if start else tally.recent


def _total(inside: _Pairs) -> float:
    """Add from the newest to the oldest, as `_left` does: the two must agree to the last bit."""
    total = 0.0
    for _, value in reversed(inside):
        total += value
    return total

"""What a customer did: counts, sums, first and last times, kept because some rule asks for them.

`fold` runs for every event that a measure hears; `read` and `next_change` serve `core/predicates.py`. A window is
(now - within, now]: what happened exactly `within` ago has left it.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, TypeAlias

from engine.core.events import Event
from engine.core.expression import Measure
from engine.core.ids import Micros
from engine.core.state import Tally

Function: TypeAlias = Literal["count", "sum", "first", "last", "ever", "never"]

MOST_RECENT: Final = 1_000
"""Pairs kept per customer and measure. Beyond it the oldest leave: a window's count saturates, totals stay exact."""


class CompiledMeasure:
    """A measure ready to fold: its event filter as a closure and its field as path parts.

    Made by `predicates.compile_measure`. `window` 0 keeps totals only.
    """

    __slots__ = ("event", "holds", "key", "parts", "window")

    def __init__(self, measure: Measure, holds: Callable[[Event], bool] | None = None) -> None:
        self.key = measure.key
        self.event = measure.event
        self.window = measure.window
        self.parts = tuple(measure.field.split(".")) if measure.field else ()
        self.holds = holds


def fold(behaviour: dict[str, Tally], measures: Sequence[CompiledMeasure], event: Event) -> dict[str, Tally]:
    """Return the behaviour with the event counted in each of `measures`, all of which hear its name.

    The same dict comes back when nothing changed. A late event is inserted where it belongs; one older than the
    window only counts in the totals. Pairs are forgotten once the log's time (`event.received`) has left them behind.

    >>> seen = fold({}, [CompiledMeasure(Measure("k", "order_paid", "total"))],
    ...             Event(id="1", name="order_paid", at=5, received=6, properties={"total": 20}))
    >>> seen["k"].count, seen["k"].total, seen["k"].last
    (1, 20.0, 5)
    """
    changed: dict[str, Tally] | None = None
    for measure in measures:
        if measure.holds is not None and not measure.holds(event):
            continue
        if changed is None:
            changed = dict(behaviour)
        value = _number(event.properties, measure.parts) if measure.parts else 0.0
        changed[measure.key] = _count(changed.get(measure.key), measure.window, event, value)
    return behaviour if changed is None else changed


def merge(mine: dict[str, Tally], theirs: dict[str, Tally]) -> dict[str, Tally]:
    """Return the behaviour of two customers found to be one: each event was counted for one of them, so they add.

    >>> merge({"k": Tally(1, 5.0, 10, 10)}, {"k": Tally(2, 1.0, 4, 8)})["k"]
    Tally(count=3, total=6.0, first=4, last=10, recent=())
    """
    merged = dict(mine)
    for key, other in theirs.items():
        own = merged.get(key)
        if own is None or not own.count:
            merged[key] = other
        elif other.count:
            merged[key] = Tally(
                own.count + other.count,
                own.total + other.total,
                min(own.first, other.first),
                max(own.last, other.last),
                tuple(sorted(own.recent + other.recent)[-MOST_RECENT:]),
            )
    return merged


def read(tally: Tally | None, function: Function, now: Micros, since: Micros | None) -> Any:
    """Return a statistic of what happened after `since` (exclusive; None = ever).

    count and sum give numbers (0 when nothing happened), ever and never truths, first and last an age in
    microseconds or None. `ever`, `never` and `last` are exact for any `since`; the others know as much as the
    measure's window.

    >>> read(Tally(2, 30.0, 100, 400, ((100, 10.0), (400, 20.0))), "sum", now=500, since=200)
    20.0
    >>> read(None, "never", now=500, since=None)
    True
    """
    return _READERS[function](tally, now, since)


Reader: TypeAlias = Callable[[Tally | None, Micros, Micros | None], Any]


def reader(function: Function) -> Reader:
    """Return `read` for one function, as (tally, now, since) -> value: what compiled conditions call."""
    return _READERS[function]


def next_change(tally: Tally | None, function: Function, now: Micros, within: Micros) -> Micros:
    """Return the first instant after `now` at which something leaves the window of `within`; 0 when nothing will.

    Ages grow all the time; what is meant here is only that the event they are measured from falls out.

    >>> next_change(Tally(1, 0.0, 100, 100, ((100, 0.0),)), "count", now=150, within=300)
    400
    """
    if tally is None or not tally.count or within <= 0:
        return 0
    if function in {"ever", "never", "last"}:
        leaves = tally.last + within
        return leaves if leaves > now else 0
    start = _start(tally, now - within)
    return tally.recent[start][0] + within if start < len(tally.recent) else 0


def _read_count(tally: Tally | None, _now: Micros, since: Micros | None) -> int:
    if tally is None:
        return 0
    return tally.count if since is None else len(tally.recent) - _start(tally, since)


def _read_sum(tally: Tally | None, _now: Micros, since: Micros | None) -> float:
    if tally is None:
        return 0.0
    if since is None:
        return tally.total
    return float(sum(value for _, value in tally.recent[_start(tally, since) :]))


def _read_ever(tally: Tally | None, _now: Micros, since: Micros | None) -> bool:
    return tally is not None and tally.count > 0 and (since is None or tally.last > since)


def _read_never(tally: Tally | None, _now: Micros, since: Micros | None) -> bool:
    return tally is None or not tally.count or (since is not None and tally.last <= since)


def _read_last(tally: Tally | None, now: Micros, since: Micros | None) -> Micros | None:
    if tally is None or not tally.count or (since is not None and tally.last <= since):
        return None
    return now - tally.last if now > tally.last else 0


def _read_first(tally: Tally | None, now: Micros, since: Micros | None) -> Micros | None:
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


_READERS: Final[dict[Function, Reader]] = {
    "count": _read_count,
    "sum": _read_sum,
    "first": _read_first,
    "last": _read_last,
    "ever": _read_ever,
    "never": _read_never,
}


_Pairs: TypeAlias = tuple[tuple[Micros, float], ...]


def _count(tally: Tally | None, window: Micros, event: Event, value: float) -> Tally:
    at = event.at
    if tally is None or not tally.count:
        fresh: _Pairs = ((at, value),) if window and at > event.received - window else ()
        return Tally(1, value, at, at, fresh)
    recent = _remember(tally.recent, (at, value), event.received - window) if window else ()
    first, last = tally.first, tally.last
    return Tally(tally.count + 1, tally.total + value, at if at < first else first, at if at > last else last, recent)


def _remember(recent: _Pairs, pair: tuple[Micros, float], cutoff: Micros) -> _Pairs:
    if recent and recent[0][0] <= cutoff:
        recent = recent[bisect_right(recent, (cutoff, _INFINITE)) :]
    if pair[0] > cutoff:
        if not recent or pair >= recent[-1]:
            recent = (*recent, pair)
        else:
            place = bisect_right(recent, pair)
            recent = (*recent[:place], pair, *recent[place:])
    return recent[-MOST_RECENT:] if len(recent) > MOST_RECENT else recent


_INFINITE: Final = float("inf")


def _start(tally: Tally, since: Micros) -> int:
    """Return the place of the first pair after `since`."""
    recent = tally.recent
    if not recent or recent[0][0] > since:
        return 0
    return bisect_right(recent, (since, _INFINITE))


def _number(properties: dict[str, Any], parts: tuple[str, ...]) -> float:
    """Return the number at the path; 0.0 for anything else, so that one odd event cannot spoil a total."""
    value: Any = properties
    for part in parts:
        if not isinstance(value, dict):
            return 0.0
        value = value.get(part)
    if type(value) is float:
        return value if value - value == 0 else 0.0  # neither nan nor infinite
    if type(value) is int:
        return float(value) if -(1 << 63) < value < (1 << 63) else 0.0
    return 0.0

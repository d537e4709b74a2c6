"""What a customer did, kept because some rule asks for it: the fold of events into bounded statistics.

`fold` runs for every event that a measure hears, `merge` when two customers prove to be one, `refill` when a measure
must remember further back than it did. What the statistics say is read by `readings.py`.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from engine.core.events import Event
from engine.core.expression import Measure
from engine.core.ids import Micros, key64
from engine.core.state import Tally

MOST_RECENT: Final = 1_000
"""Pairs kept per customer and measure. Beyond it the oldest leave: a window's count saturates, totals stay exact."""

MOST_VALUES: Final = 1_000
"""Distinct values kept per customer and measure: those heard last. Beyond it `distinct` says this number."""


class CompiledMeasure:
    """A measure ready to fold: its event filter as a closure, and what it reads of an event.

    Made by `predicates.compile_measure`. `value` gives None for an event that does not count; it is None itself where
    every event counts alike.
    """

    __slots__ = ("events", "holds", "key", "measure", "value", "window")

    def __init__(self, measure: Measure, holds: Callable[[Event], bool] | None = None) -> None:
        self.key = measure.key
        self.measure = measure
        self.events = measure.events
        self.window = measure.window
        self.holds = holds
        self.value = _value_of(measure)


_Pairs: TypeAlias = tuple[tuple[Micros, float], ...]


def fold(behaviour: dict[str, Tally], measures: Sequence[CompiledMeasure], event: Event) -> dict[str, Tally]:
    """Return the behaviour with the event counted in each of `measures`, all of which hear its name.

    The same dict comes back when nothing changed. A late event is inserted where it belongs; one older than the
    window only counts in the totals. Pairs are forgotten once the log's time (`event.received`) has left them behind.

    >>> seen = fold({}, [CompiledMeasure(Measure("k", "order_paid", "total"))],
    ...             Event(id="1", name="order_paid", at=5, received=6, properties={"total": 20}))
    >>> seen["k"].count, seen["k"].total, seen["k"].last
    (1, 20.0, 5)
    """
    return _folded(behaviour, measures, event, _count)


def refill(behaviour: dict[str, Tally], measures: Sequence[CompiledMeasure], event: Event) -> dict[str, Tally]:
    """Return the behaviour with the event remembered in each of `measures` whose totals know it already.

    For a window that grew: the log is read again from its start, and every event inside the new window takes its
    place.
    """
    return _folded(behaviour, measures, event, _recall)


def merge(mine: dict[str, Tally], theirs: dict[str, Tally]) -> dict[str, Tally]:
    """Return the behaviour of two customers found to be one: each event was counted for one of them, so they add.

    >>> both = merge({"k": Tally(1, 5.0, 10, 10)}, {"k": Tally(2, 1.0, 4, 8)})["k"]
    >>> both.count, both.total, both.first, both.last
    (3, 6.0, 4, 10)
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
                min(own.least, other.least),
                max(own.most, other.most),
                _united(own.values, other.values),
            )
    return merged


def without(now: Tally, united: Tally, ours: Tally | None, theirs: Tally) -> Tally | None:
    """Return what is left of a merged statistic when one of the two goes: ours, and what was counted since.

    None when nothing is left. Counts, totals and what is inside the window are exact; of what was counted since the
    merge and has left the window, an extreme that lies inside the old ones is not known any more.

    >>> ours, theirs = Tally(1, 5.0, 10, 10), Tally(2, 1.0, 4, 8)
    >>> both = merge({"k": ours}, {"k": theirs})["k"]
    >>> without(both, both, ours, theirs) == ours
    True
    """
    if now == united:
        return ours
    mine = ours or Tally()
    recent = _less(now.recent, theirs.recent)
    since = now.count - united.count
    fresh = [pair for pair in recent if pair not in mine.recent]
    instants = [at for at, _ in fresh] or [now.last]
    values = [value for _, value in fresh]
    first = [mine.first] if mine.count else []
    last = [mine.last] if mine.count else []
    least, most = ([mine.least], [mine.most]) if mine.count else ([], [])
    if since > 0:
        first.append(now.first if now.first < united.first else min(instants))
        last.append(now.last if now.last > united.last else max(instants))
        least.append(now.least if now.least < united.least else min(values, default=now.least))
        most.append(now.most if now.most > united.most else max(values, default=now.most))
    return Tally(
        mine.count + since,
        mine.total + (now.total - united.total),
        min(first, default=0),
        max(last, default=0),
        recent,
        min(least, default=0.0),
        max(most, default=0.0),
        {
            key: at if at != theirs.values.get(key) else mine.values.get(key, at)
            for key, at in now.values.items()
            if at != theirs.values.get(key) or key in mine.values
        },
    )


def _less(pairs: _Pairs, gone: _Pairs) -> _Pairs:
    left = list(pairs)
    for pair in gone:
        if pair in left:
            left.remove(pair)
    return tuple(left)


# --- one event --------------------------------------------------------------------------------------

_Counting: TypeAlias = Callable[[Tally | None, CompiledMeasure, Event, float], Tally | None]


def _folded(
    behaviour: dict[str, Tally], measures: Sequence[CompiledMeasure], event: Event, count: _Counting
) -> dict[str, Tally]:
    changed: dict[str, Tally] | None = None
    for measure in measures:
        if measure.holds is not None and not measure.holds(event):
            continue
        value = 0.0 if measure.value is None else measure.value(event)
        if value is None:
            continue
        tally = count((behaviour if changed is None else changed).get(measure.key), measure, event, value)
        if tally is not None:
            if changed is None:
                changed = dict(behaviour)
            changed[measure.key] = tally
    return behaviour if changed is None else changed


def _count(tally: Tally | None, measure: CompiledMeasure, event: Event, value: float) -> Tally:
    at = event.at
    if tally is None or not tally.count:
        tally = _NOTHING
    recent, values = _remembered(tally, measure, event, value) if measure.window else ((), {})
    amount = value if measure.measure.kind == "events" else 0.0
    if tally is _NOTHING:
        return Tally(1, amount, at, at, recent, amount, amount, values)
    return Tally(
        tally.count + 1,
        tally.total + amount,
        at if at < tally.first else tally.first,
        at if at > tally.last else tally.last,
        recent,
        amount if amount < tally.least else tally.least,
        amount if amount > tally.most else tally.most,
        values,
    )


def _recall(tally: Tally | None, measure: CompiledMeasure, event: Event, value: float) -> Tally | None:
    if tally is None or not tally.count or not measure.window:
        return None
    recent, values = _remembered(tally, measure, event, value)
    return Tally(
        tally.count, tally.total, tally.first, tally.last, recent, tally.least, tally.most, values
    )  # by hand: `structs.replace` costs as much as the rest


_NOTHING: Final = Tally()


def _remembered(tally: Tally, measure: CompiledMeasure, event: Event, value: float) -> tuple[_Pairs, dict[int, Micros]]:
    cutoff = event.received - measure.window
    if measure.measure.kind == "values":
        return (), _noted(tally.values, int(value), event.at, cutoff)
    return _remember(tally.recent, (event.at, value), cutoff), {}


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


def _noted(values: dict[int, Micros], key: int, at: Micros, cutoff: Micros) -> dict[int, Micros]:
    kept = {known: last for known, last in values.items() if last > cutoff}
    if at > kept.get(key, cutoff):
        kept[key] = at
    return _latest(kept)


def _united(mine: dict[int, Micros], theirs: dict[int, Micros]) -> dict[int, Micros]:
    united = dict(mine)
    for key, last in theirs.items():
        if last > united.get(key, last - 1):
            united[key] = last
    return _latest(united)


def _latest(values: dict[int, Micros]) -> dict[int, Micros]:
    """Let the values go that were heard longest ago when there are too many: a late event cannot bring one back."""
    if len(values) <= MOST_VALUES:
        return values
    kept = sorted(values.items(), key=lambda item: (item[1], item[0]))[-MOST_VALUES:]
    return dict(kept)


# --- what a measure reads of an event ---------------------------------------------------------------


def _value_of(measure: Measure) -> Callable[[Event], float | None] | None:
    parts = tuple(measure.field.split(".")) if measure.field else ()
    if measure.kind == "sequence":
        places = {name: float(place) for place, name in enumerate(measure.events)}
        return lambda event: places.get(event.name)
    if measure.kind == "values":
        return lambda event: _key_of(_at(event.properties, parts))
    return (lambda event: _number(_at(event.properties, parts))) if parts else None


def _at(properties: dict[str, Any], parts: tuple[str, ...]) -> Any:
    value: Any = properties
    for part in parts:
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


_LARGEST: Final = 1 << 63


def _number(value: Any) -> float | None:
    """Return the number, None for anything else: one odd event cannot spoil a total."""
    if type(value) in {int, float} and -_LARGEST < value < _LARGEST:  # neither nan nor infinite
        return float(value)
    return None


def _key_of(value: Any) -> int | None:
    """Return a 63-bit key of a text, number or truth; None for lists, objects and what is missing. 1 is 1.0."""
    match value:
        case bool():
            return key64("truth", str(value))
        case str():
            return key64("text", ascii(value))  # half a surrogate pair has no bytes of its own
        case int():
            return key64("number", f"{value:x}")
        case float():
            return key64("number", f"{int(value):x}" if value.is_integer() else repr(value))
        case _:
            return None

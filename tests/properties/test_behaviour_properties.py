"""The fold against a plain list of everything that happened."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.core.audience.behaviour import CompiledMeasure, fold, merge
from engine.core.audience.readings import next_change, reader
from engine.core.events import Event
from engine.core.expression import Function, Measure
from engine.core.state import Tally


def read(tally: Tally | None, function: Function, now: int, since: int | None) -> Any:
    return reader(function)(tally, now, since)


WINDOW = 100
MEASURE = CompiledMeasure(Measure("k", "paid", "total", window=WINDOW))

# (when it happened before it was received, how long after the last one it was received, value)
happenings = st.lists(st.tuples(st.integers(0, 150), st.integers(0, 60), st.integers(-5, 20)), min_size=1, max_size=30)


def told(steps: list[tuple[int, int, int]]) -> list[Event]:
    events, received = [], 1_000
    for number, (late, later, value) in enumerate(steps):
        received += later
        events.append(
            Event(id=str(number), name="paid", at=received - late, received=received, properties={"total": value})
        )
    return events


def folded(events: list[Event]) -> Tally:
    behaviour: dict[str, Tally] = {}
    for event in events:
        behaviour = fold(behaviour, [MEASURE], event)
    return behaviour["k"]


@given(happenings, st.integers(0, 200), st.integers(1, WINDOW))
def test_windows_and_totals_equal_a_recount(steps: list[tuple[int, int, int]], later: int, within: int) -> None:
    events = told(steps)
    tally, now = folded(events), events[-1].received + later
    since = now - within
    inside = [event for event in events if event.at > since]
    assert read(tally, "count", now, None) == len(events)
    assert read(tally, "sum", now, None) == sum(event.properties["total"] for event in events)
    assert read(tally, "count", now, since) == len(inside)
    totals, within_it = ([event.properties["total"] for event in told] for told in (events, inside))
    assert read(tally, "max", now, None) == max(totals)
    assert read(tally, "min", now, None) == min(totals)
    assert read(tally, "max", now, since) == max(within_it, default=None)
    assert read(tally, "min", now, since) == min(within_it, default=None)
    assert read(tally, "sum", now, since) == sum(event.properties["total"] for event in inside)
    assert read(tally, "ever", now, since) is bool(inside)
    assert read(tally, "never", now, since) is (not inside)
    assert read(tally, "last", now, since) == (now - max(e.at for e in inside) if inside else None)
    assert read(tally, "first", now, since) == (now - min(e.at for e in inside) if inside else None)
    assert read(tally, "first", now, None) == now - min(e.at for e in events)


@given(happenings, st.integers(1, WINDOW))
def test_nothing_leaves_a_window_before_its_next_change(steps: list[tuple[int, int, int]], within: int) -> None:
    events = told(steps)
    tally, now = folded(events), events[-1].received
    functions: tuple[Function, ...] = ("count", "sum", "max", "min", "avg", "ever", "never")
    for function in functions:
        change = next_change(tally, function, now, within)
        before = read(tally, function, now, now - within)
        last = change - 1 if change else now + 3 * WINDOW
        assert not change or change > now
        assert read(tally, function, last, last - within) == before
        if change and function in {"count", "ever", "never"}:
            assert read(tally, function, change, change - within) != before


@given(happenings)
def test_the_order_of_arrival_does_not_matter_inside_one_moment(steps: list[tuple[int, int, int]]) -> None:
    events = told([(late, 0, value) for late, _, value in steps])
    assert folded(events) == folded(events[::-1])


@given(happenings, st.data())
def test_folding_apart_and_merging_equals_folding_together(
    steps: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    events = told(steps)
    sides = [data.draw(st.booleans()) for _ in events]
    mine = [event for event, is_mine in zip(events, sides, strict=True) if is_mine]
    theirs = [event for event, is_mine in zip(events, sides, strict=True) if not is_mine]
    merged = merge({"k": folded(mine)} if mine else {}, {"k": folded(theirs)} if theirs else {})["k"]
    together, now = folded(events), events[-1].received
    names = ("count", "total", "first", "last", "least", "most")
    assert [getattr(merged, name) for name in names] == [getattr(together, name) for name in names]
    assert read(merged, "count", now, now - WINDOW) == read(together, "count", now, now - WINDOW)

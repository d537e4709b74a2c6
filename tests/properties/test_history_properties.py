"""Whatever a condition asks of the past, at any instant: the kept statistics answer as the whole history would.

The recount below reads the plain list of everything that happened and knows nothing of tallies, windows that are kept
or horizons. Conditions go through the language, so text, tree, fold, reading and horizon are one chain here.
"""

import functools
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.audience.behaviour import fold, merge
from engine.core.context import Context
from engine.core.events import Event
from engine.core.expression import Measure
from engine.core.ids import SECOND
from engine.core.plan import Audience
from engine.core.playbook import Playbook
from engine.core.predicates import Condition
from engine.core.state import Customer, Held, Run, Tally
from journeys.expressions import TRAVEL, Parsed, parse_condition
from journeys.functions import merge as widest

START = 1_000 * SECOND
NAMES = ("a", "b", "c")
SPANS = (1, 2, 5, 10, 30, 60)
OPS = {
    "<": lambda x, y: x < y,
    "<=": lambda x, y: x <= y,
    ">": lambda x, y: x > y,
    ">=": lambda x, y: x >= y,
    "==": lambda x, y: x == y,
    "!=": lambda x, y: x != y,
}


@dataclass(frozen=True)
class Past:
    """What a recount may look at: everything heard so far, and the instant."""

    events: tuple[Event, ...]
    now: int
    entered: int
    tag_until: int
    segment: "Asked | None" = None


@dataclass(frozen=True)
class Asked:
    """One function over one window, compared with a bound; or a logical joint of several of them."""

    function: str
    names: tuple[str, ...] = ("a",)
    field: str = "total"
    window: str | int = 0  # seconds, "enter", or 0 = ever
    where: str = ""
    op: str = ">"
    bound: int = 0
    parts: tuple["Asked", ...] = ()

    def text(self) -> str:
        if self.function in {"and", "or"}:
            return "(" + f" {self.function} ".join(part.text() for part in self.parts) + ")"
        if self.function == "not":
            return f"not ({self.parts[0].text()})"
        if self.function == "ages":
            return f"{self.parts[0].call()} {self.op} {self.parts[1].call()}"
        if self.function == "tag":
            return 'tag("t")'
        if self.function == "segment":
            return 'segment("s")'
        if self.function in {"ever", "never", "sequence"}:
            return self.call()
        bound = f'"{max(self.bound, 1)}s"' if self.function in {"first", "last"} else str(self.bound)
        return f"{self.call()} {self.op} {bound}"

    def call(self) -> str:
        given = [f'"{name}"' for name in self.names]
        if self.function in {"sum", "max", "min", "avg", "distinct"}:
            given.append(f'"{self.field}"')
        if self.window:
            given.append('since="enter"' if self.window == "enter" else f'within="{self.window}s"')
        if self.where:
            given.append(f"where={self.where}")
        return f"{self.function}({', '.join(given)})"

    def spans(self) -> frozenset[int]:
        own = {one for one in (self.window, self.bound) if isinstance(one, int)}
        return frozenset(own.union(*(part.spans() for part in self.parts)))

    def holds(self, past: Past) -> bool:
        match self.function:
            case "and":
                return all(part.holds(past) for part in self.parts)
            case "or":
                return any(part.holds(past) for part in self.parts)
            case "not":
                return not self.parts[0].holds(past)
            case "tag":
                return past.now < past.tag_until
            case "segment":
                return past.segment is not None and past.segment.holds(past)
            case "ages":
                return _compares(self.op, self.parts[0].value(past), self.parts[1].value(past))
            case "ever" | "never" | "sequence":
                return bool(self.value(past))
            case "first" | "last":
                return _compares(self.op, self.value(past), max(self.bound, 1) * SECOND)
            case _:
                return _compares(self.op, self.value(past), self.bound)

    def value(self, past: Past) -> Any:
        heard = [one for one in past.events if one.name in self.names and self._counts(one, past)]
        said = [one.properties.get(self.field) for one in heard]
        numbers = [value for value in said if isinstance(value, (int, float)) and not isinstance(value, bool)]
        times = [one.at for one in heard]
        match self.function:
            case "count":
                return len(heard)
            case "ever":
                return bool(heard)
            case "never":
                return not heard
            case "sum":
                return sum(numbers)
            case "max":
                return max(numbers, default=None)
            case "min":
                return min(numbers, default=None)
            case "avg":
                return sum(numbers) / len(numbers) if numbers else None
            case "distinct":
                return len({(isinstance(value, bool), value) for value in said if value is not None})
            case "first":
                return max(past.now - min(times), 0) if times else None
            case "last":
                return max(past.now - max(times), 0) if times else None
            case _:
                return _happens(self.names, [(one.at, one.name) for one in heard])

    def _counts(self, event: Event, past: Past) -> bool:
        since = {"enter": past.entered, 0: -1}.get(self.window)
        if since is None:
            since = past.now - int(self.window) * SECOND
        total, kind = event.properties.get("total"), event.properties.get("kind")
        fits = {
            "": True,
            "event.total > 3": isinstance(total, int) and total > 3,
            'event.kind == "x"': kind == "x",
            "exists(event.total)": total is not None,
        }
        return event.at > since and fits[self.where]


def _compares(op: str, left: Any, right: Any) -> bool:
    return left is not None and right is not None and bool(OPS[op](left, right))


def _happens(names: tuple[str, ...], heard: list[tuple[int, str]], after: int = -1) -> bool:
    """Try every way of walking through the sequence."""
    if not names:
        return True
    return any(_happens(names[1:], heard, at) for at, name in heard if name == names[0] and at > after)


ops = st.sampled_from(list(OPS))
names = st.sampled_from(NAMES)
windows = st.sampled_from([0, "enter", *SPANS])
wheres = st.sampled_from(["", "", "event.total > 3", 'event.kind == "x"', "exists(event.total)"])
one_name = names.map(lambda name: (name,))
ages = st.builds(Asked, st.sampled_from(["first", "last"]), one_name, window=windows, where=wheres)
leaves = st.one_of(
    st.builds(
        Asked,
        st.sampled_from(["count", "sum", "max", "min", "avg", "distinct"]),
        one_name,
        st.sampled_from(["total", "kind"]),
        windows,
        wheres,
        ops,
        st.integers(-2, 12),
    ),
    st.builds(
        Asked,
        st.sampled_from(["first", "last"]),
        one_name,
        window=windows,
        where=wheres,
        op=ops,
        bound=st.sampled_from(SPANS),
    ),
    st.builds(Asked, st.sampled_from(["ever", "never"]), one_name, window=windows, where=wheres),
    st.builds(
        Asked,
        st.just("sequence"),
        st.lists(names, min_size=2, max_size=4).map(tuple),
        window=st.sampled_from(["enter", *SPANS]),
        where=wheres,
    ),
    st.builds(Asked, st.just("ages"), op=ops, parts=st.tuples(ages, ages)),
    st.just(Asked("tag")),
)


def joined(inner: st.SearchStrategy[Asked]) -> st.SearchStrategy[Asked]:
    return st.one_of(
        st.builds(Asked, st.sampled_from(["and", "or"]), parts=st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Asked, st.just("not"), parts=st.tuples(inner)),
    )


plain = st.recursive(leaves, joined, max_leaves=4)
nested = st.recursive(leaves | st.just(Asked("segment")), joined, max_leaves=4)

# (seconds since the last one came, how late it is (below 0: dated ahead), name, total, kind)
histories = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, 1, 2, 3, 5, 12]),
        st.sampled_from([0, 0, 0, 1, 2, 3, 4, 8, 20, 40, -1, -5]),
        st.sampled_from("aaabbc"),
        st.sampled_from([None, "3", True, -2, 1, 3, 5, 5, 8]),
        st.sampled_from(["x", "y", 1, 1.0, None]),
    ),
    min_size=3,
    max_size=14,
)
laters = st.integers(0, 20 * SECOND) | st.sampled_from(range(0, 20 * SECOND, SECOND))
sides = st.just(0) | st.integers(0, 1 << 14)


def told(drawn: list[Any]) -> tuple[Event, ...]:
    events, came = [], START
    for number, (later, late, name, total, kind) in enumerate(drawn):
        came += later * SECOND
        said = {"total": total, "kind": kind}
        events.append(Event(str(number), name, came - late * SECOND, came, properties=said))
    return tuple(events)


def kept(events: tuple[Event, ...], measures: tuple[Measure, ...], sides: int) -> dict[str, Tally]:
    """Fold the events into one customer, or into two that prove to be one."""
    book = Playbook([], Audience(measures=measures))
    shares: list[dict[str, Tally]] = [{}, {}]
    for number, event in enumerate(events):
        side = sides >> number & 1
        shares[side] = fold(shares[side], book.measures.get(event.name, ()), event)
    return merge(*shares)


@dataclass(frozen=True)
class Scene:
    """A history as it is known, and the instant at which it is asked about."""

    events: tuple[Event, ...]
    now: int
    entered: int
    tag_until: int
    sides: int

    def past(self, now: int, segment: Asked | None) -> Past:
        return Past(self.events, now, self.entered, self.tag_until, segment)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    events = told(draw(histories))
    now = events[-1].received + draw(laters)
    entered, tag_until = START + draw(st.integers(-5, 30)) * SECOND, now + draw(st.integers(-2, 60)) * SECOND
    return Scene(events, now, entered, tag_until, draw(sides))


@functools.cache
def parsed(text: str) -> Parsed:
    found = parse_condition(text, TRAVEL)
    assert found.faults == [], text
    return found


def check(scene: Scene, asked: Asked, segment: Asked = Asked("tag")) -> None:
    """Compare the kept answer and its horizon with recounts."""
    condition, inner = parsed(asked.text()), parsed(segment.text())
    assert condition.expr is not None
    assert inner.expr is not None
    behaviour = kept(scene.events, widest([*condition.measures, *inner.measures]), scene.sides)
    customer = Customer("c", 0, tags={"t": Held(0, scene.tag_until)}, behaviour=behaviour)
    run, segments = Run("r", "j", "v", scene.entered), {"s": Condition(inner.expr)}

    truth, until = Condition(condition.expr).evaluate(Context(customer, scene.now, run=run, segments=segments))

    assert truth is asked.holds(scene.past(scene.now, segment)), asked.text()
    assert until == 0 or until > scene.now
    for instant in instants(scene, asked.spans() | segment.spans(), until):
        assert asked.holds(scene.past(instant, segment)) is truth, (asked.text(), instant - scene.now, until)
    if until:
        assert asked.holds(scene.past(until, segment)) is not truth, (asked.text(), until - scene.now)


def instants(scene: Scene, spans: frozenset[int], until: int) -> list[int]:
    """Every instant before `until` at which anything at all could turn."""
    turning = {scene.now, until - 1, scene.tag_until}
    turning.update(one.at + span * SECOND for one in scene.events for span in (0, *spans))
    end = until or scene.now + 1_000 * SECOND
    return sorted({at for one in turning for at in (one - 1, one, one + 1) if scene.now <= at < end})


@settings(deadline=None, max_examples=100)
@given(scenes(), wheres, ops, st.integers(-2, 8), st.lists(names, min_size=2, max_size=3).map(tuple))
def test_every_function_over_every_window_equals_a_recount(
    scene: Scene, where: str, op: str, bound: int, order: tuple[str, ...]
) -> None:
    for window in (0, "enter", *SPANS):
        for function in ("count", "sum", "max", "min", "avg", "distinct", "first", "last", "ever", "never"):
            field = "kind" if function == "distinct" else "total"
            asked = Asked(function, order[:1], field, window, where, op, bound)
            check(scene, asked)
            value = asked.value(scene.past(scene.now, None))
            if function not in {"first", "last", "ever", "never"} and value is not None and value == int(value):
                # Whatever changes the number at all turns this one.
                check(scene, replace(asked, op="==", bound=int(value)))
        if window:
            check(scene, Asked("sequence", order, window=window, where=where))


@settings(deadline=None, max_examples=400)
@given(scenes(), nested, plain)
def test_joined_conditions_equal_a_recount_and_stand_until_their_horizon(
    scene: Scene, asked: Asked, segment: Asked
) -> None:
    check(scene, asked, segment)


@settings(deadline=None, max_examples=200)
@given(scenes(), st.builds(Asked, st.just("ages"), op=ops, parts=st.tuples(ages, ages)))
def test_two_ages_compare_as_their_events_do(scene: Scene, asked: Asked) -> None:
    check(scene, asked)

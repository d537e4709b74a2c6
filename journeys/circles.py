"""Rules that lead back to themselves: segments may not, tags may unless the way passes through a `not`.

Tags chain until nothing more follows, which is the same in every order only as long as no tag rests on the absence of
another that rests on it. Called by `audience.py`.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from engine.core.expression import AllOf, AnyOf, Expr, HasTag, InSegment, Not, Path, Stage
from journeys.walk import walk


class _Needs(NamedTuple):
    """A tag or segment that a condition asks about, and whether more of it may make the condition false."""

    node: str
    is_against: bool


def segments_in(rule: Expr) -> set[str]:
    """Return the names of the segments that the condition asks about.

    >>> sorted(segments_in(Not(InSegment("dormant"))))
    ['dormant']
    """
    return {part.name for part in walk(rule) if isinstance(part, InSegment)}


def circles(asked: Mapping[str, set[str]]) -> list[tuple[str, ...]]:
    """Return a way from each name that asks about itself back to itself.

    >>> circles({"a": {"b"}, "b": {"a"}, "c": {"a"}})
    [('a', 'b', 'a'), ('b', 'a', 'b')]
    """
    return [(start, *way) for start in asked if (way := _way(asked, start, start))]


def negations(tags: Mapping[str, Expr], segments: Mapping[str, Expr]) -> list[tuple[str, str]]:
    """Return each tag that would need itself not to hold, with the way from it back to it.

    >>> negations({"a": Not(HasTag("b")), "b": HasTag("a")}, {})
    [('a', 'a -> not b -> a')]
    """
    needs = {f"tag {name}": set(_needs(rule)) for name, rule in tags.items()}
    needs |= {f"segment {name}": set(_needs(rule)) for name, rule in segments.items()}
    asked = {node: {need.node for need in found} for node, found in needs.items()}
    found: list[tuple[str, str]] = []
    told: set[str] = set()
    for name in tags:
        start = f"tag {name}"
        if start not in told and (way := _way_against(needs, asked, start)):
            told.update(one.removeprefix("not ") for one in way)
            found.append((name, " -> ".join(one.replace("tag ", "", 1) for one in way)))
    return found


def stages_asking_for_stages(
    stages: Mapping[str, Expr], tags: Mapping[str, Expr], segments: Mapping[str, Expr]
) -> list[tuple[str, str]]:
    """Return each stage whose condition asks for the stage, and the way: where stages may be lost, it would flicker.

    >>> stages_asking_for_stages({"retain": HasTag("a")}, {"a": Not(Stage())}, {})
    [('retain', 'retain -> a -> stage()')]
    """
    rules = {f"tag {name}": rule for name, rule in tags.items()}
    rules |= {f"segment {name}": rule for name, rule in segments.items()}
    asked = {node: {need.node for need in _needs(rule)} for node, rule in rules.items()}
    asked |= {f"stage {name}": {need.node for need in _needs(rule)} for name, rule in stages.items()}
    for node, rule in (*rules.items(), *((f"stage {name}", rule) for name, rule in stages.items())):
        if any(isinstance(part, Stage) or part == _STAGE for part in walk(rule)):
            asked[node].add("stage()")
    ways = ((name, _way(asked, f"stage {name}", "stage()")) for name in stages)
    return [(name, " -> ".join((name, *(one.replace("tag ", "", 1) for one in way)))) for name, way in ways if way]


_STAGE: Final = Path("customer", ("stage",))


def _way_against(needs: Mapping[str, set[_Needs]], asked: Mapping[str, set[str]], start: str) -> tuple[str, ...] | None:
    """Return a way from `start` back to it that passes through a `not`, None when there is none."""
    for middle in needs:
        to = (start,) if middle == start else _and_first(start, _way(asked, start, middle))
        if not to:
            continue
        for need in sorted(needs[middle]):
            back = (need.node,) if need.node == start else _and_first(need.node, _way(asked, need.node, start))
            if need.is_against and back:
                return (*to, f"not {back[0]}", *back[1:])
    return None


def _and_first(first: str, way: tuple[str, ...]) -> tuple[str, ...]:
    return (first, *way) if way else ()


def _way(asked: Mapping[str, set[str]], start: str, goal: str) -> tuple[str, ...]:
    """Return the shortest way of at least one step from `start` to `goal`, without `start`; () when there is none."""
    ahead: list[tuple[str, ...]] = [(other,) for other in sorted(asked.get(start, ()))]
    seen: set[str] = set()
    for way in ahead:
        if way[-1] == goal:
            return way
        if way[-1] not in seen:
            seen.add(way[-1])
            ahead += [(*way, other) for other in sorted(asked.get(way[-1], ()))]
    return ()


def _needs(rule: Expr, is_against: bool = False) -> Iterator[_Needs]:
    """Yield what the condition asks about; inside a comparison it may count either way, so it counts as against."""
    match rule:
        case HasTag(name=name):
            yield _Needs(f"tag {name}", is_against)
        case InSegment(name=name):
            yield _Needs(f"segment {name}", is_against)
        case Not(part=part):
            yield from _needs(part, not is_against)
        case AllOf(parts=parts) | AnyOf(parts=parts):
            for part in parts:
                yield from _needs(part, is_against)
        case _:
            for inner in walk(rule):
                if isinstance(inner, HasTag | InSegment):
                    yield from _needs(inner, True)

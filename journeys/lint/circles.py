"""Journeys that set each other off without end, or themselves: by `start:`, by a tag they give, by a trait they set.

Called by `check.py` for the whole workspace; what one journey's road alone tells is here too (`leave:` of itself).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.core.errors import Place
from engine.core.plan import Leave, OnChange, OnTag, Plan, Repeat, Set, Start, Tag, Wait, WaitFor, WaitUntil, WaitWhile
from journeys.flow import ways_on
from journeys.lint.scene import Scene
from journeys.problems import Problem, nearest


def check_calls(scene: Scene) -> Iterator[Problem]:
    """Yield what is wrong with the journeys that this one starts and leaves."""
    known = scene.known
    for node in scene.plan.nodes:
        match node:
            case Start():
                place = scene.in_step(node.id, "start")
                if known.journeys is not None and node.journey not in known.journeys:
                    near = nearest(node.journey, known.journeys) or " / ".join(sorted(known.journeys)[:5]) or "-"
                    yield Problem("J107", place, {"name": node.journey, "near": near})
                elif known.manual is not None and node.journey not in known.manual:
                    yield Problem("J108", place, {"name": node.journey})
            case Leave(journey=journey) if journey == scene.plan.journey:
                yield Problem("J109", scene.in_step(node.id, "leave"))
            case Leave(journey=journey) if known.journeys is not None and journey not in known.journeys:
                near = nearest(journey, known.journeys) or "-"
                yield Problem("J086", scene.in_step(node.id, "leave"), {"name": journey, "near": near})
            case _:
                pass


@dataclass(frozen=True)
class _Edge:
    """One journey sets off another, at a step. `is_sure`: nothing else is needed; `at_once`: no wait comes before."""

    to: str
    place: Place
    word: str
    is_sure: bool
    at_once: bool


def check_circles(scenes: Sequence[Scene]) -> Iterator[Problem]:
    """Yield a complaint for each circle of journeys, at the step of its first journey that goes round."""
    plans = {scene.plan.journey: scene.plan for scene in scenes}
    doors = _doors(plans.values())
    edges = {scene.plan.journey: list(_edges(scene, plans, doors)) for scene in scenes}
    told: set[frozenset[str]] = set()
    for start in sorted(edges):
        way = _way_back(start, edges)
        if way is None or (members := frozenset([start, *(edge.to for edge in way)])) in told:
            continue
        told.add(members)
        shown = " -> ".join([start, *(edge.to for edge in way)])
        is_endless = all(plans[name].again.policy == "always" for name in members)
        if is_endless and all(edge.is_sure and edge.at_once for edge in way):
            yield Problem("J110", way[0].place, {"way": shown, "word": way[0].word})
        elif is_endless or all(edge.is_sure for edge in way):
            yield Problem("J111", way[0].place, {"way": shown, "word": way[0].word})


def _way_back(start: str, edges: Mapping[str, Sequence[_Edge]]) -> list[_Edge] | None:
    """Return the shortest way from a journey back to itself, those at once first."""
    ahead: list[tuple[str, list[_Edge]]] = [(start, [])]
    seen: set[str] = set()
    while ahead:
        name, way = ahead.pop(0)
        for edge in sorted(edges.get(name, ()), key=lambda one: not (one.at_once and one.is_sure)):
            if edge.to == start:
                return [*way, edge]
            if edge.to not in seen:
                seen.add(edge.to)
                ahead.append((edge.to, [*way, edge]))
    return None


_Doors = Mapping[str, Sequence[Plan]]
"""The words by which a step lets customers in -> the journeys that they enter."""


def _doors(plans: Iterable[Plan]) -> _Doors:
    doors: dict[str, list[Plan]] = defaultdict(list)
    for plan in plans:
        match plan.enter:
            case OnTag(name=name, way=way):
                doors[f"tag: {'+' if way == 'gains' else '-'}{name}"].append(plan)
            case OnChange(trait=trait):
                doors[f"set: customer.{trait.removeprefix('customer.')}"].append(plan)
            case _:
                pass
    return doors


def _edges(scene: Scene, plans: Mapping[str, Plan], doors: _Doors) -> Iterator[_Edge]:
    nodes = [node for node in scene.plan.nodes if isinstance(node, Start | Tag | Set)]
    if not nodes:
        return
    soon = steps_at_once(scene.plan)
    tags = [node for node in nodes if isinstance(node, Tag)]
    for node in nodes:
        if isinstance(node, Start):
            if node.journey in plans:
                place, word = scene.in_step(node.id, "start"), f"start: {node.journey}"
                yield _Edge(node.journey, place, word, True, node.id in soon)
            continue
        for word in _words(node):
            for other in doors.get(word, ()):
                is_sure = isinstance(node, Tag) and _changes_back(node, tags, other)
                yield _Edge(other.journey, scene.in_step(node.id), word, is_sure, node.id in soon)


def _words(node: Tag | Set) -> list[str]:
    """Return the words by which a step may let customers into journeys."""
    if isinstance(node, Tag):
        return [*(f"tag: +{name}" for name in node.add), *(f"tag: -{name}" for name in node.remove)]
    return [f"set: customer.{trait.removeprefix('customer.')}" for trait in node.traits]


def _changes_back(node: Tag, tags: Sequence[Tag], other: Plan) -> bool:
    """Does the journey itself also take what it gives (or give what it takes), so that it changes every time?"""
    assert isinstance(other.enter, OnTag)
    name = other.enter.name
    return any(name in (one.remove if name in node.add else one.add) for one in tags)


def steps_at_once(plan: Plan) -> set[str]:
    """Return the steps that can be reached without any wait."""
    reached: set[str] = set()
    ahead = [plan.nodes[0].id]
    while ahead:
        node = plan.steps.get(ahead.pop())
        if node is None or node.id in reached:
            continue
        reached.add(node.id)
        match node:
            case Wait() | WaitUntil() | WaitFor():
                continue
            case WaitWhile(then=then):
                ahead.append(then)  # the condition may not hold from the first
            case Repeat(body=body):
                ahead.append(body)
            case _:
                ahead += ways_on(node)
    return reached

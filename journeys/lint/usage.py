"""What only the whole workspace can tell: names that nobody else writes, rules that nobody asks, types that differ.

Called by `check.py` for the workspace.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path as FilePath
from typing import Final, Literal, TypeAlias

from engine.core.audience.tags import LIST
from engine.core.errors import Place
from engine.core.expression import Arithmetic, Compare, Constant, Expr, HasTag, Path, Stage, Text, walk
from engine.core.plan import (
    STAGES,
    Audience,
    OnAnniversary,
    OnDate,
    OnEvent,
    OnStage,
    OnTag,
    Tag,
    WaitFor,
    WaitUntil,
)
from journeys.lint.known import Known
from journeys.lint.scene import Scene
from journeys.lint.sites import Site, events_of_plan, exit_path
from journeys.problems import Problem, near_or_known

_Kind: TypeAlias = Literal["number", "text", "truth"]
_LIKE: Final = 0.85
"""How near two event names must be for one to be taken for a slip of the other."""


def check_events(scenes: Sequence[Scene], known: Known) -> Iterator[Problem]:
    """Yield events of goals, exits and waits that no other rule names, while a very similar one is well known."""
    uses = Counter(event for scene in scenes for event, _ in events_of_plan(scene.plan))
    measured = {event for one in (known.audience, *(scene.plan for scene in scenes)) for event in _measured(one)}
    entered = {event for scene in scenes if isinstance(scene.plan.enter, OnEvent) for event in scene.plan.enter.events}
    sure = measured | entered | known.events
    likely = sure | {event for event, count in uses.items() if count > 1}
    for scene in scenes:
        for event, place in _hoped_for(scene):
            if event in sure or uses[event] > 1:
                continue
            near = get_close_matches(event, likely - {event}, n=1, cutoff=_LIKE)
            if near:
                code = "J122" if place == _goal_place(scene) else "J123"
                yield Problem(code, place, {"name": event, "near": near[0]})


def _measured(one: object) -> Iterator[str]:
    for measure in getattr(one, "measures", ()):
        yield from measure.events


def _goal_place(scene: Scene) -> Place:
    return scene.at("goal", "on")


def _hoped_for(scene: Scene) -> Iterator[tuple[str, Place]]:
    plan = scene.plan
    for number, way_out in enumerate(plan.exits):
        for event in way_out.events:
            yield event, scene.at(*exit_path(scene, number), "on")
    for event in plan.goal.events if plan.goal is not None else ():
        yield event, _goal_place(scene)
    for node in plan.nodes:
        for event in node.events if isinstance(node, WaitFor) else ():
            yield event, scene.in_step(node.id, "wait for")


def check_tags(scenes: Sequence[Scene], known: Known, sites: Sequence[Site]) -> Iterator[Problem]:
    """Yield tags that are asked for and that no rule, journey or imported list ever gives."""
    given = {*known.audience.tags}
    for scene in scenes:
        given |= {name for node in scene.plan.nodes if isinstance(node, Tag) for name in node.add}
    for scene in scenes:
        enter = scene.plan.enter
        if isinstance(enter, OnTag) and enter.name not in given:
            place = scene.at("enter", "tag" if enter.way == "gains" else "loses")
            yield Problem("J128", place, {"name": enter.name, **near_or_known(enter.name, given)})
    told: set[tuple[str, Place]] = set()
    for site in sites:
        for part in walk(site.expr):
            if not isinstance(part, HasTag) or part.name.startswith(LIST):  # who is on a list is imported
                continue
            if part.name not in given and (part.name, site.place) not in told:
                told.add((part.name, site.place))
                yield Problem("J128", site.place, {"name": part.name, **near_or_known(part.name, given)})


def check_stages(scenes: Sequence[Scene], audience: Audience, sites: Sequence[Site]) -> Iterator[Problem]:
    """Yield stages that are asked for and that lifecycle.yaml does not let anybody reach."""
    for scene in scenes:
        enter = scene.plan.enter
        if isinstance(enter, OnStage) and enter.stage not in audience.stages:
            yield Problem("J129", scene.at("enter", "stage"), {"name": enter.stage})
    for site in sites:
        for name in sorted(_stages_asked(site.expr)):
            if name in STAGES and name not in audience.stages:
                yield Problem("J129", site.place, {"name": name})


def _stages_asked(expr: Expr) -> set[str]:
    asked: set[str] = set()
    for part in walk(expr):
        match part:
            case (
                Compare(left=Stage(), right=Constant(value=value)) | Compare(left=Constant(value=value), right=Stage())
            ):
                asked |= {one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)}
            case _:
                pass
    return asked


# --- one value, two types --------------------------------------------------------------------------


def check_types(scenes: Sequence[Scene], sites: Iterable[Site]) -> Iterator[Problem]:
    """Yield comparisons that take a value for another kind than most rules of the workspace do."""
    uses: dict[tuple[str, ...], list[tuple[_Kind, Place]]] = defaultdict(list)
    for scene in scenes:
        for date in _dates(scene):
            path = date.expr
            if isinstance(path, Path):
                for event in _events_read(path, date):
                    uses[(event, *path.parts)].append(("text", date.place))
    for site in sites:
        for path, kind in _kinds(site.expr):
            for event in _events_read(path, site):
                uses[(event, *path.parts)].append((kind, site.place))
    told: set[tuple[Place, tuple[str, ...]]] = set()
    for name, found in uses.items():
        kinds = Counter(kind for kind, _ in found)
        if len(kinds) < 2:
            continue
        usual = kinds.most_common(1)[0][0]
        other = next(place for kind, place in found if kind == usual)
        for kind, place in found:
            if kind != usual and (place, name[1:]) not in told:
                told.add((place, name[1:]))
                shown = ("customer." if name[0] == "" else f"{name[0]}: ") + ".".join(name[1:])
                data = {
                    "name": shown,
                    "found": kind,
                    "expected": usual,
                    "other": f"{FilePath(other.file).name}:{other.line}",
                }
                yield Problem("J130", place, data)


def _dates(scene: Scene) -> Iterator[Site]:
    """Yield the dates that a journey waits for or enters on: texts such as 2026-03-01."""
    enter = scene.plan.enter
    if isinstance(enter, OnAnniversary):
        yield Site(enter.date, scene.at("enter", "date"))
    entering = enter.events if isinstance(enter, OnEvent) else ()
    for node in scene.plan.nodes:
        if isinstance(node, WaitUntil) and isinstance(node.until, OnDate):
            yield Site(node.until.date, scene.in_step(node.id, "wait until", "date"), entering=entering)


def _events_read(path: Path, site: Site) -> tuple[str, ...]:
    match path.root:
        case "event":
            return site.events
        case "enter":
            return site.entering
        case "customer":
            return ("",)
        case _:
            return ()


def _kinds(expr: Expr) -> Iterator[tuple[Path, _Kind]]:
    for part in walk(expr):
        match part:
            case (
                Compare(left=Path() as path, right=Constant(value=value))
                | Compare(left=Constant(value=value), right=Path() as path)
            ):
                kind = _kind_of(value)
                if kind is not None:
                    yield path, kind
            case Text(op="matches" | "startswith", left=Path() as path):
                yield path, "text"
            case Arithmetic(left=left, right=right):
                yield from ((side, "number") for side in (left, right) if isinstance(side, Path))
            case _:
                pass


def _kind_of(value: object) -> _Kind | None:
    if isinstance(value, list):
        kinds = {_kind_of(one) for one in value}
        return kinds.pop() if len(kinds) == 1 else None
    match value:
        case bool():
            return "truth"
        case int() | float():
            return "number"
        case str():
            return "text"
        case _:
            return None

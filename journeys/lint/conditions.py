"""Arms that cannot be taken, and conditions that never or always hold.

What is known at a step is what the ways to it say of `enter.x`, which no step can change: the entry's `where` and the
arms taken before. Called by `check.py` for each journey.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from engine.core.errors import Place
from engine.core.expression import AllOf, AnyOf, Arithmetic, Compare, Constant, Exists, Expr, Not, Text
from engine.core.expression import Path as Read
from engine.core.plan import Branch, Node, OnEvent, Plan, Repeat, WaitFor, WaitWhile
from journeys.flow import ways_on
from journeys.lint.satisfy import Claim, is_impossible, taken_apart
from journeys.lint.scene import Scene
from journeys.lint.sites import arm_paths, exit_path, of_step
from journeys.positions import Path
from journeys.problems import Problem

_PLAIN: Final = (AllOf, AnyOf, Not, Compare, Text, Exists, Constant, Arithmetic)


def check_conditions(scene: Scene) -> Iterator[Problem]:
    """Yield what can be said of each condition by itself, and of the arms of each branch."""
    plan = scene.plan
    if plan.where is not None and is_impossible([(plan.where, True)]):
        yield Problem("J103", scene.at("enter", "where"))
    yield from _of_conditions(scene)
    facts = _facts(plan)
    for node in plan.nodes:
        match node:
            case Branch():
                yield from _of_branch(scene, node, facts.get(node.id, ()))
            case WaitWhile():
                yield from _of_wait_while(scene, node)
            case _:
                pass


def _of_conditions(scene: Scene) -> Iterator[Problem]:
    """A condition of an exit, a goal or a wait that never holds is not what was meant."""
    plan = scene.plan
    for number, way_out in enumerate(plan.exits):
        at = exit_path(scene, number)
        if way_out.where is not None and is_impossible([(way_out.where, True)]):
            yield Problem("J104", scene.at(*at, "where"))
        if way_out.when is not None:
            yield from _of_exit(scene, way_out.when, scene.at(*at, "when"))
    if plan.goal is not None and plan.goal.where is not None and is_impossible([(plan.goal.where, True)]):
        yield Problem("J104", scene.at("goal", "where"))
    for node in plan.nodes:
        if isinstance(node, WaitFor | Repeat):
            for expr, path, _ in of_step(scene, node):
                if is_impossible([(expr, True)]):
                    yield Problem("J104", scene.in_step(node.id, *path))


def _of_exit(scene: Scene, when: Expr, place: Place) -> Iterator[Problem]:
    if is_impossible([(when, True)]):
        yield Problem("J104", place)
    elif is_impossible([(when, False)]) or is_impossible([*_entering(scene.plan), (when, False)]):
        yield Problem("J124", place)


def _of_branch(scene: Scene, node: Branch, known: tuple[Claim, ...]) -> Iterator[Problem]:
    places = [scene.in_step(node.id, *path) for path in arm_paths(scene, node)]
    earlier: list[tuple[Expr, Place]] = []
    for (when, _), place in zip(node.arms, places, strict=False):
        if is_impossible([(when, True)]):
            yield Problem("J100", place)
        elif is_impossible([*known, (when, True)]):
            yield Problem("J102", place)
        elif taken := _taken_by(known, when, earlier):
            yield Problem("J101", place, {"line": taken.line})
        else:
            earlier.append((when, place))
    otherwise = _else_path(scene, node)
    if otherwise is not None and earlier:
        taken = _taken_by(known, Constant(True), earlier)
        if taken is not None:
            yield Problem("J101", scene.key_in_step(node.id, *otherwise), {"line": taken.line})


def _taken_by(known: tuple[Claim, ...], when: Expr, earlier: list[tuple[Expr, Place]]) -> Place | None:
    """Return the earlier arm (the last of several together) that takes everybody for whom `when` holds."""
    passed: list[Claim] = []
    for expr, place in earlier:
        passed.append((expr, False))
        if is_impossible([*known, *passed, (when, True)]):
            return place
    return None


def _else_path(scene: Scene, node: Branch) -> Path | None:
    """Return the way from the step to its `else:`, None when it has none, or an empty one."""
    written = scene.step_written(node.id)
    choices = written.get("choose")
    if isinstance(choices, list) and choices:
        return ("choose", len(choices) - 1, "else") if choices[-1].get("else") else None
    return ("else",) if written.get("else") else None


def _of_wait_while(scene: Scene, node: WaitWhile) -> Iterator[Problem]:
    place = scene.in_step(node.id, "wait while")
    if is_impossible([(node.when, True)]):
        yield Problem("J106", place)
    elif node.within is None and is_impossible([(node.when, False)]):
        yield Problem("J105", place)


# --- what is known at each step ----------------------------------------------------------------------


def _facts(plan: Plan) -> Mapping[str, tuple[Claim, ...]]:
    """Return for each step what every way to it says of the entering event."""
    first = _entering(plan)
    known: dict[str, dict[str, Claim]] = {}
    ahead: list[tuple[str, dict[str, Claim]]] = [(plan.nodes[0].id, {repr(claim): claim for claim in first})]
    while ahead:
        id_, facts = ahead.pop()
        if id_ not in plan.steps:
            continue
        before = known.get(id_)
        if before is not None:
            facts = {key: claim for key, claim in before.items() if key in facts}
            if len(facts) == len(before):
                continue
        known[id_] = facts
        for way, more in _ways_with_facts(plan.steps[id_]):
            ahead.append((way, facts | {repr(claim): claim for claim in _lasting(more)}))
    return {id_: tuple(facts.values()) for id_, facts in known.items()}


def _entering(plan: Plan) -> list[Claim]:
    """Return what the entry's `where` says of the event that every run remembers."""
    if plan.where is None or not isinstance(plan.enter, OnEvent):
        return []
    return _lasting([(_about_run(plan.where), True)])


def _ways_with_facts(node: Node) -> Iterator[tuple[str, list[Claim]]]:
    if not isinstance(node, Branch):
        for way in ways_on(node):
            yield way, []
        return
    passed: list[Claim] = []
    for when, way in node.arms:
        yield way, [*passed, (when, True)]
        passed.append((when, False))
    yield node.otherwise, passed


def _lasting(claims: list[Claim]) -> list[Claim]:
    """Keep what no step and no time can change: claims about the entering event alone."""
    return [claim for claim in taken_apart(claims) if _is_about_entering(claim[0])]


def _is_about_entering(expr: Expr) -> bool:
    if isinstance(expr, Read):
        return expr.root == "enter"
    if isinstance(expr, Constant):
        return True
    if not isinstance(expr, _PLAIN):
        return False
    return all(_is_about_entering(part) for part in _parts(expr))


def _parts(expr: Expr) -> list[Expr]:
    match expr:
        case AllOf(parts=parts) | AnyOf(parts=parts):
            return list(parts)
        case Not(part=part) | Exists(part=part):
            return [part]
        case Compare(left=left, right=right) | Text(left=left, right=right) | Arithmetic(left=left, right=right):
            return [left, right]
        case _:
            return []


def _about_run(where: Expr) -> Expr:
    """Return the entry's condition as the run remembers it: `event.x` is its `enter.x`."""
    match where:
        case Read(root="event", parts=parts) if parts[:1] != ("name",):
            return Read("enter", parts)
        case AllOf(parts=parts):
            return AllOf(tuple(_about_run(part) for part in parts))
        case AnyOf(parts=parts):
            return AnyOf(tuple(_about_run(part) for part in parts))
        case Not(part=part):
            return Not(_about_run(part))
        case Exists(part=part):
            return Exists(_about_run(part))
        case Compare(op=op, left=left, right=right):
            return Compare(op, _about_run(left), _about_run(right))
        case Text(op=op, left=left, right=right):
            return Text(op, _about_run(left), _about_run(right))
        case Arithmetic(op=op, left=left, right=right):
            return Arithmetic(op, _about_run(left), _about_run(right))
        case _:
            return where

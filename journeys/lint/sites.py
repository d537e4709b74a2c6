"""Every condition and value of a journey or of the audience files, with where it stands and what it reads.

Used by the checks that ask the same question of all of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath

from engine.core.errors import Place
from engine.core.expression import Expr
from engine.core.plan import (
    Audience,
    Branch,
    Every,
    Node,
    OnAnniversary,
    Once,
    OnDate,
    OnEvent,
    Plan,
    Record,
    Repeat,
    Send,
    Set,
    Start,
    Task,
    WaitFor,
    WaitUntil,
    WaitWhile,
    Webhook,
)
from journeys.lint.scene import Scene
from journeys.positions import Document, Path, read_document, read_file


@dataclass(frozen=True)
class Site:
    """A condition or value: its tree, its place, and the events that its `event.x` and its `enter.x` read."""

    expr: Expr
    place: Place
    events: tuple[str, ...] = ()
    entering: tuple[str, ...] = ()


def sites_of(scene: Scene) -> Iterator[Site]:
    """Yield the conditions and values of a journey, in the order of the language."""
    plan = scene.plan
    entering = plan.enter.events if isinstance(plan.enter, OnEvent) else ()
    for key, expr in (("where", plan.where), ("key", plan.key)):
        if expr is not None:
            yield Site(expr, scene.at("enter", key), entering, entering)
    match plan.enter:
        case Once(audience=audience) | Every(audience=audience) if audience is not None:
            yield Site(audience, scene.at("enter", "audience"))
        case OnAnniversary(date=date):
            yield Site(date, scene.at("enter", "date"))
        case _:
            pass
    yield from _of_exits(scene, entering)
    if plan.goal is not None:
        for key, expr in (("where", plan.goal.where), ("value", plan.goal.value)):
            if expr is not None:
                yield Site(expr, scene.at("goal", key), plan.goal.events, entering)
    for node in plan.nodes:
        for expr, path, events in of_step(scene, node):
            yield Site(expr, scene.in_step(node.id, *path), events, entering)


def exit_path(scene: Scene, number: int) -> Path:
    """Return the way through the file to an exit, which may be written without its list."""
    return ("exit", number) if isinstance(scene.written("exit"), list) else ("exit",)


def arm_paths(scene: Scene, node: Branch) -> list[Path]:
    """Return the way from a branch's step to the condition of each arm."""
    written = scene.step_written(node.id)
    choices = written.get("choose")
    if isinstance(choices, list):
        return [("choose", number, "if") for number, one in enumerate(choices) if "if" in one]
    return [("if",)]


def _of_exits(scene: Scene, entering: tuple[str, ...]) -> Iterator[Site]:
    for number, way_out in enumerate(scene.plan.exits):
        at = exit_path(scene, number)
        for key, expr in (("where", way_out.where), ("when", way_out.when)):
            if expr is not None:
                yield Site(expr, scene.at(*at, key), way_out.events, entering)


def of_step(scene: Scene, node: Node) -> Iterator[tuple[Expr, Path, tuple[str, ...]]]:
    """Yield the conditions and values of a step, with the way to each inside it and the events `event.x` reads."""
    match node:
        case WaitUntil(until=OnDate(date=date)):
            yield date, ("wait until", "date"), ()
        case WaitFor():
            yield from _of_wait_for(scene, node)
        case WaitWhile(when=when):
            yield when, ("wait while",), ()
        case Branch(arms=arms):
            for (when, _), path in zip(arms, arm_paths(scene, node), strict=False):
                yield when, path, ()
        case Repeat(until=until) if until is not None:
            yield until, ("repeat", "until"), ()
        case Send(variables=values) | Start(variables=values):
            yield from ((value, ("with", name), ()) for name, value in values.items())
        case Set(traits=traits):
            yield from ((value, ("set", f"customer.{name}"), ()) for name, value in traits.items())
        case Task(to=to):
            yield to, ("task", "to"), ()
        case Webhook(body=Record() as body):
            yield from ((value, ("webhook", "body"), ()) for value in _leaves(body))
        case _:
            pass


def _of_wait_for(scene: Scene, node: WaitFor) -> Iterator[tuple[Expr, Path, tuple[str, ...]]]:
    written = scene.step_written(node.id).get("wait for")
    word = next((word for word in ("all", "any") if isinstance(written, dict) and word in written), "")
    for number, awaited in enumerate(node.awaited):
        if awaited.where is not None:
            path: Path = ("wait for", *((word, number) if word else ()), "where")
            yield awaited.where, path, awaited.events


def _leaves(record: Record) -> Iterator[Expr]:
    for value in record.fields.values():
        if isinstance(value, Record):
            yield from _leaves(value)
        else:
            yield value


def audience_sites(folder: FilePath, audience: Audience) -> Iterator[Site]:
    """Yield the conditions of the audience files (those that give no rule, because of errors, are not there)."""
    for name, key, rules in (
        ("lifecycle", "stages", dict(audience.stages.items())),
        ("segments", "segments", audience.segments),
        ("tags", "tags", {tag: rule.when for tag, rule in audience.tags.items() if rule.when is not None}),
        ("accounts", "roles", audience.roles),
    ):
        document = read_audience(folder, name)
        for rule, expr in rules.items():
            place = Place(str(folder / f"{name}.yaml")) if document is None else document.place((key, rule, "when"))
            yield Site(expr, place)


def read_audience(folder: FilePath, name: str) -> Document | None:
    """Return an audience file for its places, None when there is none."""
    for path in (folder / f"{name}.yaml", folder / f"{name}.yml"):
        try:
            return read_document(read_file(path), str(path))
        except OSError:
            continue
    return None


def events_of_plan(plan: Plan) -> Iterator[tuple[str, Path]]:
    """Yield the events that a plan names, each with the way to it; those of steps by the step's id."""
    if isinstance(plan.enter, OnEvent):
        yield from ((event, ("enter", "on")) for event in plan.enter.events)
    for number, way_out in enumerate(plan.exits):
        yield from ((event, ("exit", number, "on")) for event in way_out.events)
    if plan.goal is not None:
        yield from ((event, ("goal", "on")) for event in plan.goal.events)
    for node in plan.nodes:
        if isinstance(node, WaitFor):
            yield from ((event, ("steps", node.id)) for event in node.events)

"""Every published plan and the audience's rules, compiled and indexed by what can move them.

A playbook is built once per publish and never changes. `decide` reads it; it decides nothing itself.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from engine.core.audience.behaviour import CompiledMeasure
from engine.core.audience.identity import Rules
from engine.core.chaining.inference import Inference
from engine.core.entrances import Entrances, Openings, by_priority
from engine.core.expression import Constant, Expr, Measured, walk
from engine.core.ids import Micros
from engine.core.plan import (
    Audience,
    Branch,
    Exit,
    OnAnniversary,
    OnDate,
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
from engine.core.predicates import (
    Condition,
    Context,
    compile_condition,
    compile_measure,
    compile_truth,
    compile_value,
)
from engine.core.watch import Watch

Truth: TypeAlias = Callable[[Context], bool]
Value: TypeAlias = Callable[[Context], Any]


class Move(msgspec.Struct, frozen=True):
    """Where runs of an older version go on: in `version`, at the step that `steps` maps theirs to; others stay.

    `at` is the instant of the publish that moves them.
    """

    version: str
    steps: Mapping[str, str] = {}
    at: Micros = 0


class CompiledExit:
    """One way out: by an event with a filter, or by a condition that comes true (`when`)."""

    __slots__ = ("events", "when", "where")

    def __init__(self, way_out: Exit) -> None:
        self.events = way_out.events
        self.where = _truth(way_out.where)
        self.when = None if way_out.when is None else compile_condition(way_out.when)


class CompiledPlan:
    """A plan with its conditions compiled; attributes mirror `Plan`."""

    __slots__ = (
        "arms",
        "audience",
        "conditions",
        "date",
        "exits",
        "goal_value",
        "goal_where",
        "key",
        "plan",
        "values",
        "waits",
        "where",
    )

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.where = _truth(plan.where)
        self.key = None if plan.key is None else compile_value(plan.key)
        self.audience = _truth(getattr(plan.enter, "audience", None))
        self.date = compile_value(plan.enter.date if isinstance(plan.enter, OnAnniversary) else Constant(None))
        self.exits = tuple(CompiledExit(way_out) for way_out in plan.exits)
        self.goal_where = None if plan.goal is None else _truth(plan.goal.where)
        self.goal_value = None if plan.goal is None or plan.goal.value is None else compile_value(plan.goal.value)
        self.waits: dict[str, tuple[Truth | None, ...]] = {}
        """Step -> the `where` of each part of a `wait for`."""
        self.conditions: dict[str, Condition] = {}
        """Step -> the condition of a `wait while`, or the `until` of a `repeat`."""
        self.arms: dict[str, tuple[tuple[Truth, str], ...]] = {}
        self.values: dict[str, dict[str, Value]] = {}
        for node in plan.nodes:
            match node:
                case WaitFor():
                    self.waits[node.id] = tuple(_truth(one.where) for one in node.awaited)
                case WaitWhile(when=when):
                    self.conditions[node.id] = compile_condition(when)
                case Repeat(until=until) if until is not None:
                    self.conditions[node.id] = compile_condition(until)
                case Branch():
                    self.arms[node.id] = tuple((compile_truth(when), goes) for when, goes in node.arms)
                case Send() | Start():
                    self.values[node.id] = {name: compile_value(expr) for name, expr in node.variables.items()}
                case Task(to=to):
                    self.values[node.id] = {"to": compile_value(to)}
                case Webhook(body=body) if body is not None:
                    self.values[node.id] = {"body": _record(body)}
                case WaitUntil(until=OnDate() as on_date):
                    self.values[node.id] = {"date": compile_value(on_date.date)}
                case Set():
                    self.values[node.id] = {name: compile_value(expr) for name, expr in node.traits.items()}
                case _:
                    pass


class Doors(msgspec.Struct, frozen=True):
    """What operators and publishes say of entering and of runs in flight.

    `paused`: journey ("*" for all) -> why nobody enters. `draining`: journeys that nobody enters until the runs of
    their older versions have ended. `moves`: (journey, version) -> where its runs go on.
    """

    paused: Mapping[str, str] = {}
    draining: frozenset[str] = frozenset()
    moves: Mapping[tuple[str, str], Move] = {}


OPEN: Final = Doors()


class Playbook:
    """All rules in force: `Playbook(plans, audience, stopped, current)`.

    `plans` may hold several versions of a journey; `current` names the one that new runs take (default: the last
    given). `stopped` maps a journey ("*" for all) to the operator's reason. `infer` makes what draws tags and stages
    all at once; without it they are looked at one condition at a time.
    """

    def __init__(
        self,
        plans: Iterable[Plan],
        audience: Audience | None = None,
        stopped: Mapping[str, str] | None = None,
        current: Mapping[str, str] | None = None,
        *,
        doors: Doors = OPEN,
        infer: Callable[[Audience], Inference] | None = None,
    ) -> None:
        self.audience = audience or Audience()
        self.policy = self.audience.policy
        self.inference = None if infer is None else infer(self.audience)
        self.identity = Rules(self.audience.identity)
        self.stopped = dict(stopped or {})
        self.doors = doors
        self._plans = {(plan.journey, plan.version): CompiledPlan(plan) for plan in plans}
        self.current = dict(self._plans.keys()) | dict(current or {})
        self.entries: dict[str, Entrances] = self._entries()
        self.measures = self._measures()
        self.segments = {name: compile_condition(expr) for name, expr in self.audience.segments.items()}
        self.stages = tuple((name, compile_truth(expr)) for name, expr in self.audience.stages.items())
        self.stage_order = {name: place for place, name in enumerate(self.audience.stages)}
        self.stage_events = self._stage_events()
        self.roles = tuple((name, compile_truth(expr)) for name, expr in self.audience.roles.items())
        self.recalls = self._recalls()
        self.openings = Openings(filter(None, map(self.live, self.current)))
        self.watch = Watch(self.audience, self.segments, self.openings.segments, self._hears_of)
        self.is_plain = not self.watch.all and self.openings.is_empty
        """Nothing follows of itself but stages, and no journey waits for what would."""
        self.asks_of_journeys = self._asks_of_journeys()
        self.hears_of_stages = self._hears("stage_changed")

    def plan(self, journey: str, version: str) -> CompiledPlan | None:
        """Return one version of a journey, None when it is not loaded."""
        return self._plans.get((journey, version))

    def live(self, journey: str) -> CompiledPlan | None:
        """Return the version that new runs take, None for an unknown journey."""
        return self._plans.get((journey, self.current.get(journey, "")))

    def plans(self) -> list[CompiledPlan]:
        """Return every loaded version."""
        return list(self._plans.values())

    def stop_reason(self, journey: str) -> str:
        """Return why the journey is stopped, "" when it is not."""
        return (self.stopped.get("*") or self.stopped.get(journey, "")) if self.stopped else ""

    def pause_reason(self, journey: str) -> str:
        """Return why nobody enters the journey although it is not stopped, "" when somebody may."""
        paused = self.doors.paused
        return (paused.get("*") or paused.get(journey, "")) if paused else ""

    def _hears(self, event: str) -> bool:
        """Is there a journey or a statistic that this event moves?"""
        heard = any(event in compiled.plan.hears for compiled in self._plans.values())
        return heard or event in self.entries or event in self.measures

    def _recalls(self) -> dict[str, Micros]:
        asked: dict[str, Micros] = {}
        for compiled in self._plans.values():
            for event, back in compiled.plan.recalls.items():
                asked[event] = max(back, asked.get(event, 0))
        return asked

    def _asks_of_journeys(self) -> bool:
        """Does a condition that runs or the customer stand by ask whether a journey is, or was, travelled?"""
        standing = [one.condition for one in self.watch.all.values()]
        for compiled in self._plans.values():
            standing += compiled.conditions.values()
            standing += [way_out.when for way_out in compiled.exits if way_out.when is not None]
        return any(name.startswith("journey:") for condition in standing for name in condition.inputs)

    def _hears_of(self, measure: str) -> tuple[str, ...]:
        """Return the events that a behaviour statistic counts."""
        return tuple(event for event, found in self.measures.items() if any(m.key == measure for m in found))

    def _entries(self) -> dict[str, Entrances]:
        guarded = {*self.doors.draining} | {j for j in self.current if self.stop_reason(j) or self.pause_reason(j)}
        stopped = frozenset(guarded)
        entries: dict[str, tuple[CompiledPlan, ...]] = {}
        for journey in self.current:
            compiled = self.live(journey)
            if compiled is None:
                continue
            for event in getattr(compiled.plan.enter, "events", ()):
                entries[event] = (*entries.get(event, ()), compiled)
        return {event: Entrances(tuple(sorted(found, key=by_priority)), stopped) for event, found in entries.items()}

    def _measures(self) -> dict[str, tuple[CompiledMeasure, ...]]:
        asked = list(self.audience.measures)
        for compiled in self._plans.values():
            asked += compiled.plan.measures
        widest = {measure.key: measure for measure in sorted(asked, key=lambda m: m.window)}
        by_event: dict[str, tuple[CompiledMeasure, ...]] = {}
        for measure in widest.values():
            compiled_measure = compile_measure(measure)
            for event in measure.events:
                by_event[event] = (*by_event.get(event, ()), compiled_measure)
        return by_event

    def _stage_events(self) -> frozenset[str]:
        """Names of the events whose statistics the stages ask for: only these can move a customer on."""
        asked = {
            part.measure for expr in self.audience.stages.values() for part in walk(expr) if isinstance(part, Measured)
        }
        return frozenset(event for event, found in self.measures.items() if any(m.key in asked for m in found))


def _record(record: Record) -> Value:
    """Return the reader of an object with values computed anew at each reading; what is missing is null."""
    parts = {
        name: _record(one) if isinstance(one, Record) else compile_value(one) for name, one in record.fields.items()
    }
    return lambda context: {name: read(context) for name, read in parts.items()}


def _truth(expr: Expr | None) -> Truth | None:
    return None if expr is None else compile_truth(expr)

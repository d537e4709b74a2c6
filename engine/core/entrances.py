"""Which journeys a happening may start: indexes, so that a hundred of them need not each be asked.

`Entrances` serves the events of one name, by equal values; `Openings` what changes about a customer. Built by the
playbook, asked by `enrolment`. They never decide that a journey opens, only that some cannot.
"""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from engine.core.events import Event
from engine.core.expression import AllOf, Compare, Constant, Expr, Path
from engine.core.plan import OnAnniversary, OnChange, OnSegment, OnStage, OnTag

if TYPE_CHECKING:
    from engine.core.playbook import CompiledPlan

Wanted: TypeAlias = dict[str, tuple[Any, ...]]
"""Property of the event -> the values of which it must have one."""

_SCALARS: Final = (str, int, float)


class Asked(NamedTuple):
    """The journeys whose guards must be asked, by priority; and those whose `where` cannot hold."""

    open: tuple["CompiledPlan", ...]
    shut: tuple[str, ...]


class Entrances:
    """The journeys that one event name may start, by the value of the property that tells most of them apart."""

    __slots__ = ("_by_value", "_others", "_property", "journeys")

    def __init__(self, plans: tuple["CompiledPlan", ...], stopped: frozenset[str]) -> None:
        self.journeys = tuple(compiled.plan.journey for compiled in plans)
        # A stopped journey is always asked: that it is stopped is the reason that counts.
        wanted = {c.plan.journey: {} if c.plan.journey in stopped else _wanted(c.plan.where) for c in plans}
        [(self._property, _)] = Counter(name for found in wanted.values() for name in found).most_common(1) or [("", 0)]
        picky = {journey: found[self._property] for journey, found in wanted.items() if self._property in found}
        values = dict.fromkeys(value for asked in picky.values() for value in asked)
        self._others = _split(plans, {journey for journey in self.journeys if journey not in picky})
        self._by_value = {
            value: _split(plans, {j for j in self.journeys if j not in picky or value in picky[j]}) for value in values
        }

    def ask(self, event: Event) -> Asked:
        """Return whom to ask about this event."""
        if not self._by_value:
            return self._others
        try:
            return self._by_value.get(event.properties.get(self._property), self._others)
        except TypeError:  # a list or a map equals no scalar
            return self._others


def _split(plans: tuple["CompiledPlan", ...], asked: set[str]) -> Asked:
    names = tuple(compiled.plan.journey for compiled in plans if compiled.plan.journey not in asked)
    return Asked(tuple(compiled for compiled in plans if compiled.plan.journey in asked), names)


def _wanted(where: Expr | None) -> Wanted:
    """Return what the condition demands of the event's properties, as far as it says so by `==` or `in`.

    Python's `==` is laxer than the language's (True == 1), so nothing that holds is missed.
    """
    match where:
        case AllOf(parts=parts):
            return {name: values for part in reversed(parts) for name, values in _wanted(part).items()}
        case Compare(op="==", left=Path(root="event", parts=(name,)), right=Constant(value=value)):
            values: Any = (value,)
        case Compare(op="in", left=Path(root="event", parts=(name,)), right=Constant(value=list() | tuple() as value)):
            values = tuple(value)
        case _:
            return {}
    # `event.name` may be the event's own name, which is no property.
    return {name: values} if name != "name" and all(isinstance(one, _SCALARS) for one in values) else {}


class Openings:
    """The journeys that a change of the customer may start, the higher priority first.

    `by_change`: (kind of change, name) -> journeys, as `core/consequences.py` names changes. `traits`, `lost_tags` and
    `segments` are the names that somebody waits for; `anniversaries` the journeys with a date; `existing` those that
    also take who is in their segment at the publish.
    """

    __slots__ = ("anniversaries", "by_change", "existing", "is_empty", "lost_tags", "segments", "traits")

    def __init__(self, plans: "Iterable[CompiledPlan]") -> None:
        ranked = sorted(plans, key=by_priority)
        self.by_change: dict[tuple[str, str], tuple[CompiledPlan, ...]] = {}
        for compiled in ranked:
            key = _change(compiled)
            if key is not None:
                self.by_change[key] = (*self.by_change.get(key, ()), compiled)
        self.traits = tuple(name for kind, name in self.by_change if kind == "trait_changed")
        self.lost_tags = frozenset(name for kind, name in self.by_change if kind == "tag_lost")
        ways = [compiled for compiled in ranked if isinstance(compiled.plan.enter, OnSegment)]
        self.segments = frozenset(compiled.plan.enter.segment for compiled in ways)  # type: ignore[union-attr]
        self.existing = tuple(compiled for compiled in ways if getattr(compiled.plan.enter, "existing", False))
        self.is_empty = not self.by_change
        self.anniversaries = tuple(compiled for compiled in ranked if isinstance(compiled.plan.enter, OnAnniversary))


def by_priority(compiled: "CompiledPlan") -> tuple[int, str]:
    """Sort key: when caps bind, the journey with the higher priority plans first; ties by name, so reruns agree."""
    return (-compiled.plan.priority, compiled.plan.journey)


def _change(compiled: "CompiledPlan") -> tuple[str, str] | None:
    match compiled.plan.enter:
        case OnSegment(segment=name, way=way):
            return ("segment_entered" if way == "enters" else "segment_left", name)
        case OnStage(stage=name):
            return ("stage_reached", name)
        case OnTag(name=name, way=way):
            return ("tag_gained" if way == "gains" else "tag_lost", name)
        case OnChange(trait=name):
            return ("trait_changed", name)
        case _:
            return None

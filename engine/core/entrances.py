"""Which journeys an event may start: an index by equal values, so that a hundred of them need not each be asked.

Built by the playbook, asked by `enrolment`. It never decides that a journey opens, only that some cannot: the others
are asked in full.
"""

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from engine.core.events import Event
from engine.core.expression import AllOf, Compare, Constant, Expr, Path

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

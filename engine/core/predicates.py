"""Does a condition hold, and until when: compile once with `compile_*`, ask many times.

Missing never raises and never compares true (`!=` with a missing side is false too); `not` of something missing is
true. A bool is not a number; strings and numbers never compare. `customer.x` reads traits, then identifiers
(`customer.email`), then id, stage and created; `event.x` reads properties, then `event.name` the event's own name.
`matches` finds its pattern anywhere in the text. Called by the playbook, steps, lifecycle and rules.
"""

from typing import Final

from engine.core.audience.behaviour import CompiledMeasure
from engine.core.closures import truth_of, value_of
from engine.core.context import Closure, Context, Truth
from engine.core.events import Event
from engine.core.expression import (
    Expr,
    HasConsent,
    HasTag,
    InSegment,
    IsReachable,
    Journeyed,
    Measure,
    Measured,
    Path,
    Stage,
    Today,
    Touched,
    walk,
)
from engine.core.horizons import leaves
from engine.core.ids import Micros
from engine.core.state import Customer

__all__ = [
    "Closure",
    "Condition",
    "Context",
    "Truth",
    "compile_condition",
    "compile_measure",
    "compile_truth",
    "compile_value",
    "evaluate",
    "horizon",
    "inputs",
]

PROBES: Final = 64
"""Instants looked at for the next change; past the last one the answer is "look again then"."""


def compile_value(expr: Expr) -> Closure:
    """Return the closure that reads the value; missing is None, and nothing raises but a bad pattern, here.

    >>> from engine.core.expression import Arithmetic, Constant
    >>> nobody = Context(Customer(id="c", created=0), now=0)
    >>> compile_value(Arithmetic("+", Constant(1), Constant(2)))(nobody)
    3
    """
    return value_of(expr)


def compile_truth(expr: Expr) -> Truth:
    """Return the closure that says whether the condition holds; raises `BadInput` for a pattern that is not RE2.

    >>> from engine.core.expression import Compare, Constant
    >>> dear = compile_truth(Compare(">=", Path("event", ("total",)), Constant(200)))
    >>> nobody = Customer(id="c", created=0)
    >>> dear(Context(nobody, 0, Event(id="1", name="order_paid", at=0, received=0, properties={"total": 260})))
    True
    >>> dear(Context(nobody, 0))
    False
    """
    return truth_of(expr)


class Condition:
    """A compiled condition: call it for its truth, ask `horizon` for how long that stays true.

    Segments in a `Context` should be Conditions: then conditions that use them know when they change.
    """

    __slots__ = ("_leaves", "expr", "holds", "inputs")

    def __init__(self, expr: Expr) -> None:
        self.expr = expr
        self.holds: Truth = truth_of(expr)
        self.inputs = inputs(expr)
        self._leaves = tuple(leaves(expr))

    def __call__(self, context: Context) -> bool:
        """Return whether it holds."""
        return self.holds(context)

    @property
    def is_timed(self) -> bool:
        """Can its truth change by time alone?"""
        return bool(self._leaves)

    def horizon(self, context: Context) -> Micros:
        """Return the earliest instant after `now` at which the truth can change with no event; 0 = never.

        Before it the truth certainly stays; at it the truth has changed, or is worth another look (after `PROBES`
        instants that changed nothing).
        """
        first = self._next(context) if self._leaves else 0
        return self._search(context, bool(self.holds(context)), first) if first else 0

    def evaluate(self, context: Context) -> tuple[bool, Micros]:
        """Return (truth, horizon)."""
        truth = bool(self.holds(context))
        first = self._next(context) if self._leaves else 0
        return truth, self._search(context, truth, first) if first else 0

    def _search(self, context: Context, truth: bool, first: Micros) -> Micros:
        moved = context.at(first)
        for _ in range(PROBES):
            if bool(self.holds(moved)) != truth:
                return moved.now
            following = self._next(moved)
            if not following:
                return 0
            moved.now = following
        return moved.now

    def _next(self, context: Context) -> Micros:
        soonest = 0
        for leaf in self._leaves:
            change = leaf(context)
            if change and (not soonest or change < soonest):
                soonest = change
        return soonest


def compile_condition(expr: Expr) -> Condition:
    """Return the condition with its truth, horizon and inputs compiled."""
    return Condition(expr)


def horizon(expr: Expr, context: Context) -> Micros:
    """Return the earliest instant after `context.now` at which the truth can change with no event; 0 = never.

    Compiles each time: hot paths keep a `Condition`.
    """
    return Condition(expr).horizon(context)


def evaluate(expr: Expr, context: Context) -> tuple[bool, Micros]:
    """Return (truth, valid until); compiles each time: hot paths keep a `Condition`."""
    return Condition(expr).evaluate(context)


def compile_measure(measure: Measure) -> CompiledMeasure:
    """Return the measure ready for `behaviour.fold`; its `where` sees only the event."""
    if measure.where is None:
        return CompiledMeasure(measure)
    holds = truth_of(measure.where)
    # Folds are synchronous and `where` keeps nothing, so one context serves all of them.
    context = Context(Customer(id="", created=0), 0)

    def counts(event: Event) -> bool:
        context.event, context.now = event, event.at
        return holds(context)

    return CompiledMeasure(measure, counts)


def inputs(expr: Expr) -> frozenset[str]:
    """Return what the condition looks at, so that callers re-evaluate only when it moved.

    "event", "enter", "clock", "stage", "reach" or "<kind>:<name>" with kind customer, tag, segment, consent, measure,
    template or journey.

    >>> from engine.core.expression import AllOf
    >>> sorted(inputs(AllOf((HasTag("vip"), Path("customer", ("city",)), Path("event", ("total",))))))
    ['customer:city', 'event', 'tag:vip']
    """
    return frozenset(name for part in walk(expr) for name in _input(part))


def _input(expr: Expr) -> tuple[str, ...]:
    match expr:
        case Path(root=root, parts=parts):
            return (f"customer:{parts[0]}" if root == "customer" and parts else root,)
        case HasTag(name=name):
            return (f"tag:{name}",)
        case InSegment(name=name):
            return (f"segment:{name}",)
        case Stage():
            return ("stage",)
        case HasConsent(name=name):
            return (f"consent:{name}",)
        case IsReachable(channel=channel):
            return ("reach", f"consent:{channel}")
        case Measured(measure=measure):
            return (f"measure:{measure}",)
        case Touched(template=template):
            return (f"template:{template}",)
        case Journeyed(journey=journey):
            return (f"journey:{journey}",)
        case Today():
            return ("clock", "customer:timezone", "customer:zone")
        case _:
            return ()

"""The leaves of a condition as closures: what is read from the event, the run, the customer and the clock.

Not public: `core/closures.py` composes them, callers use `core/predicates.py`. Nothing here raises; missing is None.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final, cast

from engine.core import calendar, comparisons
from engine.core.audience import readings
from engine.core.context import Closure, Context, Truth
from engine.core.expression import Journeyed, Measured, Path, Today, Touched
from engine.core.ids import Micros


def path(expr: Path) -> Closure:
    """Return the reader of a value of the event, the run, the customer or the account."""
    if not expr.parts:
        return _missing
    first, *deeper = expr.parts
    read = _root(expr.root, first)
    if not deeper:
        return read
    if len(deeper) == 1:
        [last] = deeper

        def step(context: Context) -> Any:
            value = read(context)
            return value.get(last) if isinstance(value, dict) else None

        return step
    rest = tuple(deeper)

    def reach(context: Context) -> Any:
        value = read(context)
        for part in rest:
            if not isinstance(value, dict):
                return None
            value = value.get(part)
        return value

    return reach


def _missing(_context: Context) -> None:
    return None


def _root(root: str, name: str) -> Closure:
    if root == "event":
        return _event_name if name == "name" else _property(name)
    if root == "enter":
        return lambda context: None if context.run is None else context.run.enter.get(name)
    if root == "customer":
        return _customer_value(name)
    return lambda context: None if context.account is None else context.account.get(name)


def _property(name: str) -> Closure:
    def read(context: Context) -> Any:
        event = context.event
        return None if event is None else event.properties.get(name)

    return read


def test_of(read: Closure, op: comparisons.Op, constant: Any) -> Truth:
    """Return the test of what `read` gives against a constant, without a further call where the constant is plain."""
    quick = comparisons.fused(op, constant)
    if quick is None:
        test = comparisons.against(op, constant)
        return lambda context: test(read(context))
    kinds, order, bound = quick

    def holds(context: Context) -> bool:
        value = read(context)
        return type(value) in kinds and order(value, bound)

    return holds


def range_test(expr: Path, one: tuple[comparisons.Op, Any], other: tuple[comparisons.Op, Any]) -> Truth:
    """Return whether a value is a number inside two bounds, each (operator, number)."""
    read = path(expr)
    (kinds, first, bound), (_, second, limit) = (comparisons.numeric(*one), comparisons.numeric(*other))

    def holds(context: Context) -> bool:
        value = read(context)
        return type(value) in kinds and first(value, bound) and second(value, limit)

    return holds


def path_test(expr: Path, op: comparisons.Op, constant: Any) -> Truth:
    """Return the test of a path against a constant, in one closure for the commonest conditions there are."""
    quick = comparisons.fused(op, constant)
    if quick is None or len(expr.parts) != 1 or (expr.root, expr.parts[0]) == ("event", "name"):
        return test_of(path(expr), op, constant)
    name, (kinds, order, bound) = expr.parts[0], quick
    if expr.root == "event":

        def holds(context: Context) -> bool:
            event = context.event
            if event is None:
                return False
            value = event.properties.get(name)
            return type(value) in kinds and order(value, bound)

        return holds
    get = _root(expr.root, name)
    if expr.root == "customer":

        def holds_for_customer(context: Context) -> bool:
            value = context.customer.traits.get(name)
            if value is None:
                value = get(context)
            return type(value) in kinds and order(value, bound)

        return holds_for_customer

    def holds_elsewhere(context: Context) -> bool:
        value = get(context)
        return type(value) in kinds and order(value, bound)

    return holds_elsewhere


def _event_name(context: Context) -> Any:
    event = context.event
    if event is None:
        return None
    said = event.properties.get("name")
    return event.name if said is None else said


_OWN: Final = {"id": attrgetter("id"), "created": attrgetter("created"), "stage": attrgetter("stage")}


def _customer_value(name: str) -> Closure:
    own = _OWN.get(name)

    def read(context: Context) -> Any:
        customer = context.customer
        value = customer.traits.get(name)
        if value is not None:
            return value
        values = customer.identifiers.get(name)
        if values:
            return values[-1]
        return None if own is None else own(customer)

    return read


def measured(expr: Measured) -> Closure:
    """Return the reader of a behaviour statistic; missing when it counts from a run and there is none."""
    key, within, read = expr.measure, expr.within, readings.reader(expr.function, expr.chain)
    if expr.since_enter:

        def since(context: Context) -> Any:
            run = context.run
            if run is None:
                return None
            return read(context.customer.behaviour.get(key), context.now, run.entered)

        return since
    if within:

        def inside(context: Context) -> Any:
            now = context.now
            return read(context.customer.behaviour.get(key), now, now - within)

        return inside
    return lambda context: read(context.customer.behaviour.get(key), context.now, None)


_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def today(expr: Today) -> Closure:
    """Return the reader of the weekday, hour or date on the customer's clock."""
    what = expr.what

    def read(context: Context) -> Any:
        wall = calendar.local(context.now, calendar.zone_of(context.customer, context.policy))
        if what == "hour":
            return wall.hour
        return _WEEKDAYS[wall.weekday()] if what == "weekday" else wall.date().isoformat()

    return read


def has_tag(name: str) -> Truth:
    """Return whether the customer carries the tag now."""

    def holds(context: Context) -> bool:
        held = context.customer.tags.get(name)
        return held is not None and (not held.until or held.until > context.now)

    return holds


def lacks_tag(name: str) -> Truth:
    """Return whether the customer does not carry the tag now."""

    def holds(context: Context) -> bool:
        held = context.customer.tags.get(name)
        return held is None or 0 < held.until <= context.now

    return holds


def in_segment(name: str) -> Truth:
    """Return whether the segment's own condition holds; an unknown segment is empty."""

    def holds(context: Context) -> bool:
        segment = context.segments.get(name)
        return segment is not None and bool(segment(context))

    return holds


def touched(expr: Touched) -> Truth:
    """Return whether the customer received, opened or clicked the template."""
    template, within, since_enter = expr.template, expr.within, expr.since_enter
    when = cast("Callable[[Any], Micros]", attrgetter(expr.what))

    def holds(context: Context) -> bool:
        heard = context.customer.heard.get(template)
        at = 0 if heard is None else when(heard)
        if not at:
            return False
        if since_enter:
            return context.run is not None and at >= context.run.entered
        return not within or at > context.now - within

    return holds


def journeyed(expr: Journeyed) -> Truth:
    """Return whether the customer is in the journey, or has completed it."""
    journey = expr.journey
    if expr.what == "in_journey":
        return lambda context: any(run.journey == journey and run.is_active for run in context.customer.runs)

    def completed(context: Context) -> bool:
        past = context.customer.travelled.get(journey)
        return past is not None and past.completed > 0

    return completed
